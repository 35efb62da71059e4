package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

// withBody are the routes with a body, and such a body of one.
var withBody = map[string]string{
	"PUT /service/web": `{"port": 80}`, "PUT /service/web/a": `{"host": "10.1.0.1"}`, "PATCH /service/web": `{}`, "PATCH /service/web/a": `{}`,
	"POST /overrides": `{"kind": "hide", "service": "x"}`, "POST /reload": `{}`, "POST /plan": `{"layers": []}`,
}

// TestBodiesAreBounded sends more than is read, on every route that reads.
func TestBodiesAreBounded(t *testing.T) {
	f := over(t, web)
	h := routes(f)
	for do, body := range withBody {
		method, target, _ := strings.Cut(do, " ")
		most, words := maxBody, "the body is over 1 MiB"
		if target == "/plan" {
			most, words = maxPlanBody, fmt.Sprintf("the body is over %d MiB", maxPlanBody>>20)
		}
		w := exchange(h, method, target, body[:len(body)-1]+strings.Repeat(" ", most)+"}")
		if got := told(t, w.Body.Bytes(), w.Code); got != "413 "+words {
			t.Errorf("%s: %s", do, got)
		}
		if w := exchange(h, method, target, body, "Content-Type: text/xml"); w.Code != 415 {
			t.Errorf("%s of XML: %d %s", do, w.Code, w.Body)
		}
		if w := exchange(h, method, target, "{"); w.Code != 400 {
			t.Errorf("%s of half a body: %d %s", do, w.Code, w.Body)
		}
	}
	if stored(f) != "" {
		t.Error(stored(f))
	}
}

// TestNoRoute has what no route is for: it is said in JSON, with the methods that there are.
func TestNoRoute(t *testing.T) {
	h := routes(over(t, web))
	for do, want := range map[string]string{
		"GET /nowhere":                "404 there is no such route; ",
		"GET /":                       "404 there is no such route; ",
		"GET /service/":               "404 there is no such route; ",
		"GET /service/web/a/b":        "404 there is no such route; ",
		"GET /debug/pprof/":           "404 there is no such route; ",
		"POST /service/web":           "405 POST is no method of this route; there are DELETE, GET, HEAD, PATCH, PUT; DELETE, GET, HEAD, PATCH, PUT",
		"DELETE /status":              "405 DELETE is no method of this route; there are GET, HEAD; GET, HEAD",
		"OPTIONS /service":            "405 OPTIONS is no method of this route; there are GET, HEAD; GET, HEAD",
		"BREW /service":               "405 BREW is no method of this route; there are GET, HEAD; GET, HEAD",
		"GET /reload":                 "405 GET is no method of this route; there are POST; POST",
		"HEAD /reload":                "405 HEAD is no method of this route; there are POST; POST",
		"PUT /overrides/web":          "405 PUT is no method of this route; there are DELETE, GET, HEAD; DELETE, GET, HEAD",
		"POST /openapi.json":          "405 POST is no method of this route; there are GET, HEAD; GET, HEAD",
		"GET //service/web":           "404 there is no such route; ",
		"PUT /service//web":           "404 there is no such route; ",
		"GET /service/../service/web": "404 there is no such route; ",
		"DELETE /service/web/a/.":     "404 there is no such route; ",
		"GET /./service":              "404 there is no such route; ",
		"GET //":                      "404 there is no such route; ",
		"GET //nowhere":               "404 there is no such route; ",
		"GET /service/web%2Fa/b%2F/c": "404 there is no such route; ",
	} {
		method, target, _ := strings.Cut(do, " ")
		w := exchange(h, method, target, "")
		got := told(t, w.Body.Bytes(), w.Code) + "; " + w.Header().Get("Allow")
		if got != want || w.Header().Get("Content-Type") != mediaJSON {
			t.Errorf("%s: %s %s\nwant %s", do, got, w.Header(), want)
		}
	}
}

// TestHead asks for the header of each answer alone, over a connection.
func TestHead(t *testing.T) {
	f := over(t, web)
	c, _ := serve(t, routes(f), io.Discard)
	for _, target := range []string{
		"/service", "/service/web", "/service/web/a", "/overrides", "/sources", "/held", "/status", "/health", "/plan", "/audit",
		"/openapi.json", "/schema.json", "/service/gone",
	} {
		get, err := c.http.Get("http://gorb" + target)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(get.Body)
		get.Body.Close()
		head, err := c.http.Head("http://gorb" + target)
		if err != nil {
			t.Fatal(err)
		}
		none, _ := io.ReadAll(head.Body)
		head.Body.Close()
		if get.StatusCode != head.StatusCode || len(text) == 0 || len(none) > 0 ||
			get.Header.Get("Content-Type") != head.Header.Get("Content-Type") || get.Header.Get("ETag") != head.Header.Get("ETag") {
			t.Errorf("%s: %d %v, and with HEAD %d %v %s", target, get.StatusCode, get.Header, head.StatusCode, head.Header, none)
		}
	}
}

func TestTakesJSON(t *testing.T) {
	for accept, want := range map[string]bool{
		"":                                    true, // none
		"*/*":                                 true,
		"application/json":                    true,
		"APPLICATION/JSON":                    true,
		"application/*":                       true,
		"text/html, application/json":         true,
		"text/html\napplication/json":         true,
		"text/html;q=0.9, */*;q=0.1":          true,
		"application/json;q=0.001":            true,
		"application/json; charset=utf-8":     true,
		"application/json;q=0":                false,
		"application/json;q=0, */*":           false, // what is named more closely counts (RFC 9110 section 12.5.1)
		"application/*;q=0, */*":              false,
		"application/json, */*;q=0":           true,
		"application/json, application/*;q=0": true,
		"text/html":                           false,
		"application/xml, text/*":             false,
		"json":                                false,
		"application/problem+json":            false,
	} {
		var lines []string
		if accept != "" {
			lines = strings.Split(accept, "\n")
		}
		if got := takesJSON(lines); got != want {
			t.Errorf("Accept: %s: %t", accept, got)
		}
	}
	// It is said before anything is done.
	f := over(t, web)
	w := exchange(routes(f), "PUT", "/service/new", `{"port": 80, "host": "10.0.0.3"}`, "Accept: text/html")
	if got := told(t, w.Body.Bytes(), w.Code); got != "406 the answer is application/json, which Accept does not take" || stored(f) != "" || len(f.Audit(0, 9)) != 1 {
		t.Error(got, stored(f))
	}
}

// TestSurvive has handlers that panic: before they have answered, amid the answer, and on purpose.
func TestSurvive(t *testing.T) {
	f, _ := fake(t)
	var log bytes.Buffer
	h := withRoutes(f, &log, func(a *api) {
		route(a, "POST", "/panic", func(*caller) (isDone, error) { panic("a bug") })
		route(a, "GET", "/abort", func(*caller) (isDone, error) { panic(http.ErrAbortHandler) })
		route(a, "GET", "/fine", func(*caller) (isDone, error) { return isDone{}, nil })
	})
	w := exchange(h, "POST", "/panic", "")
	got := told(t, w.Body.Bytes(), w.Code)
	m := regexp.MustCompile(`^500 a fault of gorb's; its log has it under the id ([0-9a-f]{16})$`).FindStringSubmatch(got)
	var entry struct{ ID, Method, Path, Panic, Stack string }
	if err := json.Unmarshal(log.Bytes(), &entry); err != nil || m == nil {
		t.Fatalf("%s; the log: %s: %v", got, log.String(), err)
	}
	if entry.ID != m[1] || entry.Method != "POST" || entry.Path != "/panic" || entry.Panic != "a bug" || !strings.Contains(entry.Stack, "outer_test.go") {
		t.Errorf("the log: %+v", entry)
	}
	if w := exchange(h, "GET", "/fine", ""); w.Code != 200 {
		t.Errorf("after it: %d", w.Code)
	}
	log.Reset()
	func() {
		defer func() {
			if what := recover(); what != http.ErrAbortHandler || log.Len() > 0 {
				t.Errorf("what cuts off on purpose: %v; the log: %s", what, log.String())
			}
		}()
		exchange(h, "GET", "/abort", "")
	}()
}

// TestPanicAmidAnAnswer has half of an answer sent already: the rest would be taken for the whole.
func TestPanicAmidAnAnswer(t *testing.T) {
	f, _ := fake(t)
	var log bytes.Buffer
	a := &api{daemon: f, access: open(), log: zerolog.New(&log)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /half", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"half": `)
		_ = http.NewResponseController(w).Flush()
		panic("a bug")
	})
	c, end := serve(t, a.outer(mux), io.Discard)
	answer, err := c.http.Get("http://gorb/half")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, err := io.ReadAll(answer.Body); err == nil {
		t.Errorf("it is whole: %s", text)
	}
	if err := end(); err != nil || !strings.Contains(log.String(), "a bug") {
		t.Errorf("%v; the log: %s", err, log.String())
	}
}

// TestLongHeaders has headers of which not all is read.
func TestLongHeaders(t *testing.T) {
	f, _ := fake(t)
	c, _ := serve(t, routes(f), io.Discard)
	for size, want := range map[int]int{maxHeader / 2: 200, 2 * maxHeader: 431} {
		conn, err := new(net.Dialer).DialContext(context.Background(), "unix", c.where)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Fprintf(conn, "GET /status HTTP/1.0\r\nX: %s\r\n\r\n", strings.Repeat("x", size)) // it need not read all
		first, _ := io.ReadAll(conn)
		conn.Close()
		if !bytes.HasPrefix(first, fmt.Appendf(nil, "HTTP/1.0 %d ", want)) && !bytes.HasPrefix(first, fmt.Appendf(nil, "HTTP/1.1 %d ", want)) {
			t.Errorf("of %d bytes: %.200s", size, first)
		}
	}
}
