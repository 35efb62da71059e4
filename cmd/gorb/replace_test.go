package main

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorb-io/gorb/internal/lab"
)

// TestReplaceAll replaces all backends of a service in one edit, by live ones and by dead ones, while clients ask.
func TestReplaceAll(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		n := lab.NewNet(t, 4)
		l := newLoad(t, n, 100_000, 2)
		k := newKeeping(t, n.Director)
		design := newDesign(n, nil)
		drain := "1h"
		with := func(backends ...tcpBackend) tcpService {
			s := design.web
			s.pulse, s.drain, s.backends = `interval = "300ms", timeout = "5s"`, drain, backends
			return s
		}
		all := design.web.backends
		first, second := with(all[:2]...), with(all[2:]...)
		k.declare(first)
		k.start()
		k.wantTable("at the start", first)

		for range 4 {
			l.open(first.addr)
		}
		l.release(0)
		l.want("the start")
		stop := l.ask(first.addr)
		k.declare(second)
		leaving := slices.Clone(all)
		leaving[0].weight, leaving[1].weight = 0, 0
		k.wantTable("with others in their place", with(leaving...))
		l.release(1)
		l.want("others came in their place")
		k.wantTable("after the last connections", second)
		wantServed(t, "while live ones came in their place", stop())

		dead := []tcpBackend{{addr: all[0].addr, weight: 100}, {addr: all[1].addr, weight: 100}}
		for i := range dead {
			dead[i].addr = netip.AddrPortFrom(dead[i].addr.Addr(), 81)
		}
		stop = l.ask(first.addr)
		declared := slices.Clone(dead)
		k.declare(with(declared...))
		for i := range dead {
			dead[i].weight = 0
		}
		k.wantTable("with dead ones in their place", with(append(dead, all[2:]...)...))
		waits := func(s *statusJSON) bool {
			return len(s.Services) == 1 && s.Services[0].Health != nil && s.Services[0].Health.Waiting != nil &&
				s.Services[0].Health.Counts.Down == 2
		}
		k.awaitStatus("that what is to leave waits", waits)
		k.signal(syscall.SIGKILL) // which is no reason to serve with the dead ones
		k.start()
		time.Sleep(time.Second)
		k.wantTable("while they are waited for", with(append(dead, all[2:]...)...))
		wantServed(t, "while dead ones came in their place", stop())
		k.awaitStatus("that what is to leave waits after the restart", waits)
		text := lab.Exec(t, n.Director, "gorb", "status", "--socket", k.socket(), "--state-dir", k.state)
		if !strings.Contains(text, "what is to leave waits") {
			t.Errorf("status:\n%s", text)
		}

		drain = "1s" // which is over
		k.declare(with(declared...))
		k.wantTable("after the drain time", with(dead...))
		k.declare(first)
		k.wantTable("with live ones once more", first)
		if err := l.request(first.addr); err != nil {
			t.Error(err)
		}
		wantLog(t, k, "what is to leave keeps its weight: no backend that stays is known to be up",
			"what is to leave waits no longer", // for the live ones
			"what is to leave keeps its weight: no backend that stays is known to be up",
			"all backends are down: nobody serves this service until one comes back",
			"what was to leave leaves, though no backend that stays is up: the drain time is over") // for the dead ones
	})
}

// wantServed checks that no request failed.
func wantServed(t *testing.T, when string, got answers) {
	t.Helper()
	t.Logf("%s: %d requests", when, got.asked)
	for _, err := range got.failed {
		t.Errorf("%s: %v", when, err)
	}
}

// wantLog checks that gorb's log has messages, in this order.
func wantLog(t *testing.T, k *keeping, messages ...string) {
	t.Helper()
	text, err := os.ReadFile(k.log.Name())
	if err != nil {
		t.Fatal(err)
	}
	rest := string(text)
	for _, m := range messages {
		var found bool
		if _, rest, found = strings.Cut(rest, `"message":"`+m+`"`); !found {
			t.Errorf("the log does not say, or not in its turn: %s", m)
			return
		}
	}
}
