package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/internal/lab"
	"github.com/gorb-io/gorb/pkg/httpapi"
)

// TestRESTTraffic is a service made by REST alone, with transfers and short requests through it while a client changes it as
// sky-uk/feed does: it asks whether a backend is there, puts it, and takes it away with a PATCH of weight 0 that has the whole
// body, a pause and a DELETE. No request is lost, and no transfer.
func TestRESTTraffic(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		n := lab.NewNet(t, 3)
		// The kernel then forgets the connections of a backend that is deleted, so that adding it again does not help them.
		setExpireNodestConn(t, n.Director, "1")
		const parts = 4
		l := newLoad(t, n, 100_000, parts)
		k := newKeeping(t, n.Director)
		k.declare()
		k.start()
		c := k.rest()
		web := tcpService{name: "web", addr: netip.AddrPortFrom(n.VIP(1), 80), method: "wrr"}
		c.want("200", "PUT", "/service/web", fmt.Sprintf(`{"host": %q, "port": 80}`, n.VIP(1)), nil)
		body := func(i, weight int) string { return backendBody(n.BackendAddr(i).String(), weight) }
		path := func(i int) string { return fmt.Sprintf("/service/web/b%d", i) }
		for i := range n.Backends {
			c.want("404", "GET", path(i), "", nil)
			c.want("200", "PUT", path(i), body(i, 100), nil)
			web.backends = append(web.backends, tcpBackend{addr: netip.AddrPortFrom(n.BackendAddr(i), 80), weight: 100})
		}
		wantNow(t, k, "when it is made", web)
		for range 30 {
			l.open(web.addr)
		}
		l.release(0)
		l.want("the first part")

		// feed's client: the backends come and go, the last but one of them with the transfers that it has.
		stop := l.ask(web.addr)
		for round := range 6 {
			i := round % 2
			c.want("200", "PATCH", path(i), body(i, 0), nil)
			web.backends[i].weight = 0
			wantNow(t, k, "a backend with weight 0", web)
			time.Sleep(300 * time.Millisecond)
			var w httpapi.Written
			c.want("200", "DELETE", path(i), "", &w)
			if !strings.HasPrefix(w.Pending, "backends that leave: 1") {
				t.Errorf("what is pending of a backend with transfers: %q", w.Pending)
			}
			wantNow(t, k, "a backend that leaves", web)
			c.want("404", "GET", path(i), "", nil)
			c.want("200", "PUT", path(i), body(i, 100), nil)
			web.backends[i].weight = 100
			wantNow(t, k, "a backend that is back", web)
		}
		l.release(1)
		l.want("the changes")

		// One goes for good, and is gone when its last transfer is over.
		c.want("200", "DELETE", path(2), "", nil)
		web.backends[2].weight = 0
		wantNow(t, k, "a backend that leaves for good", web)
		l.release(2)
		l.want("it left")
		wantNow(t, k, "a backend that still has transfers", web)
		l.release(3, 2)
		l.want("its last part", 2)
		web.backends = web.backends[:2]
		k.wantTable("after its last transfer", web)
		got := stop()
		for _, err := range got.failed {
			t.Error(err)
		}
		t.Logf("%d short requests", got.asked)
		l.release(3, 0, 1)
		l.want("the last part", 0, 1)
		checkStatistics(t, c)
	})
}

// wantNow compares the table with services, without waiting: who has the answer has it in the kernel.
func wantNow(t *testing.T, k *keeping, when string, services ...tcpService) {
	t.Helper()
	if d := cmp.Diff(tableOf(services...), readTable(t, k.ns)); d != "" {
		t.Errorf("%s: the table (-want +got):\n%s", when, d)
	}
}

// checkStatistics compares what GET shows of the service web with what ipvsadm does.
func checkStatistics(t *testing.T, c restClient) {
	t.Helper()
	line := func(what string, s *httpapi.Statistics) string {
		return fmt.Sprint(what, " ", s.Connections, s.InPackets, s.OutPackets, s.InBytes, s.OutBytes)
	}
	var got, want []string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) { // until the last packets are over
		got, want = nil, nil
		var s httpapi.ServiceInfo
		c.want("200", "GET", "/service/web", "", &s)
		got = append(got, line(s.Effective.Address.String(), s.Statistics))
		for _, name := range s.Backends {
			var b httpapi.BackendInfo
			c.want("200", "GET", "/service/web/"+name, "", &b)
			got = append(got, line(b.Effective.Address.String(), b.Statistics))
			if b.Statistics.Connections == 0 || b.Statistics.InBytes == 0 {
				t.Errorf("backend %s has carried nothing: %+v", name, *b.Statistics)
			}
		}
		for text := range strings.Lines(lab.Exec(t, c.ns, "ipvsadm", "-Ln", "--stats", "--exact")) {
			fields := strings.Fields(strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(text), "TCP"), "->"))
			if addr, err := netip.ParseAddrPort(fields[0]); err == nil {
				want = append(want, addr.String()+" "+strings.Join(fields[1:], " "))
			}
		}
		if slices.Equal(got, want) {
			return
		}
	}
	t.Errorf("statistics (-ipvsadm +GET):\n%s", cmp.Diff(want, got))
}

// TestRESTDryRun has every change say beforehand what it then does.
func TestRESTDryRun(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		k := newKeeping(t, lab.Namespace(t))
		k.declare(tcpService{
			name: "file", addr: netip.MustParseAddrPort("10.0.0.9:80"), method: "wrr", drain: "0s",
			backends: []tcpBackend{{addr: netip.MustParseAddrPort("10.1.0.9:80"), weight: 100}},
		})
		k.start()
		c := k.rest()
		for _, w := range []struct{ method, path, body string }{
			{"PUT", "/service/web?", `{"host": "10.0.0.1", "port": 80, "drain": "0s"}`},
			{"PUT", "/service/web/a?", backendBody("10.1.0.1", 100)},
			{"PUT", "/service/web/a?", backendBody("10.1.0.1", 100)},
			{"PUT", "/service/web/a?replace=true&", backendBody("10.1.0.2", 100)},
			{"PUT", "/service/web/b?", backendBody("10.1.0.1", 0)},
			{"PATCH", "/service/web/b?", `{"weight": 7}`},
			{"PATCH", "/service/web?", `{"method": "sh", "flags": "sh-port", "persistent": "5m"}`},
			{"PATCH", "/service/web?", `{"port": 81}`},
			{"PATCH", "/service/web?", `{}`},
			{"PATCH", "/service/file/b0?", `{"host": "10.1.0.10", "weight": 1}`},
			{"DELETE", "/service/file/b0?", ""},
			{"PUT", "/service/file/b0?", backendBody("10.1.0.9", 100)},
			{"DELETE", "/service/file?", ""},
			{"DELETE", "/service/web/b?", ""},
			{"DELETE", "/service/web?", ""},
		} {
			before := readTable(t, k.ns)
			var dry, done httpapi.Written
			c.want("200", w.method, w.path+"dry_run=true", w.body, &dry)
			if d := cmp.Diff(before, readTable(t, k.ns)); d != "" {
				t.Fatalf("%s %s: the dry run changed the table:\n%s", w.method, w.path, d)
			}
			c.want("200", w.method, w.path, w.body, &done)
			slices.Sort(dry.Operations)
			slices.Sort(done.Operations)
			if d := cmp.Diff(dry.Operations, done.Operations); d != "" || dry.Result != done.Result {
				t.Errorf("%s %s %s: %s, and said before %s; operations (-before +then):\n%s", w.method, w.path, w.body, done.Result, dry.Result, d)
			}
		}
		if left := readTable(t, k.ns); len(left) != 1 || left[0] != "" {
			t.Errorf("in the end there is left %q", left)
		}
	})
}
