package kernel

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// testStatistics reads what a persistent client's connection leaves.
func testStatistics(t *testing.T, w world) {
	d, idle := dest("10.9.0.1:8080"), dest("10.9.0.2:8080")
	apply(t, w, addService(dns, rr), addService(web, with("rr", Persistent, 60, full)), Op{Kind: AddDest, Key: web, DestKey: d, Dest: Dest{Weight: 1}},
		Op{Kind: AddDest, Key: web, DestKey: idle})
	w.connect(t, web, d)

	carried := Stats{Conns: 1}
	want := Statistics{web: {Stats: carried, Dests: map[DestKey]Stats{d: carried, idle: {}}}, dns: {}}
	countersOf := cmp.Transformer("counters", func(s Stats) uint64 { return s.Conns }) // the rest depends on the packets
	var diff string
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Millisecond) { // kernels before 6.2 add up every 2 s
		table, got, err := w.ObserveStats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if server, _ := table[web].Dest(d); server.Conns != (Conns{Active: 1, Persistent: 1}) {
			t.Fatalf("the destination has %+v", server.Conns)
		}
		if diff = cmp.Diff(want, got, countersOf, sameTable); diff == "" || time.Now().After(deadline) {
			break
		}
	}
	if diff != "" {
		t.Errorf("statistics (-want +got):\n%s", diff)
	}

	table, got, err := w.ObserveStats(t.Context(), dns, missing)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Table{dns: {Service: rr}}, table, sameTable); diff != "" {
		t.Errorf("table of one key (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Statistics{dns: {}}, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("statistics of one key (-want +got):\n%s", diff)
	}
	if _, _, err := w.ObserveStats(t.Context(), ServiceKey{}); err == nil {
		t.Error("a key that is none was read")
	}
}

func testInfo(t *testing.T, w world) {
	if got, err := w.Info(t.Context()); err != nil || got.Version != "1.2.1" || got.ConnTableSize < 256 {
		t.Errorf("%+v, %v", got, err)
	}
}

func testTimeouts(t *testing.T, w world) {
	for _, tt := range []struct {
		set, want Timeouts
		err       syscall.Errno
	}{
		{Timeouts{}, Timeouts{900, 120, 300}, 0},
		{Timeouts{TCPFin: 30}, Timeouts{900, 30, 300}, 0},
		{Timeouts{TCP: 5, UDP: 2678400}, Timeouts{5, 30, 2678400}, 0},
		{Timeouts{TCP: 7, UDP: 1<<31 - 1}, Timeouts{5, 30, 2678400}, syscall.EINVAL},
		{Timeouts{}, Timeouts{5, 30, 2678400}, 0},
	} {
		if err := w.SetTimeouts(t.Context(), tt.set); !answers(err, tt.err) {
			t.Errorf("set %+v: %v, want %v", tt.set, err, tt.err)
		}
		if got, err := w.Timeouts(t.Context()); err != nil || got != tt.want {
			t.Errorf("%+v, %v after setting %+v, want %+v", got, err, tt.set, tt.want)
		}
	}
}

// testSync starts and stops both daemons, which exclude destinations of mixed families.
func testSync(t *testing.T, w world) {
	master := SyncDaemon{Role: Master, Interface: "lo", ID: 7}
	backup := SyncDaemon{
		Role: Backup, Interface: "lo", ID: 8, MaxLen: 100, Group: netip.MustParseAddr("239.1.2.3"), Port: 77, TTL: 9,
	}
	check := func(when string, want ...SyncDaemon) {
		t.Helper()
		got, err := w.SyncDaemons(t.Context())
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("%s: %v; (-want +got):\n%s", when, err, diff)
		}
	}
	start := func(d SyncDaemon, want syscall.Errno) {
		t.Helper()
		if err := w.StartSync(t.Context(), d); !answers(err, want) {
			t.Errorf("start %+v: %v, want %v", d, err, want)
		}
	}
	stop := func(r Role) {
		t.Helper()
		if err := w.StopSync(t.Context(), r); err != nil {
			t.Errorf("stop %s: %v", r, err)
		}
	}

	check("at first")
	stop(Master) // as it is
	start(SyncDaemon{Role: Master, Interface: "nosuch"}, syscall.ENODEV)
	start(SyncDaemon{Role: Master, Interface: "lo", Group: netip.MustParseAddr("10.0.0.1")}, syscall.EINVAL)
	check("after what failed")
	start(master, 0)
	start(master, syscall.EEXIST)
	master.MaxLen, master.Group, master.Port, master.TTL = 1472, netip.MustParseAddr("224.0.0.81"), 8848, 1
	check("with the kernel's choice", master)
	start(backup, 0)
	start(SyncDaemon{Role: Backup, Interface: "nosuch"}, syscall.ENODEV)
	backup.MaxLen = 1024 // the least
	check("both", master, backup)

	apply(t, w, addService(web, rr))
	add := step{addDest(web, "[2001:db8::1]:80", tunnel(IPIP, 0, 0)), syscall.EINVAL}
	add.check(t, 0, w.Apply(t.Context(), []Op{add.op})[0])
	stop(Master)
	check("the backup alone", backup)
	add.check(t, 1, w.Apply(t.Context(), []Op{add.op})[0])
	stop(Backup)
	stop(Backup)
	check("at last")

	apply(t, w, add.op)
	start(master, syscall.EINVAL)
	apply(t, w, deleteDest(web, "[2001:db8::1]:80"))
	start(SyncDaemon{Role: Master, Interface: "nosuch"}, syscall.ENODEV)
}

// answers reports whether an error is the errno, or none where that is 0.
func answers(err error, want syscall.Errno) bool {
	if want == 0 {
		return err == nil
	}
	return errors.Is(err, want)
}
