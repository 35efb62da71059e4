package reconcile

import (
	"cmp"
	"slices"

	"github.com/gorb-io/gorb/pkg/kernel"
)

// Wanted is the table as it should be: declared services as declared, leaving ones as far as they have got, and
// everybody else's as observed.
type Wanted struct {
	Table kernel.Table
	// Down holds the destinations that health holds at weight 0. Taking traffic from them comes first and is never held
	// back, whatever else fails.
	Down map[Ref]bool
}

// Ref names a destination in a table.
type Ref struct {
	Service kernel.ServiceKey
	Dest    kernel.DestKey
}

// phase is the place of an operation in a pass. All operations of a phase come before all of the next.
type phase uint8

// The order is make before break: whatever gives a service capacity comes before whatever takes it away, and in
// between it can serve with the old or the new. Raising comes before lowering because weight that moves from one
// backend to another would otherwise pass through zero.
const (
	takeDown phase = iota // weight 0 for what health holds down
	addServices
	addDests
	editServices
	editDests
	raise
	lower
	deleteDests
	deleteServices
)

// gives reports whether the operations of a phase give a service capacity.
func (p phase) gives() bool { return p == addServices || p == addDests || p == raise }

// givesUp reports whether the operations of a phase give up capacity by declaration. They are held back in a service
// where one that gives capacity failed.
func (p phase) givesUp() bool { return p >= lower }

// step is an operation and its phase.
type step struct {
	phase phase
	op    kernel.Op
}

// Diff returns the operations that make the observed table the wanted one, in a safe order; ties go by key, so that
// destinations are added in canonical order. Where the tables are equal it returns none. Values are compared with ==:
// what an operation would not change it does not write.
func Diff(wanted Wanted, observed kernel.Table) []kernel.Op {
	steps := diff(wanted, observed)
	ops := make([]kernel.Op, len(steps))
	for i, s := range steps {
		ops[i] = s.op
	}
	return ops
}

func diff(wanted Wanted, observed kernel.Table) []step {
	var steps []step
	for key, want := range wanted.Table {
		have, ok := observed[key]
		switch {
		case !ok:
			steps = append(steps, step{addServices, kernel.Op{Kind: kernel.AddService, Key: key, Service: want.Service}})
		case have.Service != want.Service:
			steps = append(steps, step{editServices, kernel.Op{Kind: kernel.EditService, Key: key, Service: want.Service}})
		}
		steps = diffDests(steps, key, want.Dests, have.Dests, wanted.Down)
	}
	for key := range observed {
		if _, ok := wanted.Table[key]; !ok {
			// The kernel drops a service's destinations with it (ip_vs_unlink_service).
			steps = append(steps, step{deleteServices, kernel.Op{Kind: kernel.DeleteService, Key: key}})
		}
	}
	slices.SortFunc(steps, func(a, b step) int {
		return cmp.Or(cmp.Compare(a.phase, b.phase), a.op.Key.Compare(b.op.Key), a.op.DestKey.Compare(b.op.DestKey))
	})
	return steps
}

// diffDests appends the steps that lead from one list of destinations to another.
func diffDests(steps []step, key kernel.ServiceKey, want, have []kernel.RealServer, down map[Ref]bool) []step {
	held := make(map[kernel.DestKey]kernel.Dest, len(have))
	for _, d := range have {
		held[d.DestKey] = d.Dest
	}
	for _, d := range want {
		old, ok := held[d.DestKey]
		delete(held, d.DestKey)
		op := kernel.Op{Kind: kernel.EditDest, Key: key, DestKey: d.DestKey, Dest: d.Dest}
		switch {
		case !ok:
			op.Kind = kernel.AddDest
			steps = append(steps, step{addDests, op})
		case old == d.Dest:
		case old.Weight > d.Weight && down[Ref{key, d.DestKey}]:
			steps = append(steps, step{takeDown, op})
		case old.Weight > d.Weight:
			steps = append(steps, step{lower, op})
		case old.Weight < d.Weight:
			steps = append(steps, step{raise, op})
		default:
			steps = append(steps, step{editDests, op})
		}
	}
	for k := range held {
		steps = append(steps, step{deleteDests, kernel.Op{Kind: kernel.DeleteDest, Key: key, DestKey: k}})
	}
	return steps
}
