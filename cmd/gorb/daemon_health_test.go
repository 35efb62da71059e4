package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/httpapi"
	"github.com/gorb-io/gorb/pkg/probe"
	"github.com/gorb-io/gorb/pkg/reconcile"
	"github.com/gorb-io/gorb/pkg/spec"
)

// fixed is a checker that gives the same answer each time; a context that ends, if it has none.
type fixed struct{ probe.Result }

func (f fixed) Check(ctx context.Context, _ *probe.Trace) probe.Result {
	if f.Outcome == probe.Unmade && f.Text == "" {
		<-ctx.Done()
	}
	return f.Result
}

// startEngine runs an engine that has these answers to its checks, by backend, of the services.
func startEngine(t testing.TB, services []spec.Service, by map[string]probe.Result) *probe.Engine {
	t.Helper()
	engine := probe.New(func(time.Duration) time.Duration { return 0 }, zerolog.Nop())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := engine.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	w := probe.Wanted{Services: map[string][]probe.Watch{}, Checks: 100, Exec: 1}
	for _, s := range services {
		for _, b := range s.Backends {
			if result, ok := by[b.Name]; ok {
				w.Services[s.Name] = append(w.Services[s.Name], probe.Watch{
					Ref: probe.Ref{Service: s.Name, Backend: b.Name}, Target: probe.Target{Kind: "tcp", Args: s.Name + "/" + b.Name},
					Policy: probe.Policy{
						Interval: 10 * time.Second, FastInterval: 10 * time.Second, Timeout: time.Minute,
						Rise: 2, Fall: 1, Backoff: 1, MaxInterval: time.Minute, Window: 100,
					},
					Checker: func() probe.Checker { return fixed{result} },
				})
			}
		}
	}
	engine.Set(w)
	return engine
}

func desiredOf(t *testing.T, text string) *spec.Desired {
	t.Helper()
	doc, err := spec.Decode("gorb.toml", spec.TOML, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	d, err := spec.Merge(doc)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const healthFile = `[services.web]
host = "10.0.0.1"
port = 80
on_down = "remove"
pulse = { type = "http", args = { path = "/health" } }
[services.web.backends.down]
host = "10.1.0.1"
[services.web.backends.up]
host = "10.1.0.2"
weight = 40
[services.web.backends.rising]
host = "10.1.0.3"
pulse = { type = "tcp", args = { host = "10.1.0.9", port = 81 } }
[services.web.backends.unmade]
host = "10.1.0.4"
pulse = { type = "exec", args = { command = ["/usr/bin/check", "secret"] } }
[services.web.backends.unseen]
host = "10.1.0.5"
[services.web.backends.unchecked]
host = "10.1.0.6"
pulse = { type = "none" }
[services.mark]
fwmark = 7
family = "ipv6"
[services.mark.backends.a]
host = "2001:db8::1"
`

// TestHealthInWords has an engine judge backends, and says how they are.
func TestHealthInWords(t *testing.T) {
	d := desiredOf(t, healthFile)
	synctest.Test(t, func(t *testing.T) {
		engine := startEngine(t, d.Services, map[string]probe.Result{
			"up":     {Outcome: probe.OK},
			"rising": {Outcome: probe.OK},
			"down":   {Outcome: probe.Failed, Text: "HTTP 503, wanted 200"},
			"unmade": {Outcome: probe.Unmade, Text: "no program may start"},
		})
		time.Sleep(5 * time.Second)
		a := daemonAPI{engine: engine, live: &liveness{}, reconciler: waits{}}
		if got, want := words(t, a, d), `mark, drain: 0 up, 0 down, 0 unanswered, 1 unchecked
  a: none  unchecked, weight 100/100
web, remove: 0 up, 1 down, 4 unanswered, 1 unchecked
  down: http 10.1.0.1:80/health down for 5s, 0 of 1, failed (HTTP 503, wanted 200), weight 0/100: down since TIME: HTTP 503, wanted 200
  rising: tcp 10.1.0.9:81 unanswered for 5s, 1 of 1, ok (), weight ?/100: not known yet; 1 of the 2 good checks in a row that it needs
  unchecked: none  unchecked, weight 100/100
  unmade: exec /usr/bin/check unanswered for 5s, 0 of 0, unmade (no program may start), weight ?/100: not checked yet (no program may start)
  unseen: http 10.1.0.5:80/health unanswered, 0 of 0, weight ?/100: not checked yet
  up: http 10.1.0.2:80/health unanswered for 5s, 1 of 1, ok (), weight ?/40: not known yet; 1 of the 2 good checks in a row that it needs
`; got != want {
			t.Errorf("(-want +got):\n%s", cmp.Diff(want, got))
		}
		time.Sleep(10 * time.Second)
		if got := words(t, a, d); !strings.Contains(got, "  up: http 10.1.0.2:80/health up for 5s, 2 of 2, ok (), weight 40/40\n") {
			t.Errorf("when it has come up:\n%s", got)
		}
		if c := a.Checks(); c.Engine.Probes != 4 || !c.Engine.Newest.Equal(time.Now().Add(-5*time.Second)) {
			t.Errorf("the engine: %+v", c.Engine)
		}

		if got := words(t, daemonAPI{reconciler: waits{}}, d); !strings.Contains(got, "0 up, 0 down, 0 unanswered, 6 unchecked") {
			t.Errorf("without an engine:\n%s", got)
		}
	})
}

// words is what is said of the services of a configuration, a backend to a line.
func words(t *testing.T, a daemonAPI, d *spec.Desired) string {
	t.Helper()
	var text strings.Builder
	err := a.healthOf(t.Context(), d, nil, func(h httpapi.ServiceHealth) error {
		c := h.Counts
		fmt.Fprintf(&text, "%s, %s: %d up, %d down, %d unanswered, %d unchecked\n", h.Name, h.OnDown, c.Up, c.Down, c.Unanswered, c.Unchecked)
		for _, b := range h.Backends {
			fmt.Fprintf(&text, "  %s: %s %s %s", b.Name, b.Check.Type, b.Check.Target, b.State)
			if !b.Since.IsZero() {
				fmt.Fprintf(&text, " for %v", time.Since(b.Since))
			}
			if b.State != httpapi.Unchecked {
				fmt.Fprintf(&text, ", %d of %d", b.Good, b.Of)
			}
			if r := b.Last; r != nil {
				fmt.Fprintf(&text, ", %s (%s)", r.Outcome, r.Text)
			}
			weight := "?"
			if b.Effective != nil {
				weight = fmt.Sprint(*b.Effective)
			}
			fmt.Fprintf(&text, ", weight %s/%d", weight, b.Weight)
			if b.Why != "" {
				fmt.Fprintf(&text, ": %s", strings.ReplaceAll(b.Why, b.Since.Local().Format(time.TimeOnly), "TIME"))
			}
			fmt.Fprintln(&text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// waits is a reconciler of which all that is asked is what waits.
type waits struct {
	reconciling
	list []reconcile.Waiting
}

func (w waits) Passes() reconcile.Passes { return reconcile.Passes{Waiting: w.list} }

// TestHealthOfDaemon asks a daemon over its socket.
func TestHealthOfDaemon(t *testing.T) {
	since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var engine *probe.Engine
	content := strings.Replace(askedFile, `"none"`, `"tcp"`, 1)
	d := startAskedWith(t, content, func(a *daemonAPI) {
		engine = startEngine(t, desiredOf(t, content).Services, map[string]probe.Result{"a": {Outcome: probe.Failed, Text: "no"}})
		a.engine, a.live = engine, &liveness{wake: func() {}}
		a.live.note("web", probe.Counts{Down: 1})
		a.reconciler = waits{a.reconciler, []reconcile.Waiting{{Name: "web", Since: since, Unanswered: 1, Down: 2}}}
	})
	client := httpapi.NewClient(d.socket)
	var health httpapi.Health
	eventually(t, "the check has been made", func() bool {
		if err := client.Do(t.Context(), "GET", "/health?service=web&service=none", nil, &health); err != nil {
			t.Fatal(err)
		}
		return health.Services[0].Backends[0].State == httpapi.Down
	})
	service := health.Services[0]
	if d := cmp.Diff(&httpapi.WaitingReason{
		Since: since, Why: "no backend that stays is up (1 not answered yet, 2 down)",
	}, service.Waiting); d != "" || len(health.Services) != 1 || service.AllDown || health.Engine.Probes != 1 {
		t.Errorf("of web: %+v\nwaiting (-want +got):\n%s", service, d)
	}
	var status httpapi.Status
	if err := client.Do(t.Context(), "GET", "/status", nil, &status); err != nil {
		t.Fatal(err)
	}
	web := httpapi.Named{Count: 1, Names: []string{"web"}}
	if h := status.Health; h.Backends.Down != 1 || !cmp.Equal(h.AllDown, web) || !cmp.Equal(h.Waiting, web) {
		t.Errorf("/status: %+v", h)
	}
	if err := client.Do(t.Context(), "GET", "/health?service=none", nil, &health); err != nil || len(health.Services) != 0 {
		t.Errorf("of nothing: %+v, %v", health, err)
	}
}

// large is a daemon that has a configuration without having read it.
type large struct {
	daemonAPI
	desired *spec.Desired
}

func (l large) Health(ctx context.Context, names []string, each func(httpapi.ServiceHealth) error) error {
	return l.healthOf(ctx, l.desired, names, each)
}

// BenchmarkHealth asks a daemon how its 200,000 backends are.
func BenchmarkHealth(b *testing.B) {
	l := large{desired: &spec.Desired{}}
	by := make(map[string]probe.Result)
	for i := range 10_000 {
		s := spec.Service{Name: fmt.Sprint("service-", i), Protocol: spec.TCP, Host: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), Port: 80}
		for j := range 20 {
			backend := spec.Backend{Name: fmt.Sprint("backend-", j), Host: netip.AddrFrom4([4]byte{10, 1, byte(i), byte(j)}), Port: 80, Weight: 100}
			by[backend.Name] = probe.Result{Outcome: probe.Failed, Text: "connect: connection refused"}
			s.Backends = append(s.Backends, backend)
		}
		l.desired.Services = append(l.desired.Services, s)
	}
	l.engine, l.live, l.reconciler = startEngine(b, l.desired.Services, by), &liveness{}, waits{}
	path := filepath.Join(b.TempDir(), "gorb.sock")
	listener, err := httpapi.Listen(path)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error)
	go func() {
		access := httpapi.NewAccess(zerolog.Nop(), time.Now)
		done <- httpapi.Serve(ctx, httpapi.Peers(listener), httpapi.New(l, httpapi.Options{Access: access}), nil, zerolog.Nop())
	}()
	defer func() { cancel(); <-done }()
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}}
	defer client.CloseIdleConnections()
	for l.engine.Vitals().Queued > 0 || l.engine.Vitals().Probes == 0 {
		time.Sleep(time.Millisecond)
	}
	for b.Loop() {
		answer, err := client.Get("http://gorb/health")
		if err != nil {
			b.Fatal(err)
		}
		n, err := io.Copy(io.Discard, answer.Body)
		if err := errors.Join(err, answer.Body.Close()); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(n)/1e6, "MB")
	}
}

// TestDrainedBackendIsNobodyUp has the only backend that is up be drained by hand: all that count are down.
func TestDrainedBackendIsNobodyUp(t *testing.T) {
	d := desiredOf(t, `[services.web]
host = "10.0.0.1"
port = 80
pulse = { type = "tcp" }
[services.web.backends.down]
host = "10.1.0.1"
[services.web.backends.drained]
host = "10.1.0.2"
weight = 0
`)
	synctest.Test(t, func(t *testing.T) {
		a := daemonAPI{live: &liveness{}, reconciler: waits{}, engine: startEngine(t, d.Services, map[string]probe.Result{
			"drained": {Outcome: probe.OK},
			"down":    {Outcome: probe.Failed, Text: "connect: connection refused"},
		})}
		time.Sleep(15 * time.Second)
		err := a.healthOf(t.Context(), d, nil, func(h httpapi.ServiceHealth) error {
			if !h.AllDown || h.Counts.Drained != 1 || h.Counts.Down != 1 {
				t.Errorf("all down: %v, %+v", h.AllDown, h.Counts)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}
