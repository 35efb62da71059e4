package reconcile

import (
	"fmt"
	"slices"
	"time"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/probe"
	"github.com/gorb-io/gorb/pkg/spec"
)

// Input is everything that a decision rests on.
type Input struct {
	Desired  *spec.Desired
	Memory   Memory
	Observed kernel.Table
	// Scope is the services that were observed and may be changed; nil is all. A service outside it is neither in
	// Observed nor decided about.
	Scope map[kernel.ServiceKey]bool
	// Host is what was read of what surrounds the table (HostQuery); nil, or a part of it that is nil, is not decided
	// about.
	Host *kernel.HostState
	Now  time.Time
	// KeepDraining leaves it to whoever began a drain to end it: a backend that is remembered as draining stays, even
	// when it is empty or its time is over. It is for plans beside a daemon, which ends drains every second.
	KeepDraining bool
	// NoDrain deletes leaving backends at once, whatever their service says.
	NoDrain bool
	// Flush removes every service that is not declared, at once, whoever made it.
	Flush bool
	// Overlay is how the backends are; nil: nobody checks. Then declared weights count, but a backend that is to be checked
	// and that the kernel has at weight 0 stays there, unless Raise says that it is to be raised.
	Overlay *Overlay
	Raise   bool

	index *index // of Desired; nil: made for this decision
}

// Decide makes the plan of a pass. It is a pure function: the same input gives the same plan.
func Decide(in Input) *Plan {
	if in.index == nil {
		in.index = newIndex(in.Desired, nil)
	}
	d := decider{
		Input: in,
		plan: &Plan{
			Names:    map[kernel.ServiceKey]string{},
			Notes:    map[kernel.Op]string{},
			wanted:   Wanted{Table: make(kernel.Table, len(in.Observed)), Down: map[Ref]bool{}},
			observed: in.Observed,
			memory:   map[kernel.ServiceKey]*Owned{},

			standings: make(map[kernel.ServiceKey]probe.Counts, len(in.Scope)),
			fresh:     refSet{},
			held:      refSet{},
		},
	}
	d.wantDeclared()
	d.wantUndeclared()
	p := d.plan
	diffed := diff(p.wanted, in.Observed)
	p.Ops = diffed.ops
	p.batches = merge(diffed.batches(), d.decideHost())
	for _, op := range diffed.of(editServices) {
		if was := in.Observed[op.Key].Scheduler; was != op.Service.Scheduler {
			p.Notes[op] = fmt.Sprintf("scheduler %s to %s: connections opened in this instant may be refused",
				was, op.Service.Scheduler)
		}
	}
	for ph := lower; ph.givesUp() && len(p.stays) > 0; ph++ {
		for _, op := range diffed.of(ph) {
			if p.stays[op.Key] {
				p.Notes[op] = "waits until the address that the service moves to can be put on an interface"
			}
		}
	}
	p.finish()
	return p
}

// decider holds a decision while it is made.
type decider struct {
	Input
	plan  *Plan
	arena []kernel.RealServer       // room for the destinations of all declared services, so that it is allocated once
	old   map[kernel.DestKey]uint32 // see observed
}

// wantDeclared decides about the services that the configuration names.
func (d *decider) wantDeclared() {
	if d.Scope != nil {
		for key := range d.Scope {
			if s := d.index.service(key); s != nil {
				d.wantService(key, s)
			}
		}
		return
	}
	total := 0
	for i := range d.Desired.Services {
		total += len(d.Desired.Services[i].Backends)
	}
	d.arena = make([]kernel.RealServer, 0, total)
	d.plan.wanted.Table = make(kernel.Table, max(len(d.Observed), len(d.Desired.Services)))
	d.plan.Names = make(map[kernel.ServiceKey]string, len(d.Desired.Services))
	d.plan.standings = make(map[kernel.ServiceKey]probe.Counts, len(d.Desired.Services))
	for i := range d.Desired.Services {
		s := &d.Desired.Services[i]
		d.wantService(KeyOf(s), s)
	}
}

// wantService decides about one of them.
func (d *decider) wantService(key kernel.ServiceKey, s *spec.Service) {
	d.plan.Names[key] = s.Name
	owned, mine := d.Memory.Services[key]
	have, exists := d.Observed[key]
	want := d.declared(key, s, have)
	next := Owned{Name: s.Name, Drain: s.Drain}
	if have.Unknown != "" {
		d.leaveAlone(key, kernel.DestKey{}, have.Unknown)
		want.Service = have.Service
	}
	d.keepUnknown(key, have, want)
	waits := d.givesUp(key, have, want) && d.waits(key, s.Name, d.plan.standings[key], s.Drain, owned, &next)
	kept := 0
	if waits {
		kept = d.holdLowered(key, have, want)
	}
	leaving := undeclared(have.Dests, want.Dests)
	for _, b := range leaving {
		if d.leave(key, b, waits && b.Weight > 0 || d.Desired.Incomplete, s.Drain, owned, &want, &next) {
			kept++
		}
	}
	d.countKept(key, kept)
	if d.Desired.Incomplete {
		leaving = nil
	}
	if exists && !mine {
		d.plan.Adopted = append(d.plan.Adopted, Adopted{key, leaving})
	}
	d.want(key, want, owned, mine, next)
}

// declared returns a service as the configuration and the health of its backends want it. Its destinations come out of
// the arena as long as that lasts.
func (d *decider) declared(key kernel.ServiceKey, s *spec.Service, have kernel.VirtualService) kernel.VirtualService {
	room, n, end := d.arena, len(d.arena), len(d.arena)+len(s.Backends)
	if end > cap(d.arena) {
		room, n, end = make([]kernel.RealServer, 0, len(s.Backends)), 0, len(s.Backends)
	} else {
		d.arena = d.arena[:end]
	}
	return kernel.VirtualService{Service: declaredService(s), Dests: d.weigh(room[n:n:end], key, s, have)}
}

// countKept counts those that serve until others are up to the service that they serve for.
func (d *decider) countKept(key kernel.ServiceKey, kept int) {
	if kept > 0 {
		c := d.plan.standings[key]
		c.Kept += kept
		d.plan.standings[key] = c
	}
}

// leave decides about a backend that leaves: it drains, unless it is kept for now. Nothing keeps one that is down. It reports
// whether it goes on to serve.
func (d *decider) leave(key kernel.ServiceKey, b kernel.RealServer, kept bool, limit time.Duration, owned Owned,
	want *kernel.VirtualService, next *Owned,
) bool {
	ref := Ref{key, b.DestKey}
	if d.leaverDown(ref) {
		d.takeDown(ref)
	}
	if kept && !d.plan.wanted.Down[ref] {
		d.plan.held.add(ref)
		keep(b, owned, want, next)
		return b.Weight > 0
	}
	d.drain(key, b, limit, owned, want, next)
	return false
}

// wantUndeclared decides about the services that the kernel holds and the configuration does not name.
func (d *decider) wantUndeclared() {
	for key, have := range d.Observed {
		if d.Flush && !d.Desired.Incomplete || d.index.service(key) != nil {
			continue
		}
		owned, mine := d.Memory.Services[key]
		if !mine {
			d.plan.Foreign = append(d.plan.Foreign, key)
			d.plan.wanted.Table[key] = have
			continue
		}
		d.plan.Names[key] = owned.Name
		if d.Desired.Incomplete {
			d.plan.wanted.Table[key] = have
			continue
		}
		want := kernel.VirtualService{Service: have.Service}
		next := Owned{Name: owned.Name, Drain: owned.Drain}
		s := d.index.named(owned.Name) // where it is declared now
		waits := s != nil && d.givesUp(key, have, want) &&
			d.waits(key, s.Name, d.plan.standings[KeyOf(s)], owned.Drain, owned, &next)
		kept := 0
		for _, b := range have.Dests {
			if d.leave(key, b, waits && b.Weight > 0, owned.Drain, owned, &want, &next) {
				kept++
			}
		}
		if s != nil {
			d.countKept(KeyOf(s), kept)
		}
		if len(want.Dests) > 0 {
			d.plan.Leaving = append(d.plan.Leaving, key)
			d.want(key, want, owned, mine, next)
		}
	}
}

// keep wants a backend as it is that is not declared: not every source has been heard, and one of them may declare it, or it
// is still needed.
func keep(b kernel.RealServer, owned Owned, want *kernel.VirtualService, next *Owned) {
	want.Dests = append(want.Dests, b)
	if t, draining := owned.Draining[b.DestKey]; draining {
		if next.Draining == nil {
			next.Draining = map[kernel.DestKey]Drain{}
		}
		next.Draining[b.DestKey] = t
	}
}

// want records what a service should be, and what is to be remembered of it.
func (d *decider) want(key kernel.ServiceKey, want kernel.VirtualService, owned Owned, mine bool, next Owned) {
	if !slices.IsSortedFunc(want.Dests, compareDests) { // leaving ones were appended
		sortDests(want.Dests)
	}
	d.plan.wanted.Table[key] = want
	if !mine || !owned.equal(next) {
		d.plan.memory[key] = &next
	}
}

// leaveAlone says that a service, or a backend of it, is not written.
func (d *decider) leaveAlone(key kernel.ServiceKey, dest kernel.DestKey, reason string) {
	d.plan.LeftAlone = append(d.plan.LeftAlone, LeftAlone{key, dest, reason})
}

// keepUnknown wants those declared destinations as they are that an edit would reset in part.
func (d *decider) keepUnknown(key kernel.ServiceKey, have, want kernel.VirtualService) {
	for i := range have.Dests {
		b := &have.Dests[i]
		if b.Unknown == "" {
			continue
		}
		if j, ok := find(want.Dests, b.DestKey); ok {
			want.Dests[j].Dest = b.Dest
			d.leaveAlone(key, b.DestKey, b.Unknown)
		}
	}
}

// find returns where a destination stands in a list in canonical order.
func find(dests []kernel.RealServer, k kernel.DestKey) (int, bool) {
	return slices.BinarySearchFunc(dests, k, func(d kernel.RealServer, k kernel.DestKey) int { return d.Compare(k) })
}

// undeclared returns the observed destinations that are not wanted, in canonical order.
func undeclared(have, want []kernel.RealServer) []kernel.RealServer {
	var leaving []kernel.RealServer
	for i := range have {
		if _, ok := find(want, have[i].DestKey); !ok {
			leaving = append(leaving, have[i])
		}
	}
	sortDests(leaving)
	return leaving
}
