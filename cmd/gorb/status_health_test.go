package main

import (
	"bytes"
	"errors"
	"maps"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/pkg/httpapi"
	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/reconcile"
	"github.com/gorb-io/gorb/pkg/spec"
)

var healthMailKey = kernel.ServiceKey{Family: kernel.IPv4, Protocol: kernel.TCP, Addr: netip.MustParseAddrPort("10.0.0.2:25")}

// healthScreen is a status with a backend in every state.
func healthScreen() *status {
	now := time.Date(2026, 1, 2, 10, 23, 10, 0, time.Local)
	mailKey := healthMailKey
	otherKey := kernel.ServiceKey{Family: kernel.IPv4, Protocol: kernel.UDP, Addr: netip.MustParseAddrPort("10.0.0.7:53")}
	dest := func(addr string, weight uint32) kernel.RealServer {
		d := backend(addr)
		d.Weight = weight
		return d
	}
	is := func(addr string, state httpapi.HealthState, ago time.Duration, good, of int, why string) httpapi.BackendHealth {
		b := httpapi.BackendHealth{
			Name: addr, Address: netip.MustParseAddrPort(addr), Check: httpapi.Check{Type: "http", Target: addr + "/health"},
			State: state, Good: good, Of: of, Weight: 100, Why: why,
		}
		if state != httpapi.Unchecked {
			b.Since = now.Add(-ago)
		}
		if of > 0 {
			b.Last = &httpapi.CheckResult{At: now.Add(-1300 * time.Millisecond), TookMS: 3.21, Outcome: httpapi.CheckOK}
		}
		return b
	}
	failed := func(b httpapi.BackendHealth, outcome httpapi.CheckOutcome, text string) httpapi.BackendHealth {
		b.Last = &httpapi.CheckResult{At: now.Add(-time.Minute), TookMS: 0.04, Outcome: outcome, Text: text}
		return b
	}
	const refused = "connect: connection refused"
	s := &status{
		now: now, info: kernel.Info{Version: "1.2.1", ConnTableSize: 4096}, timeouts: kernel.Timeouts{TCP: 900, TCPFin: 120, UDP: 90},
		table: kernel.Table{
			webKey: {
				Service: kernel.Service{Scheduler: "wrr", Netmask: kernel.FullNetmask(kernel.IPv4)},
				Dests: []kernel.RealServer{
					dest("10.1.0.1:80", 100), dest("10.1.0.2:80", 0), dest("10.1.0.3:80", 40), dest("10.1.0.4:80", 70),
					dest("10.1.0.5:80", 100), dest("10.1.0.6:80", 100), dest("10.1.0.8:80", 0), dest("10.1.0.9:80", 100),
				},
			},
			mailKey: {
				Service: kernel.Service{Scheduler: "wlc", Netmask: kernel.FullNetmask(kernel.IPv4)},
				Dests:   []kernel.RealServer{dest("10.1.0.1:25", 0), dest("10.1.0.9:25", 100)},
			},
			otherKey: {
				Service: kernel.Service{Scheduler: "rr", Netmask: kernel.FullNetmask(kernel.IPv4)},
				Dests:   []kernel.RealServer{dest("10.1.0.4:53", 1)},
			},
		},
		memory: reconcile.Memory{Services: map[kernel.ServiceKey]reconcile.Owned{
			mailKey: {Name: "mail"},
			webKey: {Name: "web", Draining: map[kernel.DestKey]reconcile.Drain{
				{Addr: netip.MustParseAddrPort("10.1.0.8:80")}: {Until: now.Add(time.Minute)},
			}},
		}},
		healthList: []httpapi.ServiceHealth{
			{
				ServiceState: httpapi.ServiceState{
					Name: "web", Protocol: spec.TCP, Host: webKey.Addr.Addr(), Port: 80, OnDown: "remove",
					Counts: httpapi.Counts{Up: 4, Down: 2, Unanswered: 1, Unchecked: 1},
				},
				Backends: []httpapi.BackendHealth{
					is("10.1.0.1:80", httpapi.Up, 3*time.Hour, 100, 100, ""),
					failed(is("10.1.0.2:80", httpapi.Down, 12*time.Second, 99, 100, "down since 10:22:58: "+refused), httpapi.CheckFailed, refused),
					is("10.1.0.3:80", httpapi.Up, 5*time.Minute, 40, 100, "coming back: 40 of the last 100 checks were good"),
					is("10.1.0.4:80", httpapi.Unanswered, 2*time.Second, 0, 0, "not checked yet"),
					failed(is("10.1.0.5:80", httpapi.Up, 49*time.Hour, 99, 100, ""), httpapi.CheckFailed, "HTTP 503, wanted 200"),
					is("10.1.0.6:80", httpapi.Unchecked, 0, 0, 0, ""),
					failed(is("10.1.0.7:80", httpapi.Down, time.Minute, 0, 1, "down since 10:22:10: no answer within 5s"), httpapi.CheckFailed, "no answer within 5s"),
					failed(is("10.1.0.9:80", httpapi.Up, time.Minute, 100, 100, ""), httpapi.CheckUnmade, "socket: too many open files"),
				},
			},
			{
				ServiceState: httpapi.ServiceState{
					Name: "mail", Protocol: spec.TCP, Host: mailKey.Addr.Addr(), Port: 25, OnDown: "drain",
					Counts: httpapi.Counts{Down: 1}, AllDown: true,
					Waiting: &httpapi.WaitingReason{
						Since: now.Add(-time.Minute), Until: now.Add(4 * time.Minute), Why: "no backend that stays is up (1 down)",
					},
				},
				Backends: []httpapi.BackendHealth{
					failed(is("10.1.0.1:25", httpapi.Down, 25*time.Hour, 0, 3, "down since 2026-01-01 09:23:10: "+refused), httpapi.CheckFailed, refused),
				},
			},
		},
		daemon: &httpapi.Status{Version: "1.0", PID: 7, Ready: true, Health: &httpapi.HealthTotals{
			Engine:   httpapi.Engine{Probes: 9, Newest: now.Add(-300 * time.Millisecond)},
			Backends: httpapi.Counts{Up: 4, Down: 3, Unanswered: 1, Unchecked: 1},
			AllDown:  httpapi.Named{Count: 1, Names: []string{"mail"}},
			Waiting:  httpapi.Named{Count: 1, Names: []string{"mail"}},
		}},
	}
	s.healthList[0].Backends[1].Name, s.healthList[0].Backends[6].Name = "b", "g"
	s.health = healthByKey(&httpapi.Health{Services: s.healthList})
	return s
}

func TestHealthScreen(t *testing.T) {
	s := healthScreen()
	const want = `gorb 1.0 (pid 7): ready
checks: 8 backends, 4 up, 3 down, 1 unanswered; newest result 0.3s ago
  all backends are down: mail
  what is to leave waits for a backend that stays to come up: mail
no overrides

IPVS 1.2.1, connection table of 4096 buckets, timeouts: tcp 15m, tcpfin 2m, udp 1m30s
3 services; 11 backends; no sync daemon

                   STATE          METHOD  WEIGHT  ACTIVE  INACT  PERSIST  CONN/S  PKT/S  IN B/S  OUT B/S
tcp 10.0.0.1:80 (web): wrr
  10.1.0.1:80      up 3h          nat        100       0      0        0       0      0       0        0
  10.1.0.2:80 (b)  down 12s       nat      0/100       0      0        0       0      0       0        0
    down since 10:22:58: connect: connection refused; 99 of the last 100 checks were good
  10.1.0.3:80      up 5m          nat     40/100       0      0        0       0      0       0        0
    coming back: 40 of the last 100 checks were good
  10.1.0.4:80      unanswered 2s  nat     70/100       0      0        0       0      0       0        0
    not checked yet
  10.1.0.5:80      up 2d          nat        100       0      0        0       0      0       0        0
    its last check failed: HTTP 503, wanted 200; 99 of the last 100 checks were good
  10.1.0.6:80      -              nat        100       0      0        0       0      0       0        0
  10.1.0.8:80                     nat          0       0      0        0       0      0       0        0  draining until 10:24:10
  10.1.0.9:80      up 1m          nat        100       0      0        0       0      0       0        0
    its last check could not be made: socket: too many open files
  10.1.0.7:80 (g)  down 1m        -        -/100       -      -        -       -      -       -        -  taken out while it is down
    down since 10:22:10: no answer within 5s
  total                                      510       0      0        0       0      0       0        0
tcp 10.0.0.2:25 (mail): wlc; ALL DOWN; what is to leave waits
  10.1.0.1:25      down 1d        nat      0/100       0      0        0       0      0       0        0
    down since 2026-01-01 09:23:10: connect: connection refused; 0 of the last 3 checks were good
  10.1.0.9:25                     nat        100       0      0        0       0      0       0        0  leaves later
  total                                      100       0      0        0       0      0       0        0
  what is to leave waits since 10:22:10: no backend that stays is up (1 down); it waits until 10:27:10 at the longest
udp 10.0.0.7:53: rr; not gorb's
  10.1.0.4:53                     nat          1       0      0        0       0      0       0        0
  total                                        1       0      0        0       0      0       0        0
`
	if d := cmp.Diff(want, screen(t, s)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}

	// Of a part that is asked for, everything is said.
	s.chosen = []choice{{word: "web", keys: []kernel.ServiceKey{webKey}}}
	maps.DeleteFunc(s.table, func(key kernel.ServiceKey, _ kernel.VirtualService) bool { return key != webKey })
	const part = `IPVS 1.2.1, connection table of 4096 buckets, timeouts: tcp 15m, tcpfin 2m, udp 1m30s
no sync daemon

                   STATE          METHOD  WEIGHT  ACTIVE  INACT  PERSIST  CONN/S  PKT/S  IN B/S  OUT B/S
tcp 10.0.0.1:80 (web): wrr
  10.1.0.1:80      up 3h          nat        100       0      0        0       0      0       0        0
    100 of the last 100 checks were good; checked by http 10.1.0.1:80/health, last 1.3s ago in 3.2ms
  10.1.0.2:80 (b)  down 12s       nat      0/100       0      0        0       0      0       0        0
    down since 10:22:58: connect: connection refused; 99 of the last 100 checks were good; checked by http 10.1.0.2:80/health, last 1m ago in 0.0ms
  10.1.0.3:80      up 5m          nat     40/100       0      0        0       0      0       0        0
    coming back: 40 of the last 100 checks were good; checked by http 10.1.0.3:80/health, last 1.3s ago in 3.2ms
  10.1.0.4:80      unanswered 2s  nat     70/100       0      0        0       0      0       0        0
    not checked yet; checked by http 10.1.0.4:80/health
  10.1.0.5:80      up 2d          nat        100       0      0        0       0      0       0        0
    its last check failed: HTTP 503, wanted 200; 99 of the last 100 checks were good; checked by http 10.1.0.5:80/health, last 1m ago in 0.0ms
  10.1.0.6:80      -              nat        100       0      0        0       0      0       0        0
  10.1.0.8:80                     nat          0       0      0        0       0      0       0        0  draining until 10:24:10
  10.1.0.9:80      up 1m          nat        100       0      0        0       0      0       0        0
    its last check could not be made: socket: too many open files; 100 of the last 100 checks were good; checked by http 10.1.0.9:80/health, last 1m ago in 0.0ms
  10.1.0.7:80 (g)  down 1m        -        -/100       -      -        -       -      -       -        -  taken out while it is down
    down since 10:22:10: no answer within 5s; checked by http 10.1.0.7:80/health, last 1m ago in 0.0ms
  total                                      510       0      0        0       0      0       0        0
`
	if d := cmp.Diff(part, screen(t, s)); d != "" {
		t.Errorf("a part (-want +got):\n%s", d)
	}
}

// TestHealthOfABackend shows no more of a service than the backends that are asked for.
func TestHealthOfABackend(t *testing.T) {
	s := healthScreen()
	for _, err := range []error{s.choose([]string{"web/b", "10.0.0.1:80/10.1.0.1:80"}, nil, false), s.chooseBackends(), s.lacksBackends()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	maps.DeleteFunc(s.table, func(key kernel.ServiceKey, _ kernel.VirtualService) bool { return key != webKey })
	const want = `
tcp 10.0.0.1:80 (web): wrr
  10.1.0.1:80      up 3h     nat        100       0      0        0       0      0       0        0
    100 of the last 100 checks were good; checked by http 10.1.0.1:80/health, last 1.3s ago in 3.2ms
  10.1.0.2:80 (b)  down 12s  nat      0/100       0      0        0       0      0       0        0
    down since 10:22:58: connect: connection refused; 99 of the last 100 checks were good; checked by http 10.1.0.2:80/health, last 1m ago in 0.0ms
  total                                 510       0      0        0       0      0       0        0
`
	if got := screen(t, s); !strings.HasSuffix(got, want) {
		t.Errorf("(-want +got):\n%s", cmp.Diff(want, got))
	}
	if got := s.serviceJSON(webKey); len(got.Backends) != 2 || got.Absent != nil {
		t.Errorf("in JSON: %d backends, absent %v", len(got.Backends), got.Absent)
	}
	if s = healthScreen(); s.choose([]string{"web/b", "web"}, nil, false) != nil || s.chooseBackends() != nil || s.only[webKey] != nil {
		t.Error("of a service that is asked for as a whole, not all is shown")
	}
}

// TestNothingToChoose says why something that is asked for is not there: it is not, or it cannot be known.
func TestNothingToChoose(t *testing.T) {
	silent := &httpapi.SilentError{Path: "s/sock", PID: 7, After: statusPatience, Read: true}
	for _, tt := range []struct {
		word    string
		unasked error
		want    string
	}{
		{"web/a", nil, `service web: there is no backend "a"; did you mean "b"?`},
		{"web/10.1.0.77:80", nil, `web has no backend 10.1.0.77:80`},
		{"webb", nil, `there is no service "webb"; did you mean "web"?; a service is called by gorb's name for it, or like "tcp 10.0.0.1:80" or "fwmark 7"`},
		{"web/", nil, `"web/" is no object: SERVICE, or SERVICE/BACKEND`},
		{
			"webb", silent,
			`whether a service is called "webb" is not known: s/sock: gorb (pid 7) does not answer within 3s; it hangs, or has too much to do; ` +
				`--state-dir says where its names are, and "tcp 10.0.0.1:80" or "fwmark 7" needs none`,
		},
		{"web/b", silent, `the names of backends are known to the gorb that runs: s/sock: gorb (pid 7) does not answer within 3s; it hangs, or has too much to do; web/10.1.0.1:80 needs none`},
		{"web", silent, `the gorb that runs cannot be asked: s/sock: gorb (pid 7) does not answer within 3s; it hangs, or has too much to do`},
	} {
		s := healthScreen()
		if tt.unasked != nil {
			s.daemon, s.health, s.unasked = nil, nil, tt.unasked
		}
		err := s.choose([]string{tt.word}, nil, false)
		for _, next := range []func() error{s.chooseBackends, s.lacksBackends, s.unsaid} {
			if err == nil {
				err = next()
			}
		}
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v; want %s", tt.word, err, tt.want)
		}
	}
}

// TestWhoseItIsIsNotKnown has a gorb that does not say where it remembers what is its own.
func TestWhoseItIsIsNotKnown(t *testing.T) {
	s := healthScreen()
	s.memory = reconcile.Memory{}
	for _, s.lost = range []bool{false, true} {
		if got := s.block(webKey).title; strings.Contains(got, "not gorb's") == s.lost {
			t.Errorf("lost %v: %s", s.lost, got)
		}
	}
}

// TestWithoutAnAnswer has backends that are at their whole weight, and of which there is something to say all the same.
func TestWithoutAnAnswer(t *testing.T) {
	unmade := &httpapi.CheckResult{Outcome: httpapi.CheckUnmade, Text: "socket: too many open files"}
	for want, b := range map[string]httpapi.BackendHealth{
		"not checked yet": {State: httpapi.Unanswered},
		"not checked yet; its last check could not be made: socket: too many open files": {State: httpapi.Unanswered, Last: unmade},
		"not known yet": {State: httpapi.Unanswered, Good: 1, Of: 1, Last: &httpapi.CheckResult{Outcome: httpapi.CheckOK}},
		"":              {State: httpapi.Unchecked},
	} {
		if got := new(status).healthLine(&b); got != want {
			t.Errorf("%+v: %q, want %q", b, got, want)
		}
	}
}

// TestHealthWithoutTable is the screen of somebody who may ask gorb, and not the kernel.
func TestHealthWithoutTable(t *testing.T) {
	s := healthScreen()
	s.unread = errors.New("read the table: needs CAP_NET_ADMIN")
	s.healthList[0].Backends = s.healthList[0].Backends[1:4]
	s.healthList[0].Backends[0].Effective = new(uint32)
	const want = `

the kernel's table is not shown: read the table: needs CAP_NET_ADMIN

                   STATE          WEIGHT
tcp 10.0.0.1:80 (web)
  10.1.0.2:80 (b)  down 12s        0/100
    down since 10:22:58: connect: connection refused; 99 of the last 100 checks were good
  10.1.0.3:80      up 5m           ?/100
    coming back: 40 of the last 100 checks were good
  10.1.0.4:80      unanswered 2s   ?/100
    not checked yet
tcp 10.0.0.2:25 (mail); ALL DOWN; what is to leave waits
  10.1.0.1:25      down 1d         ?/100
    down since 2026-01-01 09:23:10: connect: connection refused; 0 of the last 3 checks were good
  what is to leave waits since 10:22:10: no backend that stays is up (1 down); it waits until 10:27:10 at the longest
`
	if got := screen(t, s); !strings.HasSuffix(got, want) {
		t.Errorf("(-want +got):\n%s", cmp.Diff(want, got))
	}
	if js := s.json(); len(js.Health) != 2 || js.Services != nil {
		t.Errorf("in JSON: %+v", js)
	}
}

// TestHealthJSON has all that the screen has.
func TestHealthJSON(t *testing.T) {
	s := healthScreen()
	var got bytes.Buffer
	web := s.serviceJSON(webKey)
	web.Backends = web.Backends[1:2]
	mail := s.serviceJSON(healthMailKey)
	for _, v := range []any{web.Absent, web.Backends[0].Health, mail.Health, s.daemon.Health} {
		if err := printJSON(&got, v); err != nil {
			t.Fatal(err)
		}
	}
	const want = `[
  {
    "name": "g",
    "address": "10.1.0.7:80",
    "check": {
      "type": "http",
      "target": "10.1.0.7:80/health"
    },
    "state": "down",
    "since": "TIME",
    "last": {
      "at": "TIME",
      "took_ms": 0.04,
      "outcome": "failed",
      "text": "no answer within 5s"
    },
    "good": 0,
    "of": 1,
    "declared_weight": 100,
    "why": "down since 10:22:10: no answer within 5s"
  }
]
{
  "name": "b",
  "address": "10.1.0.2:80",
  "check": {
    "type": "http",
    "target": "10.1.0.2:80/health"
  },
  "state": "down",
  "since": "TIME",
  "last": {
    "at": "TIME",
    "took_ms": 0.04,
    "outcome": "failed",
    "text": "connect: connection refused"
  },
  "good": 99,
  "of": 100,
  "declared_weight": 100,
  "why": "down since 10:22:58: connect: connection refused"
}
{
  "name": "mail",
  "protocol": "tcp",
  "host": "10.0.0.2",
  "port": 25,
  "counts": {
    "up": 0,
    "down": 1,
    "unanswered": 0,
    "unchecked": 0,
    "drained": 0
  },
  "all_down": true,
  "on_down": "drain",
  "waiting": {
    "since": "TIME",
    "until": "TIME",
    "why": "no backend that stays is up (1 down)"
  }
}
{
  "engine": {
    "probes": 9,
    "active": 0,
    "queued": 0,
    "stuck": 0,
    "unmade": 0,
    "newest": "TIME",
    "late_ms": 0,
    "hangs_ms": 0
  },
  "backends": {
    "up": 4,
    "down": 3,
    "unanswered": 1,
    "unchecked": 1,
    "drained": 0
  },
  "all_down": {
    "count": 1,
    "names": [
      "mail"
    ]
  },
  "waiting": {
    "count": 1,
    "names": [
      "mail"
    ]
  }
}
`
	if d := cmp.Diff(want, times.ReplaceAllString(got.String(), `"TIME"`)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if other := s.serviceJSON(kernel.ServiceKey{}); other.Health != nil || other.Absent != nil {
		t.Errorf("of a service that is not gorb's: %+v", other)
	}
}

var times = regexp.MustCompile(`"\d{4}-\d\d-\d\dT[^"]*"`)

// TestChecksScreen is what can be wrong with the checks themselves.
func TestChecksScreen(t *testing.T) {
	for _, tt := range []struct {
		name string
		h    *httpapi.HealthTotals
		err  error
		want string
	}{
		{"nobody makes any", nil, nil, ""},
		{"there are none to make", &httpapi.HealthTotals{Backends: httpapi.Counts{Unchecked: 3}}, nil, "checks: no backend is checked\n"},
		{"at first", &httpapi.HealthTotals{Engine: httpapi.Engine{Probes: 1, LateMS: 1999}, Backends: httpapi.Counts{Unanswered: 1}}, nil, "checks: 1 backend, 0 up, 1 unanswered; no result yet\n"},
		{
			"too many", &httpapi.HealthTotals{
				Engine:   httpapi.Engine{Probes: 9, Queued: 70, Stuck: 2, LateMS: 125_400, Newest: time.Unix(940, 0)},
				Backends: httpapi.Counts{Up: 9},
			},
			errors.New("how backends are cannot be said now"),
			`checks: 9 backends, 9 up; newest result 1m ago
  they are late: one has been due for 2m5s, and 70 wait for others to end ([probe] max_checks, max_exec)
  2 checks not ended though the timeout is over
  how each backend is cannot be shown: how backends are cannot be said now
`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got bytes.Buffer
			s := &status{now: time.Unix(1000, 0), daemon: &httpapi.Status{Health: tt.h}, unchecked: tt.err}
			if s.printChecks(&got); got.String() != tt.want {
				t.Errorf("got:\n%s\nwant:\n%s", &got, tt.want)
			}
		})
	}
}
