package reconcile

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/spec"
)

func TestRandomPairsOnFake(t *testing.T) {
	for seed := range uint64(3000) {
		checkPair(t, kernel.NewFake(), seed)
	}
}

// checkPair puts a random table into an empty kernel, reconciles it with a random configuration, at first with failures
// in some cases, and checks what must hold at every step and at the end. It returns the table.
func checkPair(t *testing.T, k Kernel, seed uint64) kernel.Table {
	t.Helper()
	w := newWorld(seed)
	table, desired := w.table(), w.desired()
	memory := w.memory(table)
	setUp(t, k, table)
	before := mustObserve(t, k)

	watch := &watched{Kernel: k, model: clone(before)}
	if w.chance(50) {
		watch.fail = func(kernel.Op) bool { return w.chance(25) }
	}
	wanted := WantedTable(desired)
	watch.judge = func(op kernel.Op, now kernel.Table) {
		if _, mine := memory.Services[op.Key]; !mine {
			if _, declared := wanted[op.Key]; !declared {
				t.Fatalf("seed %d: %v touches what is not gorb's", seed, op)
			}
		}
		if v, declared := wanted[op.Key]; declared {
			if _, stays := v.Dest(op.DestKey); stays && op.Kind == kernel.DeleteDest {
				t.Fatalf("seed %d: %v deletes a backend that stays", seed, op)
			}
			if serves(before[op.Key]) && serves(v) && !serves(now[op.Key]) {
				t.Fatalf("seed %d: after %v, %v has nowhere to send traffic", seed, op, op.Key)
			}
		}
	}
	keeper := NewKeeper(watch, nil, NewStore("", Place{}), memory)
	if watch.fail != nil {
		for range 3 {
			mustPass(t, keeper, desired)
		}
		watch.fail = nil
	}
	// The first pass takes leaving backends to 0, the second reads that they are empty and deletes them.
	for range 2 {
		if r := mustPass(t, keeper, desired); len(r.Errs) > 0 {
			t.Fatalf("seed %d: %v", seed, r.Errs)
		}
	}
	n := len(watch.ops)
	if r := mustPass(t, keeper, desired); len(r.Plan.Ops) > 0 || len(watch.ops) > n {
		t.Fatalf("seed %d: there is still to do: %v", seed, r.Plan.Ops)
	}

	want := clone(wanted)
	for key, v := range before {
		_, mine := memory.Services[key]
		if _, declared := wanted[key]; !declared && !mine {
			want[key] = v
		}
	}
	after := mustObserve(t, k)
	if d := cmp.Diff(settled(want), settled(after), cmpOptions); d != "" {
		t.Fatalf("seed %d: the table is not the wanted one (-want +got):\n%s", seed, d)
	}
	return after
}

func mustPass(t *testing.T, k *Keeper, desired *spec.Desired) *Report {
	t.Helper()
	r, err := k.Pass(t.Context(), desired, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}
