package reconcile

import (
	"slices"

	"github.com/gorb-io/gorb/pkg/kernel"
)

// Wanted is the table as it should be: declared services as declared, leaving ones as far as they have got, and
// everybody else's as observed. The destinations of a service stand in canonical order, unless they are those observed.
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
//
// A virtual address brings traffic, so it comes when its service can serve, and goes before its service gives up what
// it serves with. Daemons and interfaces stop or begin around all that.
const (
	takeDown phase = iota // weight 0 for what health holds down
	settings              // sysctls, timeouts, a daemon that stops, an interface that is made
	addServices
	addDests
	editServices
	editDests
	raise
	addAddresses
	deleteAddresses
	lower
	deleteDests
	deleteServices
	last // a daemon that starts, sysctls that came with a scheduler
	deleteLinks
	phases // how many there are
)

// gives reports whether the operations of a phase give a service capacity.
func (p phase) gives() bool { return p == addServices || p == addDests || p == raise }

// givesUp reports whether the operations of a phase on the table give up capacity by declaration. They are held back in a
// service where one that gives capacity failed.
func (p phase) givesUp() bool { return p >= lower && p <= deleteServices }

// Diff returns the operations that make the observed table the wanted one, in a safe order; ties go by key, so that
// destinations are added in canonical order. Where the tables are equal it returns none. Values are compared with ==:
// what an operation would not change it does not write.
func Diff(wanted Wanted, observed kernel.Table) []kernel.Op { return diff(wanted, observed).ops }

// difference is the operations of a Diff, and where the phases end among them.
type difference struct {
	ops  []kernel.Op
	ends [phases]int
}

// of returns the operations of a phase.
func (d *difference) of(p phase) []kernel.Op {
	start := 0
	if p > 0 {
		start = d.ends[p-1]
	}
	return d.ops[start:d.ends[p]:d.ends[p]]
}

// batches returns the phases that have operations.
func (d *difference) batches() []batch {
	var list []batch
	for p := range phases {
		if ops := d.of(p); len(ops) > 0 {
			list = append(list, batch{phase: p, ops: ops})
		}
	}
	return list
}

func diff(wanted Wanted, observed kernel.Table) difference {
	d := differ{keys: make([]kernel.ServiceKey, 0, max(len(wanted.Table), len(observed)))}
	for key := range wanted.Table {
		d.keys = append(d.keys, key)
	}
	for key := range observed {
		if _, ok := wanted.Table[key]; !ok {
			d.keys = append(d.keys, key)
		}
	}
	sortKeys(d.keys)
	for i, key := range d.keys {
		want, stays := wanted.Table[key]
		have, exists := observed[key]
		d.key, d.want, d.have = int32(i), want.Dests, have.Dests
		switch {
		case !stays:
			// The kernel drops a service's destinations with it (ip_vs_unlink_service).
			d.note(deleteServices, 0)
			continue
		case !exists:
			d.note(addServices, 0)
		case have.Service != want.Service:
			d.note(editServices, 0)
		}
		d.dests(key, wanted.Down)
	}
	return d.write(wanted.Table, observed)
}

// differ finds what differs, first as marks of a few bytes each: operations are large, and are written out once it is
// known how many there are and of which phases.
type differ struct {
	keys  []kernel.ServiceKey // of all services, in order
	marks []mark              // by service, and by destination within it
	order []int32             // room for sorted

	key        int32 // the service that is looked at
	want, have []kernel.RealServer
}

// mark is one operation.
type mark struct {
	phase phase
	key   int32 // in differ.keys
	dest  int32 // among the wanted destinations of the service, or, for a deletion, among the observed ones
}

func (d *differ) note(p phase, dest int32) { d.marks = append(d.marks, mark{p, d.key, dest}) }

// dests compares the destinations of a service, both lists in canonical order.
func (d *differ) dests(key kernel.ServiceKey, down map[Ref]bool) {
	if len(d.want) > 0 && len(d.have) > 0 && &d.want[0] == &d.have[0] {
		return // somebody else's: wanted as observed
	}
	have := d.sorted()
	for i := range d.want {
		want := &d.want[i]
		for len(have) > 0 && d.have[have[0]].Compare(want.DestKey) < 0 {
			d.note(deleteDests, have[0])
			have = have[1:]
		}
		if len(have) == 0 || d.have[have[0]].DestKey != want.DestKey {
			d.note(addDests, int32(i))
			continue
		}
		old := &d.have[have[0]]
		have = have[1:]
		switch {
		case old.Dest == want.Dest:
		case old.Weight > want.Weight && down[Ref{key, want.DestKey}]:
			d.note(takeDown, int32(i))
		case old.Weight > want.Weight:
			d.note(lower, int32(i))
		case old.Weight < want.Weight:
			d.note(raise, int32(i))
		default:
			d.note(editDests, int32(i))
		}
	}
	for _, i := range have {
		d.note(deleteDests, i)
	}
}

// sorted returns where the observed destinations stand, in canonical order. A kernel that gorb filled has them the
// other way round.
func (d *differ) sorted() []int32 {
	n := len(d.have)
	d.order = d.order[:0]
	reversed := n > 1 && d.have[0].Compare(d.have[n-1].DestKey) > 0
	for i := range n {
		if reversed {
			i = n - 1 - i
		}
		d.order = append(d.order, int32(i))
	}
	inOrder := func(a, b int32) int { return d.have[a].Compare(d.have[b].DestKey) }
	if !slices.IsSortedFunc(d.order, inOrder) {
		slices.SortFunc(d.order, inOrder)
	}
	return d.order
}

// write writes the operations out, phase by phase.
func (d *differ) write(wanted, observed kernel.Table) difference {
	var out difference
	for _, m := range d.marks {
		out.ends[m.phase]++
	}
	var at [phases]int // where the next operation of a phase goes
	total := 0
	for p, n := range out.ends {
		at[p] = total
		total += n
		out.ends[p] = total
	}
	if total == 0 {
		return out
	}
	out.ops = make([]kernel.Op, total)
	d.key = -1
	var service kernel.Service
	for _, m := range d.marks {
		key := d.keys[m.key]
		if m.key != d.key { // marks stand by service
			want := wanted[key]
			d.key, service, d.want, d.have = m.key, want.Service, want.Dests, observed[key].Dests
		}
		op := &out.ops[at[m.phase]]
		at[m.phase]++
		op.Key = key
		switch m.phase {
		case addServices:
			op.Kind, op.Service = kernel.AddService, service
		case editServices:
			op.Kind, op.Service = kernel.EditService, service
		case deleteServices:
			op.Kind = kernel.DeleteService
		case deleteDests:
			op.Kind, op.DestKey = kernel.DeleteDest, d.have[m.dest].DestKey
		default:
			op.Kind = kernel.EditDest
			if m.phase == addDests {
				op.Kind = kernel.AddDest
			}
			op.DestKey, op.Dest = d.want[m.dest].DestKey, d.want[m.dest].Dest
		}
	}
	return out
}
