package reconcile

import (
	"fmt"
	"slices"
	"time"

	"github.com/gorb-io/gorb/pkg/kernel"
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

	index *index // of Desired; nil: made for this decision
}

// Decide makes the plan of a pass. It is a pure function: the same input gives the same plan.
func Decide(in Input) *Plan {
	if in.index == nil {
		in.index = newIndex(in.Desired)
	}
	d := decider{
		Input: in,
		plan: &Plan{
			Names:    map[kernel.ServiceKey]string{},
			Notes:    map[kernel.Op]string{},
			wanted:   Wanted{Table: make(kernel.Table, len(in.Observed))},
			observed: in.Observed,
			memory:   map[kernel.ServiceKey]*Owned{},
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
	arena []kernel.RealServer // room for the destinations of all declared services, so that it is allocated once
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
	want := d.declared(s)
	next := Owned{Name: s.Name, Drain: s.Drain}
	if have.Unknown != "" {
		d.leaveAlone(key, kernel.DestKey{}, have.Unknown)
		want.Service = have.Service
	}
	d.keepUnknown(key, have, want)
	leaving := undeclared(have.Dests, want.Dests)
	for _, b := range leaving {
		if d.Desired.Incomplete {
			keep(b, owned, &want, &next)
			continue
		}
		d.drain(key, b, s.Drain, owned, &want, &next)
	}
	if d.Desired.Incomplete {
		leaving = nil
	}
	if exists && !mine {
		d.plan.Adopted = append(d.plan.Adopted, Adopted{key, leaving})
	}
	d.want(key, want, owned, mine, next)
}

// declared returns a service as the configuration wants it. Its destinations come out of the arena as long as that
// lasts.
func (d *decider) declared(s *spec.Service) kernel.VirtualService {
	n, end := len(d.arena), len(d.arena)+len(s.Backends)
	if end > cap(d.arena) {
		return declared(s)
	}
	d.arena = d.arena[:end]
	return kernel.VirtualService{Service: declaredService(s), Dests: declaredDests(d.arena[n:n:end], s)}
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
		for _, b := range have.Dests {
			d.drain(key, b, owned.Drain, owned, &want, &next)
		}
		if len(want.Dests) > 0 {
			d.plan.Leaving = append(d.plan.Leaving, key)
			d.want(key, want, owned, mine, next)
		}
	}
}

// keep wants a backend as it is that is not declared, where not every source has been heard: one of them may declare it.
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
