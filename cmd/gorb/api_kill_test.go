package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gorb-io/gorb/internal/lab"
	"github.com/gorb-io/gorb/pkg/httpapi"
)

// TestAPIKilled kills gorb eight times while clients write. What was acknowledged is there when it runs again, for who asks
// and in the kernel's table; what was not is whole, or absent.
func TestAPIKilled(t *testing.T) { lab.Run(t, func(t *testing.T) { killAPI(t, 8) }) }

// TestSoakAPIKilled is its long form.
func TestSoakAPIKilled(t *testing.T) {
	if os.Getenv("GORB_SOAK") == "" {
		t.Skip("the long form of TestAPIKilled; make soak runs it")
	}
	lab.Run(t, func(t *testing.T) { killAPI(t, 200) })
}

func killAPI(t *testing.T, kills int) {
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	k := newKeeping(t, lab.Namespace(t))
	writers := make([]*killedWriter, 6)
	services := make([]tcpService, len(writers))
	for i := range writers {
		services[i] = tcpService{
			name: fmt.Sprintf("web%d", i), addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 80), method: "wrr", drain: "0",
		}
		writers[i] = &killedWriter{t: t, number: i, rand: rand.New(rand.NewPCG(seed, uint64(i+1))), http: overSocket(k.socket())}
	}
	k.declare(services...)
	acknowledged, half := 0, 0
	for kill := range kills {
		k.start()
		overrides := awaitOverrides(t, writers[0].http)
		for i, w := range writers {
			half += w.compare(overrides)
			services[i].backends = w.backends()
		}
		k.wantTable(fmt.Sprintf("after %d kills", kill), services...)
		var all sync.WaitGroup
		for _, w := range writers {
			all.Go(w.write)
		}
		time.Sleep(within(r, time.Second))
		k.signal(syscall.SIGKILL)
		all.Wait()
	}
	for _, w := range writers {
		acknowledged += w.acknowledged
	}
	t.Logf("%d changes acknowledged, %d were done without", acknowledged, half)
	if acknowledged < kills {
		t.Error("that is too few")
	}
}

// overSocket is a client over a unix socket.
func overSocket(path string) *http.Client {
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
}

// awaitOverrides waits until gorb answers, and returns its overrides by object.
func awaitOverrides(t *testing.T, c *http.Client) map[string]httpapi.Override {
	t.Helper()
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		var answer *http.Response
		if answer, err = c.Get("http://gorb/overrides"); err != nil {
			continue
		}
		var list httpapi.OverrideList
		if err = json.NewDecoder(answer.Body).Decode(&list); err == nil {
			err = answer.Body.Close()
		}
		if err != nil {
			continue
		}
		all := make(map[string]httpapi.Override)
		for _, o := range list.Overrides {
			all[o.Object()] = o
		}
		return all
	}
	t.Fatalf("gorb does not answer: %v", err)
	return nil
}

const killedBackends = 4

// killedWriter writes backends of one service until gorb is dead, and knows what has to be there.
type killedWriter struct {
	t            *testing.T
	number       int
	rand         *rand.Rand
	http         *http.Client
	weights      [killedBackends]int // 0: it is not there
	acknowledged int
	at           int // of the change that was not answered
	next         int // its weight after that
}

// write makes changes, one after the other, until there is no answer.
func (w *killedWriter) write() {
	for {
		w.at, w.next = w.rand.IntN(killedBackends), 1+w.rand.IntN(1000)
		method, body := "PUT", fmt.Sprintf(`{"host": "10.1.%d.%d", "port": 80, "weight": %d}`, w.number, w.at, w.next)
		if there := w.weights[w.at] > 0; there && w.rand.IntN(3) == 0 {
			method, body, w.next = "DELETE", "", 0
		} else if there {
			method, body = "PATCH", fmt.Sprintf(`{"weight": %d}`, w.next)
		}
		request, err := http.NewRequest(method, fmt.Sprintf("http://gorb/service/web%d/b%d", w.number, w.at), strings.NewReader(body))
		if err != nil {
			w.t.Error(err)
			return
		}
		request.Header.Set("Content-Type", "application/json")
		answer, err := w.http.Do(request)
		if err != nil {
			return
		}
		// Its status is enough: a client that has that need not have the body.
		text, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		switch {
		case answer.StatusCode == http.StatusServiceUnavailable: // it starts
			continue
		case answer.StatusCode != http.StatusOK && answer.StatusCode != http.StatusAccepted:
			w.t.Errorf("%s %s %s: %d\n%s", method, request.URL, body, answer.StatusCode, text)
		}
		w.weights[w.at] = w.next
		w.acknowledged++
		w.next = -1
	}
}

// compare compares what there is with what was acknowledged, and returns how many changes were done that were not.
func (w *killedWriter) compare(overrides map[string]httpapi.Override) (half int) {
	w.t.Helper()
	for i, want := range w.weights {
		got := 0
		if o, there := overrides[fmt.Sprintf("web%d/b%d", w.number, i)]; there {
			var body struct {
				Host         string
				Port, Weight int
			}
			err := json.Unmarshal(o.Body, &body)
			if got = body.Weight; err != nil || body.Host != fmt.Sprintf("10.1.%d.%d", w.number, i) || body.Port != 80 || got == 0 {
				w.t.Errorf("%s is not whole: %s, %v", o.Object(), o.Body, err)
			}
		}
		switch {
		case got == want:
		case i == w.at && got == w.next:
			half++
		default:
			w.t.Errorf("web%d/b%d has weight %d, and acknowledged was %d (on its way: b%d, %d)", w.number, i, got, want, w.at, w.next)
		}
		w.weights[i] = got
	}
	return half
}

// backends are those that are there.
func (w *killedWriter) backends() []tcpBackend {
	var list []tcpBackend
	for i, weight := range w.weights {
		if weight > 0 {
			at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(w.number), byte(i)}), 80)
			list = append(list, tcpBackend{addr: at, weight: weight})
		}
	}
	return list
}
