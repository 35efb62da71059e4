package reconcile

import (
	"fmt"
	"slices"
	"time"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/spec"
)

// handshakeGrace is how long a backend without active connections is kept at weight 0 while it still has inactive ones,
// because a TCP connection counts as inactive until its handshake is done. It covers a lost SYN and its
// retransmission after 1 s (RFC 6298, section 2.1), and again after 2 s.
const handshakeGrace = 3 * time.Second

// Input is everything that a decision rests on.
type Input struct {
	Desired  *spec.Desired
	Memory   Memory
	Observed kernel.Table
	// Scope is the services that were observed and may be changed; nil is all. A service outside it is neither in
	// Observed nor decided about.
	Scope map[kernel.ServiceKey]bool
	// TunnelsKnown says that every tunnel backend in Observed is IP in IP, whoever made it: a table from a file says so.
	TunnelsKnown bool
	Now          time.Time
	// KeepDraining leaves it to whoever began a drain to end it: a backend that is remembered as draining stays, even when
	// it is empty or its time is over. It is for plans beside a daemon, which ends drains every second.
	KeepDraining bool
	// NoDrain deletes leaving backends at once, whatever their service says.
	NoDrain bool
	// Flush removes every service that is not declared, at once, whoever made it.
	Flush bool
}

// Plan is what one pass would do, and what it would leave alone and why.
type Plan struct {
	Ops       []kernel.Op                  // in order
	Notes     map[kernel.Op]string         // what an operator should know of an operation
	Draining  []Draining                   // backends that leave and still have time
	Leaving   []kernel.ServiceKey          // gorb's services that are no longer declared and have backends that drain, in order
	Adopted   []Adopted                    // services that somebody else made and the configuration names
	LeftAlone []LeftAlone                  // services that the configuration or the memory names and gorb does not write
	Foreign   []kernel.ServiceKey          // services that are neither declared nor gorb's, in order
	Names     map[kernel.ServiceKey]string // what gorb's services are called

	steps  []step
	wanted Wanted
	memory map[kernel.ServiceKey]*Owned // what is to be remembered anew; nil: forgotten
}

// Draining is a backend that is leaving.
type Draining struct {
	Ref
	Drain
	Conns kernel.Conns
	Begun bool // it is at weight 0 in the kernel already
}

// Adopted is a service that somebody else made and the configuration names: from now on it is gorb's.
type Adopted struct {
	Key     kernel.ServiceKey
	Removes []kernel.RealServer // its backends that are not declared, in canonical order: they drain away
}

// LeftAlone is a service that gorb would write and does not.
type LeftAlone struct {
	Key    kernel.ServiceKey
	Reason string
}

// Decide makes the plan of a pass. It is a pure function: the same input gives the same plan.
func Decide(in Input) *Plan {
	d := decider{
		Input: in,
		plan: &Plan{
			Names:  map[kernel.ServiceKey]string{},
			Notes:  map[kernel.Op]string{},
			wanted: Wanted{Table: make(kernel.Table, len(in.Observed))},
			memory: map[kernel.ServiceKey]*Owned{},
		},
		declared: make(map[kernel.ServiceKey]bool),
	}
	d.wantDeclared()
	d.wantUndeclared()
	p := d.plan
	p.steps = diff(p.wanted, in.Observed)
	for _, s := range p.steps {
		p.Ops = append(p.Ops, s.op)
		if s.op.Kind == kernel.EditService {
			if was := in.Observed[s.op.Key].Scheduler; was != s.op.Service.Scheduler {
				p.Notes[s.op] = fmt.Sprintf("scheduler %s to %s: connections opened in this instant may be refused",
					was, s.op.Service.Scheduler)
			}
		}
	}
	slices.SortFunc(p.Draining, func(a, b Draining) int { return compareRefs(a.Ref, b.Ref) })
	sortKeys(p.Foreign)
	sortKeys(p.Leaving)
	slices.SortFunc(p.LeftAlone, func(a, b LeftAlone) int { return a.Key.Compare(b.Key) })
	slices.SortFunc(p.Adopted, func(a, b Adopted) int { return a.Key.Compare(b.Key) })
	return p
}

// decider holds a decision while it is made.
type decider struct {
	Input
	plan     *Plan
	declared map[kernel.ServiceKey]bool
}

func (d *decider) inScope(k kernel.ServiceKey) bool { return d.Scope == nil || d.Scope[k] }

// wantDeclared decides about the services that the configuration names.
func (d *decider) wantDeclared() {
	for i := range d.Desired.Services {
		s := &d.Desired.Services[i]
		key := KeyOf(s)
		d.declared[key] = true
		if !d.inScope(key) {
			continue
		}
		d.plan.Names[key] = s.Name
		owned, mine := d.Memory[key]
		have, exists := d.Observed[key]
		if reason := d.untouchable(have, owned); reason != "" {
			d.leaveAlone(key, have, reason)
			continue
		}
		want := declared(s)
		next := Owned{Name: s.Name, Drain: s.Drain}
		leaving := undeclared(have.Dests, want.Dests)
		for _, b := range leaving {
			d.drain(key, b, s.Drain, owned, &want, &next)
		}
		if exists && !mine {
			d.plan.Adopted = append(d.plan.Adopted, Adopted{key, leaving})
		}
		d.want(key, want, owned, mine, next)
	}
}

// wantUndeclared decides about the services that the kernel holds and the configuration does not name.
func (d *decider) wantUndeclared() {
	for key, have := range d.Observed {
		if d.declared[key] || d.Flush {
			continue
		}
		owned, mine := d.Memory[key]
		if !mine {
			d.plan.Foreign = append(d.plan.Foreign, key)
			d.plan.wanted.Table[key] = have
			continue
		}
		d.plan.Names[key] = owned.Name
		if reason := d.untouchable(have, owned); reason != "" {
			d.leaveAlone(key, have, reason)
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

// want records what a service should be, and what is to be remembered of it.
func (d *decider) want(key kernel.ServiceKey, want kernel.VirtualService, owned Owned, mine bool, next Owned) {
	sortDests(want.Dests)
	for _, b := range want.Dests {
		if b.Forward == kernel.Tunnel {
			next.Tunnels = append(next.Tunnels, b.DestKey)
		}
	}
	d.plan.wanted.Table[key] = want
	if !mine || !owned.equal(next) {
		d.plan.memory[key] = &next
	}
}

// leaveAlone wants a service as it is.
func (d *decider) leaveAlone(key kernel.ServiceKey, have kernel.VirtualService, reason string) {
	d.plan.wanted.Table[key] = have
	d.plan.LeftAlone = append(d.plan.LeftAlone, LeftAlone{key, reason})
}

// untouchable says why gorb must not write to an observed service; "" is that it may.
func (d *decider) untouchable(have kernel.VirtualService, owned Owned) string {
	if have.Unknown != "" {
		return have.Unknown
	}
	if k, ok := owned.made(have); !ok && !d.TunnelsKnown {
		return fmt.Sprintf("its tunnel backend %s was made by somebody else, and gorb cannot yet tell which kind of tunnel it is", k)
	}
	return ""
}

// undeclared returns the observed destinations that are not wanted, in canonical order.
func undeclared(have, want []kernel.RealServer) []kernel.RealServer {
	declared := make(map[kernel.DestKey]bool, len(want))
	for _, b := range want {
		declared[b.DestKey] = true
	}
	var leaving []kernel.RealServer
	for _, b := range have {
		if !declared[b.DestKey] {
			leaving = append(leaving, b)
		}
	}
	sortDests(leaving)
	return leaving
}

// drain decides about a leaving backend: it is wanted at weight 0 while it has connections and time, and not at all
// after.
func (d *decider) drain(key kernel.ServiceKey, b kernel.RealServer, limit time.Duration, owned Owned,
	want *kernel.VirtualService, next *Owned,
) {
	if d.NoDrain || d.Flush || limit == 0 {
		return
	}
	t, begun := owned.Draining[b.DestKey]
	if !begun || b.Weight > 0 || t.Since.After(d.Now) {
		// Its time begins when it goes to weight 0, and anew when somebody raised it again or the clock went back.
		t.Since = d.Now
	}
	t.Until = t.Since.Add(limit)
	if b.Weight == 0 && t.over(key.Protocol, b.Conns, d.Now) && !(begun && d.KeepDraining) {
		return
	}
	d.plan.Draining = append(d.plan.Draining, Draining{
		Ref: Ref{key, b.DestKey}, Drain: t, Conns: b.Conns, Begun: b.Weight == 0,
	})
	b.Weight = 0
	want.Dests = append(want.Dests, b)
	if next.Draining == nil {
		next.Draining = map[kernel.DestKey]Drain{}
	}
	next.Draining[b.DestKey] = t
}

// over reports whether a backend at weight 0 may be deleted.
func (t Drain) over(p kernel.Protocol, c kernel.Conns, now time.Time) bool {
	switch {
	case !now.Before(t.Until):
		return true
	case c.Active > 0:
		return false
	case c.Inactive == 0:
		return true
	}
	counted := p == kernel.TCP || p == kernel.SCTP // the kernel tells active connections from inactive ones
	return counted && now.Sub(t.Since) >= handshakeGrace
}
