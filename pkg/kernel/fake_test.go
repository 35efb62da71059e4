package kernel

import (
	"context"
	"errors"
	"fmt"
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
	f.SetConns(web, add.DestKey, Conns{2, 1})
	apply(t, f, deleteDest(web, "10.1.0.1:80"))
	f.SetConns(web, add.DestKey, Conns{1, 1})
	f.SetConns(missing, add.DestKey, Conns{1, 1})
	apply(t, f, add)
	if d, _ := f.Snapshot()[web].Dest(add.DestKey); d.Conns != (Conns{1, 1}) {
		t.Errorf("it came back with %+v", d.Conns)
	}
	apply(t, f, deleteDest(web, "10.1.0.1:80"))
	f.SetConns(web, add.DestKey, Conns{})
	apply(t, f, add)
	if d, _ := f.Snapshot()[web].Dest(add.DestKey); d.Conns != (Conns{}) {
		t.Errorf("it came back with %+v after its connections ended", d.Conns)
	}
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
