package main

import (
	"bytes"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/internal/lab"
	"github.com/gorb-io/gorb/pkg/httpapi"
)

// TestRestartUnderHealth kills gorb and starts it again. A backend that was down stays at weight 0 until it answers, and
// where all are up nothing is written.
func TestRestartUnderHealth(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		ns := lab.Namespace(t)
		var web tcpService
		for _, addr := range []string{"10.1.0.1", "10.1.0.2"} {
			lab.Exec(t, ns, "ip", "addr", "add", addr, "dev", "lo")
			web.backends = append(web.backends, tcpBackend{netip.AddrPortFrom(netip.MustParseAddr(addr), 25), 100, false})
		}
		web.name, web.addr, web.method = "mail", netip.MustParseAddrPort("10.0.0.1:25"), "wrr"
		web.pulse = `type = "tcp", interval = "300ms", timeout = "20s", args = { expect = "220 " }`
		serveAt(t, ns, web.backends[0].addr, greets)
		down := web
		down.backends = slices.Clone(web.backends)
		down.backends[1].weight = 0
		k := newKeeping(t, ns)
		k.declare(web)
		k.start()
		k.wantTable("with one down", down)

		seen := watchTable(t, ns)
		k.signal(syscall.SIGKILL)
		answers := make(chan struct{})
		serveAt(t, ns, web.backends[1].addr, func(c net.Conn) {
			<-answers
			greets(c)
		})
		k.start()
		k.awaitStatus("that one has not answered yet", func(s *statusJSON) bool {
			return slices.Equal(states(s), []string{"up", "unanswered: not checked yet"})
		})
		time.Sleep(500 * time.Millisecond)
		close(answers)
		k.wantTable("after its answer", web)
		wantTables(t, "a restart while one is down", seen(), tableOf(down), tableOf(web))

		written := k.writes()
		seen = watchTable(t, ns)
		for range 5 {
			k.signal(syscall.SIGKILL)
			k.start()
			time.Sleep(rand.N(300 * time.Millisecond))
		}
		k.signal(syscall.SIGTERM)
		k.start()
		k.awaitStatus("that both are up", func(s *statusJSON) bool {
			return slices.Equal(states(s), []string{"up", "up"})
		})
		wantTables(t, "restarts while all are up", seen(), tableOf(web))
		if n := k.writes() - written; n > 0 {
			t.Errorf("%d operations at restarts while all are up", n)
		}
	})
}

func greets(c net.Conn) { _, _ = c.Write([]byte("220 ready\r\n")) }

// states returns how the backends of the one service are, and why they have another weight.
func states(s *statusJSON) []string {
	var all []string
	for _, service := range s.Services {
		for _, b := range service.Backends {
			h := b.Health
			if h == nil {
				h = &httpapi.BackendHealth{}
			}
			all = append(all, strings.TrimSuffix(string(h.State)+": "+h.Why, ": "))
		}
	}
	return all
}

// writes returns how many operations gorb has logged, once it logs no more: it does so after the kernel has them.
func (k *keeping) writes() int {
	k.t.Helper()
	for before := -1; ; time.Sleep(300 * time.Millisecond) {
		text, err := os.ReadFile(k.log.Name())
		if err != nil {
			k.t.Fatal(err)
		}
		n := bytes.Count(text, []byte(`"message":"done"`))
		if n == before {
			return n
		}
		before = n
	}
}

// watchTable reads a table again and again, until stop is called: it returns the different ones, in order.
func watchTable(t *testing.T, ns string) (stop func() [][]string) {
	end, result := make(chan struct{}), make(chan [][]string, 1)
	all := [][]string{readTable(t, ns)}
	go func() {
		defer func() { result <- all }()
		for last := false; ; {
			out, err := lab.Try(ns, "ipvsadm", "-Sn")
			table := slices.Sorted(strings.SplitSeq(strings.TrimSpace(out), "\n"))
			if err != nil {
				t.Error(err)
				return
			}
			if !slices.Equal(all[len(all)-1], table) {
				all = append(all, table)
			}
			if last {
				return
			}
			select {
			case <-end:
				last = true // what others saw by now is to be in it
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	stop = sync.OnceValue(func() [][]string {
		close(end)
		return <-result
	})
	t.Cleanup(func() { stop() })
	return stop
}

func wantTables(t *testing.T, when string, got [][]string, want ...[]string) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the tables during %s (-want +got):\n%s", when, d)
	}
}
