package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestEvents goes over connections of TCP, in both ways that a reader is served.
func TestEvents(t *testing.T) {
	for _, proto := range []string{"HTTP/1.1", "HTTP/1.1 over TLS", "HTTP/2.0"} {
		t.Run(proto, func(t *testing.T) {
			h, end := hubOf(t, EventLimits{Readers: 4})
			s := httptest.NewUnstartedServer(h)
			s.EnableHTTP2 = proto == "HTTP/2.0"
			if proto == "HTTP/1.1" {
				s.Start()
			} else {
				s.StartTLS()
			}
			defer s.Close()
			c := s.Client()
			all := read(t, c, s.URL, "")
			some := read(t, c, s.URL+"?type=backend,table&service=a&service=b", "")
			gone := read(t, c, s.URL, "")

			at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			down := BackendEvent{Stamp{at}, "a", "x", Up, Down, "HTTP 503,\nwanted 200", Storm{}}
			h.Publish(&ReadyEvent{Ready: true})
			h.Publish(&BackendEvent{Service: "c", Backend: "x", Was: Down, Is: Up})
			h.Publish(&ServiceEvent{Service: "a", Change: ServiceGone})
			h.Publish(&down)
			var ready ReadyEvent
			id := all.nextOf(EventReady, &ready)
			if !ready.Ready || time.Since(ready.At) > time.Minute {
				t.Errorf("%+v", ready)
			}
			all.nextOf(EventBackend, &BackendEvent{})
			all.nextOf(EventService, &ServiceEvent{})
			for who, r := range map[string]*reading{"all": all, "some": some, "one who returns": read(t, c, s.URL+"?service=a&type=backend", id)} {
				var got BackendEvent
				r.nextOf(EventBackend, &got)
				if d := cmp.Diff(down, got); d != "" {
					t.Errorf("to %s (-want +got):\n%s", who, d)
				}
			}

			answer, err := c.Get(s.URL)
			if err != nil || answer.StatusCode != 503 || answer.Header.Get("Retry-After") == "" {
				t.Errorf("where there is no room: %v, %v", answer, err)
			}
			answer.Body.Close()
			gone.end()
			for h.Readers() != 3 {
				time.Sleep(time.Millisecond)
			}
			end()
			if rest := all.next(); len(rest) > 0 {
				t.Errorf("after the end: %v", rest)
			}
			if answer, err = c.Get(s.URL); err != nil || answer.StatusCode != 503 {
				t.Errorf("after the end: %v, %v", answer, err)
			}
			answer.Body.Close()
		})
	}
}

func TestEventsAreResumed(t *testing.T) {
	h, _ := hubOf(t, EventLimits{Events: 3})
	s := httptest.NewServer(h)
	defer s.Close()
	id := map[int]string{0: h.id(0)}
	for n := range 5 {
		h.Publish(&ServiceEvent{Service: fmt.Sprint(n + 1)})
		id[n+1] = h.id(uint64(n + 1))
	}
	for name, tt := range map[string]struct {
		after string
		lost  uint64
		gap   bool
		first string
	}{
		"the newest but one":             {id[4], 0, false, "5"},
		"as old as may be":               {id[2], 0, false, "3"},
		"older":                          {id[1], 1, true, "3"},
		"the first of all":               {id[0], 2, true, "3"},
		"of another run":                 {"abc-4", 0, true, "3"},
		"to come":                        {h.run + "-6", 0, true, "3"},
		"no number":                      {h.run, 0, true, "3"},
		"more than a number":             {id[4] + "0000000000000000000000", 0, true, "3"},
		"nothing that we could ever say": {"x\ty\xff", 0, true, "3"},
	} {
		t.Run(name, func(t *testing.T) {
			r := read(t, s.Client(), s.URL, tt.after)
			if tt.gap {
				var gap GapEvent
				at := r.nextOf(EventGap, &gap)
				if gap.Lost != tt.lost || gap.Message != gapMessage || at != id[2] {
					t.Errorf("%s: %+v", at, gap)
				}
			}
			var first ServiceEvent
			if r.nextOf(EventService, &first); first.Service != tt.first {
				t.Errorf("it begins with %s, and not %s", first.Service, tt.first)
			}
		})
	}
	t.Run("in the query", func(t *testing.T) {
		var last ServiceEvent
		if read(t, s.Client(), s.URL+"?last_event_id="+id[4], "").nextOf(EventService, &last); last.Service != "5" {
			t.Errorf("%+v", last)
		}
	})
}

func TestEventsRefuse(t *testing.T) {
	h := NewHub(EventLimits{})
	for query, want := range map[string]string{
		"type=backends":                   `query.type: "backends" is no type of event; the types are service, backend, override, table, source, removal, config, ready`,
		"type=gap":                        `query.type: "gap" is no type of event; the types are service, backend, override, table, source, removal, config, ready`,
		"type=":                           `query.type: "" is no type of event; the types are service, backend, override, table, source, removal, config, ready`,
		"types=backend":                   "query.types: unknown; known are last_event_id, service, type",
		strings.Repeat("service=x&", 101): "query.service: over 100 services are named; ask for all",
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/events?"+query, nil))
		var f Failure
		if err := json.Unmarshal(w.Body.Bytes(), &f); err != nil || w.Code != 422 || f.Error() != "what was sent cannot be used\n"+want {
			t.Errorf("%s: %d, %v, %v", query, w.Code, err, f.Error())
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("HEAD", "/events", nil))
	if w.Code != 200 || w.Header().Get("Content-Type") != "text/event-stream" {
		t.Errorf("HEAD: %d, %v", w.Code, w.Header())
	}
}

// TestEventsReaders has readers that do nothing, take nothing, say something, and stay for long.
func TestEventsReaders(t *testing.T) {
	const asks = "GET /events HTTP/1.1\r\nHost: x\r\n\r\n"
	start := func(t *testing.T) (*Hub, net.Conn, *bufio.Reader) {
		t.Helper()
		h, _ := hubOf(t, EventLimits{Events: 10})
		ctx, cancel := context.WithCancel(t.Context())
		l := pipes{make(chan net.Conn), make(chan struct{})}
		s := &http.Server{Handler: h}
		t.Cleanup(func() { cancel(); s.Close() })
		go func() { _ = s.Serve(l) }()
		_ = ctx
		client, server := net.Pipe()
		l.conns <- server
		if _, err := io.WriteString(client, asks); err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(client)
		for {
			if line, err := in.ReadString('\n'); err != nil {
				t.Fatal(err)
			} else if strings.HasPrefix(line, "id: ") {
				_, _ = in.ReadString('\n')
				return h, client, in
			}
		}
	}
	in := func(name string, test func(*testing.T, *Hub, net.Conn, *bufio.Reader)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, conn, r := start(t)
				test(t, h, conn, r)
			})
		})
	}
	in("are sent comments, and leave after an hour", func(t *testing.T, h *Hub, conn net.Conn, in *bufio.Reader) {
		begun, comments := time.Now(), 0
		for {
			line, err := in.ReadString('\n')
			if errors.Is(err, io.EOF) {
				break
			} else if err != nil || strings.TrimSpace(line) != ":" && line != "\n" {
				t.Fatalf("%q, %v", line, err)
			}
			comments++
		}
		if d := time.Since(begun); d < readerLife*9/10 || d > readerLife || comments/2 < int(d/heartbeat)-1 {
			t.Errorf("after %s and %d comments", d, comments/2)
		}
	})
	in("lose the connection if they take nothing", func(t *testing.T, h *Hub, conn net.Conn, in *bufio.Reader) {
		h.Publish(&ReadyEvent{})
		time.Sleep(readerPatience + time.Second)
		if n := h.Readers(); n != 0 {
			t.Errorf("there are %d", n)
		}
	})
	in("lose the connection if the ring overtakes them", func(t *testing.T, h *Hub, conn net.Conn, in *bufio.Reader) {
		h.Publish(&ReadyEvent{})
		synctest.Wait() // it is being sent
		for range 20 {
			h.Publish(&ReadyEvent{})
		}
		if rest, err := io.ReadAll(in); err != nil || strings.Count(string(rest), "data:") != 1 {
			t.Errorf("it still gets %s, %v", rest, err)
		}
	})
	in("lose the connection if they talk", func(t *testing.T, h *Hub, conn net.Conn, in *bufio.Reader) {
		_, _ = io.WriteString(conn, asks)
		if rest, err := io.ReadAll(in); len(rest) > 0 {
			t.Errorf("%s, %v", rest, err)
		}
	})
	in("get what comes at once together", func(t *testing.T, h *Hub, conn net.Conn, in *bufio.Reader) {
		begun := time.Now()
		for want := range 3 {
			many := 5
			if want == 0 {
				many = 1 // after a quiet time the hub goes out with what there is, be it the first of many
			}
			for range many {
				h.Publish(&ReadyEvent{})
			}
			for range many * 4 {
				if _, err := in.ReadString('\n'); err != nil {
					t.Fatal(err)
				}
			}
			if d := time.Since(begun); d != time.Duration(want)*wakeEvery {
				t.Errorf("after %s", d)
			}
		}
	})
}

func FuzzEventsRequest(f *testing.F) {
	f.Add("type=backend&service=a", "abc-1")
	f.Add("last_event_id=%00", "-18446744073709551615")
	h := NewHub(EventLimits{})
	h.Publish(&ReadyEvent{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // each ends at once
	f.Fuzz(func(t *testing.T, query, id string) {
		r := (&http.Request{Method: "GET", Header: http.Header{"Last-Event-Id": {id}}}).WithContext(ctx)
		r.URL = httptest.NewRequest("GET", "/events", nil).URL
		r.URL.RawQuery = query
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 200 && w.Code != 422 || w.Code == 200 && !strings.HasPrefix(w.Body.String(), "retry: ") {
			t.Errorf("%d: %s", w.Code, w.Body)
		}
		if h.Readers() != 0 {
			t.Error("somebody is left")
		}
	})
}
