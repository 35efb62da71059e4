package reconcile

import (
	"fmt"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/spec"
)

// TestAwaitNeverLies declares one random configuration after the other, while operations and readings fail at random. What
// an outcome says nothing against is in the kernel as it is declared, and what is declared no more is gone.
func TestAwaitNeverLies(t *testing.T) {
	excused, asked := 0, 0
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			w, chance := newWorld(seed), newWorld(seed+1000) // the other is of the goroutine that is tested
			b := startBench(t, Memory{})
			var failing atomic.Int64
			b.Fail = func(op kernel.Op) error {
				switch deletes := op.Kind == kernel.DeleteDest || op.Kind == kernel.DeleteService; {
				case !chance.chance(int(failing.Load())):
					return nil
				case deletes: // of which ENOENT would say that it is gone
					return pick[error](chance, syscall.EINVAL, kernel.ErrUncertain)
				}
				return pick[error](chance, syscall.EINVAL, syscall.EEXIST, syscall.ENOENT, syscall.ESRCH, kernel.ErrUncertain)
			}
			b.FailObserve = func([]kernel.ServiceKey) error {
				if chance.chance(int(failing.Load() / 2)) {
					return syscall.ENOBUFS
				}
				return nil
			}
			names := map[string]kernel.ServiceKey{}
			for n := range uint64(20) {
				d := serial(n+1, w.desired())
				failing.Store(pick(w, int64(0), 10, 40))
				b.desired <- d
				wanted := settled(WantedTable(d))
				for i := range d.Services {
					names[d.Services[i].Name] = KeyOf(&d.Services[i])
				}
				for name, key := range names {
					o, err := b.reconciler.Await(t.Context(), n+1, name)
					if err != nil || o.Serial != n+1 {
						t.Fatalf("seed %d, serial %d: followed %d, %v", seed, n+1, o.Serial, err)
					}
					asked++
					if len(o.Errs)+len(o.Held)+len(o.Waiting)+o.Draining > 0 {
						excused++
						continue
					}
					want, declared := wanted[key]
					got, there := settled(b.Snapshot(key))[key]
					if diff := cmp.Diff(want, got, cmpOptions); declared != there || diff != "" {
						t.Fatalf("seed %d, serial %d: %s is declared: %v, there: %v (-want +got):\n%s", seed, n+1, name, declared, there, diff)
					}
				}
				time.Sleep(time.Duration(w.IntN(3000)) * time.Millisecond)
				synctest.Wait()
			}
		})
	}
	if excused == 0 || excused > asked*9/10 {
		t.Errorf("of %d outcomes %d said why", asked, excused)
	}
}

// BenchmarkAwait is one change of one service of many, declared, followed and awaited, with others waiting for what does
// not come meanwhile.
func BenchmarkAwait(b *testing.B) {
	for _, waiting := range []int{0, 5000} {
		b.Run(fmt.Sprint(waiting), func(b *testing.B) {
			progress, report := newProgress(), &Report{
				Plan:    &Plan{Names: map[kernel.ServiceKey]string{web: "web"}},
				Results: []Result{{Op: kernel.Op{Kind: kernel.EditDest, Key: web}}},
				scope:   map[kernel.ServiceKey]bool{web: true},
			}
			r := New(NewKeeper(kernel.NewFake(), nil, NewStore("", Place{}), Memory{}), false, zerolog.Nop())
			r.progress = progress
			for i := range waiting {
				progress.enter(1<<40 + uint64(i/10)) // ten for each
			}
			d := &spec.Desired{}
			b.ReportAllocs()
			for b.Loop() {
				d.Serial++
				g := progress.enter(d.Serial)
				progress.note(d, true, report, nil)
				<-g.open
				if o, err := r.Await(b.Context(), d.Serial, "web"); err != nil || len(o.Ops) != 1 {
					b.Fatal(o, err)
				}
			}
		})
	}
}

// BenchmarkFollow is the same with the pass that a change of one service of 10,000 causes, and another service after each.
func BenchmarkFollow(b *testing.B) {
	fake := kernel.NewFake()
	was := large(10000, 100)
	for key, v := range held(WantedTable(was)) {
		fake.Put(key, v)
	}
	r := New(NewKeeper(fake, nil, NewStore("", Place{}), Memory{}), false, zerolog.Nop())
	desired := make(chan *spec.Desired)
	go func() { _ = r.Run(b.Context(), Wakes{Desired: desired}) }()
	desired <- was
	i := 0
	for b.Loop() {
		next := *was
		next.Serial, next.Services = was.Serial+1, slices.Clone(was.Services)
		s := &next.Services[i%10000]
		s.Backends = slices.Clone(s.Backends)
		s.Backends[0].Weight++
		desired <- &next
		if o, err := r.Await(b.Context(), next.Serial, s.Name); err != nil || len(o.Ops) != 1 {
			b.Fatal(o, err)
		}
		was = &next
		i++
	}
}
