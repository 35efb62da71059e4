package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/internal/lab"
	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/reconcile"
)

// TestViewIsIPVSadms compares what is said of services that carry something with what ipvsadm prints.
func TestViewIsIPVSadms(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		n := lab.NewNet(t, 2)
		web := kernel.ServiceKey{Family: kernel.IPv4, Protocol: kernel.TCP, Addr: netip.AddrPortFrom(n.VIP(1), 80)}
		lab.Exec(t, n.Director, "ipvsadm", "-A", "-t", web.Addr.String(), "-s", "rr")
		for i, ns := range n.Backends {
			lab.Exec(t, n.Director, "ipvsadm", "-a", "-t", web.Addr.String(), "-r", fmt.Sprintf("%s:80", n.BackendAddr(i)), "-m", "-w", fmt.Sprint(i+1))
			greet(t, ns, strings.Repeat("x", 1000*(i+1)))
		}
		for range 5 {
			hear(t, n.Client, web.Addr)
		}
		var view *tableView
		err := lab.Do(n.Director, func() (err error) {
			var reader tableReader
			if reader, err = openReader(t.Context()); err == nil {
				view = newTableView(reader, func(kernel.ServiceKey) uint64 { return 0 })
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		defer view.Close()
		// The kernel sums up what its processors counted every two seconds (ip_vs_est.c).
		var said, want string
		for late := time.Now().Add(patience); time.Now().Before(late); time.Sleep(serviceAge) {
			want = ipvsadmLines(lab.Exec(t, n.Director, "ipvsadm", "-Ln", "--stats", "--exact"))
			if said = statsLines(t, view, web); said == want && strings.HasPrefix(said, "TCP 10.0.0.1:80 5 ") {
				break
			}
		}
		if diff := cmp.Diff(want, said); diff != "" || !strings.HasPrefix(said, "TCP 10.0.0.1:80 5 ") {
			t.Errorf("(-ipvsadm +view):\n%s\n%s", diff, said)
		}
		all, err := view.All(t.Context())
		if err != nil || len(all.Table) != 1 || len(all.Table[web].Dests) != 2 {
			t.Errorf("all: %v, %v", all.Table, err)
		}
	})
}

// statsLines are the statistics of a service as ipvsadm prints them.
func statsLines(t *testing.T, view *tableView, key kernel.ServiceKey) string {
	t.Helper()
	s, err := view.Service(t.Context(), key)
	if err != nil || !s.There {
		t.Fatalf("%v, there: %v", err, s.There)
	}
	line := func(what string, addr netip.AddrPort, s kernel.Stats) string {
		return fmt.Sprintf("%s %s %d %d %d %d %d\n", what, addr, s.Conns, s.InPackets, s.OutPackets, s.InBytes, s.OutBytes)
	}
	text := line("TCP", key.Addr, s.Stats.Stats)
	for _, d := range reconcile.Canonical(s.Dests) {
		text += line("->", d.Addr, s.Stats.Dests[d.DestKey])
	}
	return text
}

// ipvsadmLines are the lines of services and backends that ipvsadm printed, one space between words.
func ipvsadmLines(printed string) string {
	var text string
	for line := range strings.Lines(printed) {
		words := strings.Fields(line)
		if len(words) == 7 && strings.Contains(words[1], ".") {
			text += strings.Join(words, " ") + "\n"
		}
	}
	return text
}

// greet answers connections to port 80 in a namespace.
func greet(t *testing.T, ns, answer string) {
	t.Helper()
	var l net.Listener
	err := lab.Do(ns, func() (err error) {
		l, err = net.Listen("tcp", ":80")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, answer)
			_ = c.Close()
		}
	}()
}

// hear reads what is answered at an address.
func hear(t *testing.T, ns string, addr netip.AddrPort) {
	t.Helper()
	var c net.Conn
	err := lab.Do(ns, func() (err error) {
		c, err = net.Dial("tcp", addr.String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.Copy(io.Discard, bufio.NewReader(c)); err != nil {
		t.Fatal(err)
	}
}
