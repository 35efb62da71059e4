package reconcile

import (
	"fmt"
	"slices"

	"github.com/gorb-io/gorb/pkg/kernel"
)

// Drift is a service whose scheduler goes by the order of the kernel's list, and whose backends stand there in another
// order than the canonical one, which every director makes (docs/kernel.md, "Order").
type Drift struct {
	Key      kernel.ServiceKey
	Backends int              // how many the service has
	Moves    []kernel.DestKey // those to take out and put back, in canonical order
	// Unknown says why Moves must not be touched: one of them has something that gorb could not put back. It is ""
	// otherwise.
	Unknown string
	Change
}

// Change says how much of a scheduler's table another order would change, and so which share of the clients would go to
// another backend.
type Change struct {
	Moved, Slots int    // of the scheduler's table
	Unit         string // what the scheduler calls a slot, in the plural
	// About says that the kernel does not tell enough for an exact number: a backend at weight 0 turns its clients
	// away, or leaves them to others, by what it was before.
	About bool
}

func (c Change) String() string {
	about := ""
	if c.About {
		about = "about "
	}
	return fmt.Sprintf("%s%d of %d %s, %s of the clients", about, c.Moved, c.Slots, c.Unit, percent(c.Moved, c.Slots))
}

func (d Drift) String() string {
	return fmt.Sprintf("%d of %d backends %s not in canonical order", len(d.Moves), d.Backends, isAre(len(d.Moves)))
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// percent gives a share in whole percents, and small ones with a decimal.
func percent(n, of int) string {
	p := 100 * float64(n) / float64(of)
	if p > 0 && p < 10 && p != float64(int(p)) {
		return fmt.Sprintf("%.1f %%", p)
	}
	return fmt.Sprintf("%.0f %%", p)
}

// OrderMatters reports whether a scheduler chooses by the order of the kernel's list. rr, wrr and the like walk the
// list too, but where a client lands does not depend on it from one connection to the next.
func OrderMatters(scheduler string) bool { return scheduler == "sh" || scheduler == "mh" }

// OrderDrift reports whether an observed service depends on the order of its backends and has another one than the
// canonical. Backends are added in canonical order, and a dump begins with the newest, so it is to descend.
func OrderDrift(v kernel.VirtualService) bool {
	return OrderMatters(v.Scheduler) && len(movedDests(v)) > 0
}

// DriftOf returns what Reorder would do to a service, and whether that is anything.
func DriftOf(key kernel.ServiceKey, v kernel.VirtualService) (Drift, bool) {
	if !OrderDrift(v) {
		return Drift{}, false
	}
	moved := movedDests(v)
	d := Drift{Key: key, Backends: len(v.Dests), Unknown: v.Unknown}
	for _, m := range moved {
		d.Moves = append(d.Moves, m.DestKey)
		if d.Unknown == "" && m.Unknown != "" {
			d.Unknown = fmt.Sprintf("its backend %s: %s", m.DestKey, m.Unknown)
		}
	}
	d.Change = changeOf(key.Family, v)
	return d, true
}

// DriftNotes returns the drifts of a table, in the order of its keys.
func DriftNotes(t kernel.Table) []Drift {
	var drifts []Drift
	for _, key := range t.Keys() {
		if d, ok := DriftOf(key, t[key]); ok {
			drifts = append(drifts, d)
		}
	}
	return drifts
}

// Drifts returns the drifts of those services that the plan is about by name.
func (p *Plan) Drifts() []Drift {
	return slices.DeleteFunc(DriftNotes(p.observed), func(d Drift) bool { return p.Names[d.Key] == "" })
}

// Reorder returns the fewest operations that bring the backends of an observed service into canonical order; none
// where they are, or where the scheduler does not mind. What is deleted is put back by the next operation, with the
// attributes it had: so it is gone for an instant only, and returns with its connections and counters where the kernel
// keeps them (ip_vs_trash_get_dest).
//
// A service whose Drift has an Unknown must not be reordered.
func Reorder(key kernel.ServiceKey, v kernel.VirtualService) []kernel.Op {
	if !OrderDrift(v) {
		return nil
	}
	var ops []kernel.Op
	for _, d := range movedDests(v) {
		ops = append(ops,
			kernel.Op{Kind: kernel.DeleteDest, Key: key, DestKey: d.DestKey},
			kernel.Op{Kind: kernel.AddDest, Key: key, DestKey: d.DestKey, Dest: d.Dest})
	}
	return ops
}

// movedDests returns the backends to take out and put back, in canonical order. What is put back comes to the head of
// the kernel's list, before all that stayed, so that only the first in canonical order can stay.
func movedDests(v kernel.VirtualService) []kernel.RealServer {
	at := make(map[kernel.DestKey]int, len(v.Dests))
	for i, d := range v.Dests {
		at[d.DestKey] = i
	}
	sorted := Canonical(v.Dests)
	for i := 1; i < len(sorted); i++ {
		if at[sorted[i].DestKey] > at[sorted[i-1].DestKey] { // it should stand before the one that it follows
			return sorted[i:]
		}
	}
	return nil
}

// Canonical returns backends in canonical order, by address and port.
func Canonical(dests []kernel.RealServer) []kernel.RealServer {
	return slices.SortedFunc(slices.Values(dests), compareDests)
}
