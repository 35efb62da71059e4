package reconcile

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gorb-io/gorb/pkg/kernel"
)

// cmpOptions compare tables, whose addresses are comparable values.
var cmpOptions = cmp.Options{
	cmp.Comparer(func(a, b kernel.ServiceKey) bool { return a == b }),
	cmp.Comparer(func(a, b kernel.DestKey) bool { return a == b }),
	cmpopts.EquateEmpty(),
}

func TestDiffProperties(t *testing.T) {
	for seed := range uint64(3000) {
		w := newWorld(seed)
		observed, table := w.table(), settled(w.table())
		down := map[Ref]bool{}
		for k, v := range table {
			for i := range v.Dests {
				if w.chance(20) {
					v.Dests[i].Weight = 0
					down[Ref{k, v.Dests[i].DestKey}] = true
				}
			}
		}
		wanted := Wanted{Table: table, Down: down}
		ops := Diff(wanted, observed)

		fake := kernel.NewFake()
		setUp(t, fake, observed)
		mustApply(t, fake, ops)
		if d := cmp.Diff(settled(table), settled(mustObserve(t, fake)), cmpOptions); d != "" {
			t.Fatalf("seed %d: the operations do not reach the wanted table (-want +got):\n%s", seed, d)
		}
		if again := Diff(wanted, mustObserve(t, fake)); len(again) > 0 {
			t.Fatalf("seed %d: a second diff finds %v", seed, again)
		}
		if !slices.Equal(ops, Diff(wanted, clone(observed))) {
			t.Fatalf("seed %d: the same tables give other operations", seed)
		}
		checkSteps(t, seed, observed, wanted, ops)
	}
}

// checkSteps checks what must hold after every single operation.
func checkSteps(t *testing.T, seed uint64, observed kernel.Table, wanted Wanted, ops []kernel.Op) {
	t.Helper()
	added := map[Ref]bool{}
	now := clone(observed)
	for _, op := range ops {
		ref := Ref{op.Key, op.DestKey}
		switch op.Kind {
		case kernel.AddDest:
			added[ref] = true
		case kernel.DeleteDest:
			if added[ref] {
				t.Fatalf("seed %d: %v is added and deleted", seed, ref)
			}
		}
		follow(now, op)
		for key, before := range observed {
			after, stays := wanted.Table[key]
			// What health takes down may leave a service without weight; declarations may not.
			lost := slices.ContainsFunc(before.Dests, func(d kernel.RealServer) bool { return wanted.Down[Ref{key, d.DestKey}] })
			if stays && serves(before) && serves(after) && !lost && !serves(now[key]) {
				t.Fatalf("seed %d: after %v, %v has nowhere to send traffic", seed, op, key)
			}
		}
	}
}

func TestDiffOrder(t *testing.T) {
	w := newWorld(1)
	for range 200 {
		d := diff(Wanted{Table: settled(w.table())}, w.table())
		for p := range phases {
			for i, ops := 1, d.of(p); i < len(ops); i++ {
				a, b := ops[i-1], ops[i]
				if compareRefs(Ref{a.Key, a.DestKey}, Ref{b.Key, b.DestKey}) >= 0 {
					t.Fatalf("phase %d: %v comes before %v, which is not the canonical order", p, a, b)
				}
			}
		}
	}
}
