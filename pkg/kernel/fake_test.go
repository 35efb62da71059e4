package kernel

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFakeHooks(t *testing.T) {
	f := NewFake()
	boom := errors.New("boom")
	f.Fail = func(op Op) error {
		if op.Kind == AddDest {
			return boom
		}
		return nil
	}
	ops := []Op{addService(web, rr), addDest(web, "10.1.0.1:80", Dest{}), addService(web, rr), addService(dns, rr)}
	errs := f.Apply(t.Context(), ops)
	var opErr *OpError
	if !errors.Is(errs[1], boom) || !errors.As(errs[1], &opErr) || opErr.Op != ops[1] {
		t.Errorf("the hook's answer came out as %v", errs[1])
	}
	if diff := cmp.Diff([]Op{ops[0], ops[3]}, f.Ops(), sameTable); diff != "" {
		t.Errorf("operations done (-want +got):\n%s", diff)
	}
	if want := "-A -t 10.0.0.1:80 -s rr\n-A -u 10.0.0.1:80 -s rr\n"; f.String() != want {
		t.Errorf("the table is\n%swant\n%s", f, want)
	}

	f.FailObserve = func(keys []ServiceKey) error { return fmt.Errorf("%d keys: %w", len(keys), boom) }
	if _, err := f.Observe(t.Context(), web); !errors.Is(err, boom) || err.Error() != "read tcp 10.0.0.1:80: 1 keys: boom" {
		t.Errorf("observe: %v", err)
	}
}

// TestFakeIsNotShared shows that what a Fake gives and takes is not its own.
func TestFakeIsNotShared(t *testing.T) {
	f := NewFake()
	v := VirtualService{Service: rr, Dests: []RealServer{{DestKey: dest("10.1.0.1:80")}}, Unknown: "somebody else's"}
	f.Put(web, v)
	v.Dests[0].Weight = 1
	f.Snapshot()[web].Dests[0].Weight = 2
	got, err := f.Observe(t.Context(), web)
	if err != nil {
		t.Fatal(err)
	}
	got[web].Dests[0].Weight = 3
	delete(got, web)
	v.Dests[0].Weight = 0
	if diff := cmp.Diff(Table{web: v}, f.Snapshot(), sameTable); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestFakeTrash shows what becomes of connections while their destination is gone.
func TestFakeTrash(t *testing.T) {
	f := NewFake()
	add := addDest(web, "10.1.0.1:80", Dest{})
	apply(t, f, addService(web, rr), add)
	f.SetConns(web, add.DestKey, Conns{Active: 2, Inactive: 1})
	apply(t, f, deleteDest(web, "10.1.0.1:80"))
	f.SetConns(web, add.DestKey, Conns{Active: 1, Persistent: 1})
	f.SetConns(missing, add.DestKey, Conns{Active: 1, Persistent: 1})
	apply(t, f, add)
	if d, _ := f.Snapshot()[web].Dest(add.DestKey); d.Conns != (Conns{Active: 1, Persistent: 1}) {
		t.Errorf("it came back with %+v", d.Conns)
	}
	apply(t, f, deleteDest(web, "10.1.0.1:80"))
	f.SetConns(web, add.DestKey, Conns{})
	apply(t, f, add)
	if d, _ := f.Snapshot()[web].Dest(add.DestKey); d.Conns != (Conns{}) {
		t.Errorf("it came back with %+v after its connections ended", d.Conns)
	}
}

// TestFakeHost shows what fails when a test wants it to.
func TestFakeSurroundings(t *testing.T) {
	f := NewFake()
	if err := f.StartSync(t.Context(), SyncDaemon{Role: Master, Interface: "eth7"}); err != nil {
		t.Errorf("any interface is there unless a test says otherwise: %v", err)
	}
	var asked []HostOp
	boom := errors.New("boom")
	f.FailHost = func(op HostOp) error { asked = append(asked, op); return boom }
	for _, err := range []error{
		f.SetTimeouts(t.Context(), Timeouts{UDP: 1}),
		f.StartSync(t.Context(), SyncDaemon{Role: Backup, Interface: "eth7"}),
		f.StopSync(t.Context(), Master),
	} {
		if !errors.Is(err, boom) {
			t.Errorf("the hook's answer came out as %v", err)
		}
	}
	want := []HostOp{
		{Kind: SetTimeouts, Timeouts: Timeouts{UDP: 1}},
		{Kind: StartSync, Sync: SyncDaemon{Role: Backup, Interface: "eth7"}},
		{Kind: StopSync, Sync: SyncDaemon{Role: Master}},
	}
	if !slices.Equal(asked, want) {
		t.Errorf("asked for %v, want %v", asked, want)
	}
	daemons, err := f.SyncDaemons(t.Context())
	if len(daemons) != 1 || daemons[0].Role != Master || err != nil {
		t.Errorf("%+v run, %v: what failed was done", daemons, err)
	}
}

// TestFakeStatistics shows whose counters survive a deletion.
func TestFakeStatistics(t *testing.T) {
	f := NewFake()
	add, d := addDest(web, "10.1.0.1:80", Dest{}), dest("10.1.0.1:80")
	given := ServiceStats{Stats: Stats{Conns: 5}, Dests: map[DestKey]Stats{d: {Conns: 4}}}
	check := func(when string, want ServiceStats) {
		t.Helper()
		_, got, err := f.ObserveStats(t.Context(), web)
		if diff := cmp.Diff(want, got[web], sameTable); err != nil || diff != "" {
			t.Errorf("%s: %v; (-want +got):\n%s", when, err, diff)
		}
	}
	apply(t, f, addService(web, rr), add)
	f.SetStatistics(web, given)
	check("set", given)
	apply(t, f, deleteDest(web, "10.1.0.1:80"))
	check("without its destination", ServiceStats{Stats: Stats{Conns: 5}})
	apply(t, f, add)
	check("with it again", given)
	apply(t, f, deleteService(web), addService(web, rr), add)
	check("made again", ServiceStats{Dests: map[DestKey]Stats{d: {}}})
}

func TestFakeConcurrentUse(t *testing.T) {
	f := NewFake()
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			k := ServiceKey{Family: IPv4, Mark: uint32(i + 1)}
			for range 100 {
				f.Apply(context.Background(), []Op{addService(k, rr), addDest(k, "10.1.0.1:80", Dest{}), deleteService(k)})
				_, _ = f.Observe(context.Background())
				f.SetConns(k, dest("10.1.0.1:80"), Conns{Active: 1})
			}
		})
	}
	wg.Wait()
	if n := len(f.Ops()); n != 4*300 {
		t.Errorf("%d operations done, want %d", n, 4*300)
	}
}

func BenchmarkFakeEditDest(b *testing.B) {
	f := NewFake()
	f.Put(web, VirtualService{Service: rr, Dests: []RealServer{{DestKey: dest("10.1.0.1:80")}}})
	ops := []Op{editDest(web, "10.1.0.1:80", Dest{Weight: 1})}
	for b.Loop() {
		f.Apply(b.Context(), ops)
	}
}

func BenchmarkFakeObserve(b *testing.B) {
	f := NewFake()
	for i := range 10_000 {
		k := ServiceKey{Family: IPv4, Mark: uint32(i + 1)}
		v := VirtualService{Service: rr}
		for j := range 20 {
			v.Dests = append(v.Dests, RealServer{DestKey: DestKey{netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i), byte(j)}), 80)}})
		}
		f.Put(k, v)
	}
	for name, keys := range map[string][]ServiceKey{"all": nil, "one": {mark4}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.Observe(b.Context(), keys...); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
