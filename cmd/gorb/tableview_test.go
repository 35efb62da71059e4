package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/reconcile"
	"github.com/gorb-io/gorb/pkg/spec"
)

// viewed is a table view over a fake table, whose readings are counted and may take a while.
type viewed struct {
	*tableView
	*kernel.Fake
	reads  atomic.Int64 // how many began
	writes atomic.Uint64
	fail   atomic.Bool
	takes  time.Duration
}

func newViewed(t *testing.T, services, backends int) *viewed {
	v := &viewed{Fake: kernel.NewFake()}
	for i := range services {
		v.Put(viewKey(i), viewService(i, backends))
	}
	v.FailObserve = func([]kernel.ServiceKey) error {
		v.reads.Add(1)
		time.Sleep(v.takes)
		if v.fail.Load() {
			return syscall.EPERM
		}
		return nil
	}
	v.tableView = newTableView(v.Fake, func(kernel.ServiceKey) uint64 { return v.writes.Load() })
	t.Cleanup(func() {
		if err := v.tableView.Close(); err != nil {
			t.Error(err)
		}
	})
	return v
}

func viewKey(i int) kernel.ServiceKey {
	addr := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
	return kernel.ServiceKey{Family: kernel.IPv4, Protocol: kernel.TCP, Addr: netip.AddrPortFrom(addr, 80)}
}

func viewService(i, backends int) kernel.VirtualService {
	v := kernel.VirtualService{Service: kernel.Service{Scheduler: "wrr", Netmask: kernel.FullNetmask(kernel.IPv4)}}
	for j := range backends {
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(1 + j), byte(i >> 8), byte(i)}), 80)
		v.Dests = append(v.Dests, kernel.RealServer{DestKey: kernel.DestKey{Addr: addr}, Dest: kernel.Dest{Weight: 100}})
	}
	return v
}

// want asks for a service and says how many readings there have been by then.
func (v *viewed) want(t *testing.T, when string, i int, reads int64) {
	t.Helper()
	s, err := v.Service(t.Context(), viewKey(i))
	if err != nil || !s.There {
		t.Errorf("%s: %v, there: %v", when, err, s.There)
	}
	if n := v.reads.Load(); n != reads {
		t.Errorf("%s: %d readings, want %d", when, n, reads)
	}
}

// keeps returns how much is kept.
func (v *viewed) keeps() (services, readings, size int, whole bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.services), len(v.kept), v.size, v.whole != nil
}

// TestViewIsShared has many ask for a service at once, and again within a second and after it.
func TestViewIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newViewed(t, 2, 3)
		v.takes = 100 * time.Millisecond
		v.SetStatistics(viewKey(0), kernel.ServiceStats{Stats: kernel.Stats{Conns: 7}})
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				s, err := v.Service(t.Context(), viewKey(0))
				if err != nil || len(s.Dests) != 3 || s.Stats.Conns != 7 || len(s.Stats.Dests) != 3 {
					t.Errorf("%v: %+v", err, s)
				}
			})
		}
		all.Wait()
		v.want(t, "at once", 0, 1)
		time.Sleep(850 * time.Millisecond)
		v.want(t, "0.95 s old", 0, 1)
		v.want(t, "another service", 1, 2)
		time.Sleep(time.Second)
		v.want(t, "after a second", 0, 3)
		if s, err := v.Service(t.Context(), viewKey(5)); err != nil || s.There || s.At.IsZero() {
			t.Errorf("one that is not there: %+v, %v", s, err)
		}
		time.Sleep(2 * time.Second)
		if services, readings, size, _ := v.keeps(); services+readings+size > 0 {
			t.Errorf("nobody asks, and %d services and %d readings of %d are kept", services, readings, size)
		}
	})
}

// TestViewAfterWrite has a service written to while it is read: who asks after that gets what was read after that.
func TestViewAfterWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newViewed(t, 1, 1)
		v.takes = 100 * time.Millisecond
		before := make(chan error)
		go func() {
			_, err := v.Service(t.Context(), viewKey(0))
			before <- err
		}()
		synctest.Wait()
		v.writes.Add(1)
		began := time.Now()
		v.want(t, "written while it was read", 0, 2)
		if took := time.Since(began); took != 200*time.Millisecond {
			t.Errorf("the readings took %v: not one after the other", took)
		}
		if err := <-before; err != nil {
			t.Error(err)
		}
		v.want(t, "not written to since", 0, 2)
		v.writes.Add(1)
		v.want(t, "written to", 0, 3)
	})
}

// TestViewFails has the table not be readable, and somebody not want to wait.
func TestViewFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newViewed(t, 1, 1)
		v.takes = time.Second / 2
		v.fail.Store(true)
		if _, err := v.Service(t.Context(), viewKey(0)); !errors.Is(err, syscall.EPERM) {
			t.Errorf("unreadable: %v", err)
		}
		v.fail.Store(false)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := v.Service(ctx, viewKey(0)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("impatient: %v", err)
		}
		if _, err := v.All(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("impatient for all: %v", err)
		}
		v.want(t, "who comes after gets that reading", 0, 3)
		if err := v.tableView.Close(); err != nil {
			t.Error(err)
		}
		if _, err := v.Service(t.Context(), viewKey(0)); !errors.Is(err, reconcile.ErrEnded) {
			t.Errorf("closed: %v", err)
		}
	})
}

// TestViewOfAll has the whole table read at most once in five seconds.
func TestViewOfAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newViewed(t, 10, 2)
		v.takes = time.Second
		for _, want := range []int64{1, 1, 1, 1, 2} {
			all, err := v.All(t.Context())
			if err != nil || len(all.Table) != 10 || v.reads.Load() != want {
				t.Errorf("%v, %d services, %d readings, want %d", err, len(all.Table), v.reads.Load(), want)
			}
			time.Sleep(1500 * time.Millisecond)
		}
		time.Sleep(tableAge)
		if _, _, _, whole := v.keeps(); whole {
			t.Error("nobody asks, and it is kept")
		}
	})
}

// TestViewHasRoom asks for more than is kept.
func TestViewHasRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newViewed(t, 400, 200)
		for i := range 400 {
			v.want(t, "all of them", i, int64(i+1))
		}
		services, readings, size, _ := v.keeps()
		if size > maxViewed || size < maxViewed-201 || services != readings || size != 201*readings {
			t.Errorf("%d services, %d readings, %d kept", services, readings, size)
		}
		v.want(t, "the newest", 399, 400)
		v.want(t, "the oldest", 0, 401)
	})
}

// TestViewAfterAwait has weights declared, awaited and looked at, while others look as well: nobody who was told that a
// weight is in the kernel sees an older one.
func TestViewAfterAwait(t *testing.T) {
	fake := kernel.NewFake()
	keeper := reconcile.NewKeeper(fake, nil, reconcile.NewStore("", reconcile.Place{}), reconcile.Memory{})
	r := reconcile.New(keeper, false, zerolog.Nop())
	view := newTableView(fake, r.Written)
	desired := make(chan *spec.Desired)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { _ = r.Run(ctx, reconcile.Wakes{Desired: desired}) })
	var told atomic.Uint64
	look := func() uint64 {
		s, err := view.Service(t.Context(), viewKey(0))
		if err != nil || !s.There || len(s.Dests) != 1 {
			t.Errorf("%v: %+v", err, s)
			return 0
		}
		return uint64(s.Dests[0].Weight)
	}
	declare := func(n uint64) {
		desired <- &spec.Desired{Serial: n, Gorb: spec.Gorb{Resync: time.Hour}, Services: []spec.Service{{
			Name: "web", Host: viewKey(0).Addr.Addr(), Port: 80, Protocol: spec.TCP, Family: spec.IPv4, Method: "wrr",
			Pulse: &spec.Pulse{Type: spec.PulseNone},
			Backends: []spec.Backend{
				{Name: "a", Host: netip.MustParseAddr("10.1.0.1"), Port: 80, Weight: uint32(n), Method: spec.NAT},
			},
		}}}
		if o, err := r.Await(t.Context(), n, "web"); err != nil || len(o.Errs) > 0 {
			t.Errorf("%d: %v, %v", n, o.Errs, err)
		}
		told.Store(n)
	}
	declare(1)
	for range 3 {
		all.Go(func() {
			for ctx.Err() == nil {
				if n, got := told.Load(), look(); got < n {
					t.Errorf("it was told that %d is there, and sees %d", n, got)
				}
			}
		})
	}
	for n := uint64(2); n < 1000; n++ {
		declare(n)
		if got := look(); got != n {
			t.Errorf("%d is declared and followed, and %d is seen", n, got)
		}
	}
	cancel()
	all.Wait()
	if err := view.Close(); err != nil {
		t.Error(err)
	}
}

// BenchmarkTableView is what it costs to ask for one service, or for each of 10,000 in turn, beside a reading itself.
func BenchmarkTableView(b *testing.B) {
	fake := kernel.NewFake()
	for i := range 10000 {
		fake.Put(viewKey(i), viewService(i, 20))
	}
	written := reconcile.New(reconcile.NewKeeper(fake, nil, reconcile.NewStore("", reconcile.Place{}), reconcile.Memory{}), false, zerolog.Nop()).Written
	b.Run("reading", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if _, _, err := fake.ObserveStats(b.Context(), viewKey(i%10000)); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, services := range []int{1, 10000} {
		b.Run(fmt.Sprint(services), func(b *testing.B) {
			v := newTableView(fake, written)
			defer v.Close()
			var next atomic.Int64
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := v.Service(context.Background(), viewKey(int(next.Add(1))%services)); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
