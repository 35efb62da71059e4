package reconcile

import (
	"net/netip"
	"time"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/probe"
	"github.com/gorb-io/gorb/pkg/spec"
)

// Overlay is how backends are, which is laid over their declared weights. A decision only reads it.
type Overlay struct {
	Health probe.Health // of those that are declared and checked
	// Leaving is the same of backends that are declared no more and are checked on while they are needed.
	Leaving map[Ref]probe.Verdict
	// New are the backends that gorb added at weight 0 and that wait for their first answer since: the kernel's 0 says
	// nothing of them.
	New refSet
}

// count counts a backend among those that n counts, if it is declared with a weight.
func count(c *probe.Counts, b *spec.Backend, n *int) {
	if b.Weight == 0 {
		n = &c.Drained
	}
	*n++
}

// weigh appends the destinations of a declared service to none, in canonical order, with the weights that they may have
// now. One that is down and is to be removed for it is left out.
func (d *decider) weigh(dests []kernel.RealServer, key kernel.ServiceKey, s *spec.Service, have kernel.VirtualService) []kernel.RealServer {
	d.old = nil
	var stays probe.Counts
	for i := range s.Backends {
		b := &s.Backends[i]
		r := kernel.RealServer{DestKey: destKeyOf(b), Dest: declaredDest(b)}
		switch {
		case s.PulseOf(b).Type == spec.PulseNone:
			count(&stays, b, &stays.Unchecked)
		case d.Overlay == nil && d.leaveAtZero(key, &r, have):
			count(&stays, b, &stays.Unanswered)
		case d.Overlay == nil:
			count(&stays, b, &stays.Unchecked)
		case !d.overlay(key, s, b, &r, have, &stays):
			continue
		}
		dests = append(dests, r)
	}
	d.plan.standings[key] = stays
	sortDests(dests)
	return dests
}

// overlay gives a backend that is checked the weight that it may have. It reports whether it is to be in the kernel.
func (d *decider) overlay(key kernel.ServiceKey, s *spec.Service, b *spec.Backend, r *kernel.RealServer,
	have kernel.VirtualService, stays *probe.Counts,
) bool {
	ref := Ref{key, r.DestKey}
	v := d.Overlay.Health[probe.Ref{Service: s.Name, Backend: b.Name}]
	var seen *uint32 // its weight in the kernel, where that counts
	if v.Status == probe.Unanswered {
		old, exists := d.observed(have)[r.DestKey]
		if exists && !(d.Overlay.New.has(ref) && old == 0) {
			seen = &old
		} else {
			d.plan.fresh.add(ref)
		}
	}
	r.Weight = probe.Effective(b.Weight, seen, v, d.Now)
	if at, ok := v.ChangesAt(b.Weight, seen, d.Now); ok {
		d.plan.wake(key, at)
	}
	down := v.Status == probe.Down || v.Status == probe.Unanswered && v.Initial == probe.InitialDown
	if down {
		d.takeDown(ref)
	}
	switch v.Status {
	case probe.Down:
		count(stays, b, &stays.Down)
	case probe.Up:
		count(stays, b, &stays.Up)
	default:
		count(stays, b, &stays.Unanswered)
	}
	return v.Status != probe.Down || !s.RemoveDown
}

// leaveAtZero leaves a backend at weight 0 that the kernel has there: it may be down, and nobody checks. It reports whether
// this is such a one.
func (d *decider) leaveAtZero(key kernel.ServiceKey, r *kernel.RealServer, have kernel.VirtualService) bool {
	if d.Raise || r.Weight == 0 {
		return false
	}
	old, exists := d.observed(have)[r.DestKey]
	if !exists || old > 0 {
		return false
	}
	r.Weight = 0
	d.plan.LeftAtZero = append(d.plan.LeftAtZero, Ref{key, r.DestKey})
	return true
}

// observed returns the weights that the kernel has in the service that is decided about.
func (d *decider) observed(have kernel.VirtualService) map[kernel.DestKey]uint32 {
	if d.old == nil {
		d.old = make(map[kernel.DestKey]uint32, len(have.Dests))
		for i := range have.Dests {
			d.old[have.Dests[i].DestKey] = have.Dests[i].Weight
		}
	}
	return d.old
}

// takeDown has traffic taken from a backend first of all, and never held back.
func (d *decider) takeDown(r Ref) { d.plan.wanted.Down[r] = true }

// leaverDown reports whether a backend that is declared no more is known to be down. Of one that nobody checks the kernel's
// weight is all that is known: it counts as up.
func (d *decider) leaverDown(r Ref) bool {
	return d.Overlay != nil && d.Overlay.Leaving[r].Status == probe.Down
}

// givesUp reports whether a service gives up by declaration what is up: one that takes new connections in the kernel, is
// not known to be down, and is declared no more, or with weight 0.
func (d *decider) givesUp(key kernel.ServiceKey, have, want kernel.VirtualService) bool {
	for i := range have.Dests {
		b := &have.Dests[i]
		ref := Ref{key, b.DestKey}
		if b.Weight == 0 || d.plan.wanted.Down[ref] || d.leaverDown(ref) {
			continue
		}
		if j, stays := find(want.Dests, b.DestKey); !stays || want.Dests[j].Weight == 0 {
			return true
		}
	}
	return false
}

// waits decides whether what a service gives up by declaration waits for what stays of it, and notes that. It begins where
// nothing that stays is up yet. While there are some of which nothing is known it goes on: the first one that answers is
// not to have the traffic of all. Where none is up and all have answered it ends after the drain time.
func (d *decider) waits(key kernel.ServiceKey, name string, stays probe.Counts, limit time.Duration, owned Owned, next *Owned) bool {
	if d.NoDrain || d.Flush {
		return false
	}
	since := owned.Waiting
	if since.IsZero() || since.After(d.Now) { // or the clock went back
		since = d.Now
	}
	over, up := !d.Now.Before(since.Add(limit)), stays.Up+stays.Unchecked
	switch {
	case up == 0 && stays.Unanswered > 0:
	case up == 0 && stays.Down > 0 && !over:
	case up > 0 && stays.Unanswered > 0 && !owned.Waiting.IsZero() && !over:
	default:
		return false
	}
	next.Waiting = since
	d.plan.Waiting = append(d.plan.Waiting, Waiting{
		Key: key, Name: name, Since: since, Until: since.Add(limit),
		Up: up, Down: stays.Down, Unanswered: stays.Unanswered,
	})
	return true
}

// holdLowered leaves declared backends at the weight that they have, where it would become lower by declaration. It returns
// how many of them are declared with none.
func (d *decider) holdLowered(key kernel.ServiceKey, have, want kernel.VirtualService) (kept int) {
	for i := range have.Dests {
		b := &have.Dests[i]
		if j, ok := find(want.Dests, b.DestKey); ok && want.Dests[j].Weight < b.Weight && !d.plan.wanted.Down[Ref{key, b.DestKey}] {
			if want.Dests[j].Weight == 0 {
				kept++
			}
			want.Dests[j].Weight = b.Weight
		}
	}
	return kept
}

// Waiting is a service in which what is given up by declaration waits for what stays to come up.
type Waiting struct {
	Key   kernel.ServiceKey
	Name  string
	Since time.Time
	// Until is when it ends though none came up. While some are unanswered and none is up, it does not.
	Until                time.Time
	Up, Down, Unanswered int // of the backends that stay; without an engine those count as unanswered that are left at 0
}

// Ends returns when it ends though none came up, and whether it does: that is not known while none is up and not all have
// answered.
func (w Waiting) Ends() (time.Time, bool) { return w.Until, w.Up > 0 || w.Unanswered == 0 }

func destKeyOf(b *spec.Backend) kernel.DestKey {
	return kernel.DestKey{Addr: netip.AddrPortFrom(b.Host, b.Port)}
}
