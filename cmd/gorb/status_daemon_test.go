package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/pkg/httpapi"
	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/reconcile"
	"github.com/gorb-io/gorb/pkg/sources"
)

// TestDaemonScreen is the part of a status that the gorb that runs knows, with everything in it that can be wrong.
func TestDaemonScreen(t *testing.T) {
	now := time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC)
	a := backend("10.1.0.1:8080")
	s := &status{
		now: now, socket: "/run/gorb/gorb.sock",
		info: kernel.Info{Version: "1.2.1", ConnTableSize: 4096}, timeouts: kernel.Timeouts{TCP: 900, TCPFin: 120, UDP: 90},
		table: kernel.Table{webKey: {
			Service: kernel.Service{Scheduler: "wrr", Netmask: kernel.FullNetmask(kernel.IPv4)}, Dests: []kernel.RealServer{a},
		}},
		memory: reconcile.Memory{Services: map[kernel.ServiceKey]reconcile.Owned{webKey: {Name: "web"}}},
		held:   map[reconcile.Ref]string{{Service: webKey}: "the page", {Service: webKey, Dest: a.DestKey}: "the page"},
		daemon: &httpapi.Status{
			Version: "1.0", PID: 7, NotReady: []string{"not heard yet, so that nothing is removed: kv"},
			Table: httpapi.Table{
				LastPass: now.Add(-3 * time.Second), WholePass: now.Add(-time.Minute), Problems: []string{"add tcp 10.0.0.9:80: no room"}, Failed: 3,
			},
			Sources: []httpapi.Source{
				{Name: "gorb.toml", State: sources.Good, Since: now.Add(-time.Hour), Good: now.Add(-time.Minute)},
				{
					Name: "the page", State: sources.Failing, Since: now.Add(-2 * time.Minute), Good: now.Add(-time.Hour), Version: `"v1"`,
					Error: "503 Service Unavailable: \x1b[2Jgo away\nsoon",
					Held:  &httpapi.Held{Count: 12, Of: 14, Names: some("b", 10), Until: now.Add(90 * time.Second)},
				},
				{Name: "kv", State: sources.Waiting, Since: now.Add(-time.Second)},
			},
			Refused: "gorb.toml:3: services.web.port: 70000 is over 65535", Doubted: 5,
			Overrides: 30, Dangling: some("d", 13), Idle: []string{"mail"},
			Aside: []httpapi.Aside{{Object: "dns", Error: "override dns: services.dns: tcp 10.0.0.1:80 is service web already"}},
			Consul: &httpapi.Consul{
				Address: "http://127.0.0.1:8500", State: sources.Failing, Since: now.Add(-5 * time.Minute), Registered: 2, Error: "no answer in time",
			},
		},
	}
	const want = `gorb 1.0 (pid 7): not ready
  not heard yet, so that nothing is removed: kv
last pass 3s ago, the last over the whole table 1m ago; 3 problems
  add tcp 10.0.0.9:80: no room
  and 2 more
SOURCE     STATE    SINCE   LAST GOOD  VERSION
gorb.toml  good     1h ago  1m ago     -
the page   failing  2m ago  1h ago     "v1"
  503 Service Unavailable: \u001b[2Jgo away
  soon
  holds the removal of 12 of 14: b0, b1, b2, b3, b4, b5, b6, b7, b8, b9 and 2 more; asked again in 1m30s
  they go at once with: gorb accept 'the page'
kv         waiting  1s ago  never      -
the newest configuration is refused, and the last good one counts:
  gorb.toml:3: services.web.port: 70000 is over 65535
files are in doubt: 5 services would leave, and they are read again before that counts
30 overrides
  13 dangling, because the object is gone: d0, d1, d2, d3, d4, d5, d6, d7, d8, d9 and 3 more
  1 idle, because what they hide is not there: mail
  1 set aside, because they do not go with the documents:
    dns: override dns: services.dns: tcp 10.0.0.1:80 is service web already
registration with Consul at http://127.0.0.1:8500: failing for 5m; 2 services registered
  no answer in time

IPVS 1.2.1, connection table of 4096 buckets, timeouts: tcp 15m, tcpfin 2m, udp 1m30s
1 service; 1 backend; no sync daemon

                 METHOD  WEIGHT  ACTIVE  INACT  PERSIST  CONN/S  PKT/S  IN B/S  OUT B/S
tcp 10.0.0.1:80 (web): wrr; held, the page leaves it out
  10.1.0.1:8080  nat         10       0      0        0       0      0       0        0  held, the page leaves it out
  total                      10       0      0        0       0      0       0        0
`
	if d := cmp.Diff(want, screen(t, s)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	s.daemon.Sources[2].State = sources.Refused
	if got := screen(t, s); strings.Contains(got, "the newest configuration is refused") {
		t.Errorf("what is refused of a source is said twice:\n%s", got)
	}
	s.unread = errors.New("read the table: needs CAP_NET_ADMIN")
	if got := screen(t, s); !strings.HasSuffix(got, "in time\n\nthe kernel's table is not shown: read the table: needs CAP_NET_ADMIN\n") {
		t.Errorf("without the right to read the table:\n%s", got)
	}
	if js := s.json(); js.Services != nil || js.KernelError == "" || js.Gorb == nil {
		t.Errorf("in JSON: %+v", js)
	}
}

func screen(t *testing.T, s *status) string {
	t.Helper()
	var got bytes.Buffer
	out := &harmless{out: &got}
	if err := printStatus(out, s); err != nil {
		t.Fatal(err)
	}
	return got.String()
}

func some(name string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprint(name, i)
	}
	return list
}

// TestManySources shows those that are not good.
func TestManySources(t *testing.T) {
	s := &status{daemon: &httpapi.Status{}}
	for i := range 200 {
		source := httpapi.Source{Name: fmt.Sprint("s", i), State: sources.Good}
		if i%50 == 49 {
			source.State, source.Error = sources.Failing, strings.Repeat("no\n", 40)
		}
		s.daemon.Sources = append(s.daemon.Sources, source)
	}
	var got bytes.Buffer
	s.printSources(&got)
	if n := strings.Count(got.String(), "failing"); n != 4 {
		t.Errorf("%d sources are said to fail", n)
	}
	if n := strings.Count(got.String(), "\n"); n > 1+20+4*11+1 {
		t.Errorf("%d lines", n)
	}
	if !strings.HasSuffix(got.String(), "\nand 180 sources besides\n") {
		t.Errorf("it ends with %q", got.String()[got.Len()-60:])
	}
}

func TestHarmless(t *testing.T) {
	for text, want := range map[string]string{
		"a\tb\nc":                 "a\tb\nc",
		"\x1b[31mred\x07":         `\u001b[31mred\u0007`,
		"carriage\rreturn\x7f":    `carriage\u000dreturn\u007f`,
		"\u009b2J":                `\u009b2J`,
		"\u202egpj.exe":           `\u202egpj.exe`,
		"Grüße, 世界 🌍":             "Grüße, 世界 🌍",
		"\xff\xc3":                `\xff\xc3`,
		"a replaced \ufffd stays": "a replaced \ufffd stays",
	} {
		for cut := range len(text) + 1 { // a character may come in two pieces
			var got bytes.Buffer
			out := &harmless{out: &got}
			for _, part := range []string{text[:cut], text[cut:]} {
				if n, err := out.Write([]byte(part)); n != len(part) || err != nil {
					t.Errorf("%q: %d, %v", part, n, err)
				}
			}
			if out.end(); got.String() != want {
				t.Errorf("%q, cut at %d: %q, want %q", text, cut, got.String(), want)
			}
		}
	}
}

// TestHarmlessLog has a log for people quote what somebody else wrote.
func TestHarmlessLog(t *testing.T) {
	var got bytes.Buffer
	log, err := newLogger(&harmless{out: &got}, "info", "console")
	if err != nil {
		t.Fatal(err)
	}
	const bad = "\x1b[2J\u009b\x7f\n"
	log.Error().Str("source", bad).Err(errors.New(bad)).Strs("problems", []string{bad}).Msg(bad)
	if strings.ContainsAny(strings.TrimSuffix(got.String(), "\n"), "\x1b\u009b\x7f\n") {
		t.Errorf("it has %q", got.String())
	}
}
