package reconcile

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/probe"
)

// Plan is what one pass would do, and what it would leave alone and why.
type Plan struct {
	Ops       []kernel.Op                  // on the table, in order; Steps has those on the host between them
	Notes     map[kernel.Op]string         // what an operator should know of an operation
	Draining  []Draining                   // backends that leave and still have time
	Leaving   []kernel.ServiceKey          // gorb's services that are no longer declared and have backends that drain, in order
	Adopted   []Adopted                    // services that somebody else made and the configuration names
	LeftAlone []LeftAlone                  // what the configuration or the memory names and gorb does not write
	Foreign   []kernel.ServiceKey          // services that are neither declared nor gorb's, in order
	Names     map[kernel.ServiceKey]string // what gorb's services are called
	Elsewhere []kernel.Address             // addresses of services that others put on other interfaces than the declared one
	Problems  []error                      // what is declared of the host and cannot be so here
	// LeftAtZero are the backends that are left at weight 0, because they may be down and nobody checks them, in order.
	LeftAtZero []Ref
	Waiting    []Waiting // where removals and lowerings wait for a backend that stays to come up, by service

	batches  []batch
	wanted   Wanted
	observed kernel.Table
	memory   map[kernel.ServiceKey]*Owned // what is to be remembered anew; nil: forgotten
	host     *HostMemory                  // what is to be remembered of the host; nil: as it was
	stays    map[kernel.ServiceKey]bool   // services that moved, and whose new address cannot come

	addressed bool // it is about addresses too

	standings map[kernel.ServiceKey]probe.Counts // of the declared services that it is about
	fresh     refSet                             // those that are new in the kernel and have not answered
	held      refSet                             // those that would leave and are kept
	wakes     map[kernel.ServiceKey]time.Time    // when a weight will be another though no check is answered
}

// wake notes that a service is to be looked at again.
func (p *Plan) wake(key kernel.ServiceKey, at time.Time) {
	if p.wakes == nil {
		p.wakes = map[kernel.ServiceKey]time.Time{}
	}
	if was, ok := p.wakes[key]; !ok || at.Before(was) {
		p.wakes[key] = at
	}
}

// batch is the operations of one phase: on the table or on the host.
type batch struct {
	phase phase
	ops   []kernel.Op
	host  []hostStep
}

// Step is one operation of a plan.
type Step struct {
	Op   kernel.Op      // on the table
	Host *kernel.HostOp // on the host: sysctls, timeouts, synchronisation, addresses; nil: Op is it
	Note string         // what an operator should know of it; ""
}

// String gives the arguments of ipvsadm(8) for an operation on the table, and the command for one on the host.
func (s Step) String() string {
	if s.Host != nil {
		return s.Host.String()
	}
	return s.Op.String()
}

// Steps yields all operations in the order in which they are carried out.
func (p *Plan) Steps() iter.Seq[Step] {
	return func(yield func(Step) bool) {
		for _, b := range p.batches {
			for _, op := range b.ops {
				if !yield(Step{Op: op, Note: p.Notes[op]}) {
					return
				}
			}
			for i := range b.host {
				if !yield(Step{Host: &b.host[i].op, Note: b.host[i].note}) {
					return
				}
			}
		}
	}
}

// HostOps returns the operations on the host, in order.
func (p *Plan) HostOps() []kernel.HostOp {
	var ops []kernel.HostOp
	for _, b := range p.batches {
		for _, s := range b.host {
			ops = append(ops, s.op)
		}
	}
	return ops
}

// stay keeps a service from giving up what it serves with.
func (p *Plan) stay(key kernel.ServiceKey) {
	if p.stays == nil {
		p.stays = map[kernel.ServiceKey]bool{}
	}
	p.stays[key] = true
}

// Empty reports whether there is nothing to do.
func (p *Plan) Empty() bool { return len(p.batches) == 0 }

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

// LeftAlone is a service, or a backend, that gorb would write and does not.
type LeftAlone struct {
	Key    kernel.ServiceKey
	Dest   kernel.DestKey // the zero value: the service itself
	Reason string
}

// Object says what is left alone.
func (l LeftAlone) Object() string {
	if l.Dest == (kernel.DestKey{}) {
		return l.Key.String()
	}
	return fmt.Sprintf("%s of %s", l.Dest, l.Key)
}

// finish puts a plan in order.
func (p *Plan) finish() {
	slices.SortFunc(p.Draining, func(a, b Draining) int { return compareRefs(a.Ref, b.Ref) })
	slices.SortFunc(p.LeftAtZero, compareRefs)
	slices.SortFunc(p.Waiting, func(a, b Waiting) int { return a.Key.Compare(b.Key) })
	sortKeys(p.Foreign)
	sortKeys(p.Leaving)
	slices.SortFunc(p.LeftAlone, func(a, b LeftAlone) int { return compareRefs(Ref{a.Key, a.Dest}, Ref{b.Key, b.Dest}) })
	slices.SortFunc(p.Adopted, func(a, b Adopted) int { return a.Key.Compare(b.Key) })
}

// amend takes what a later reading found of some services in place of what the plan says of them. The operations stay
// those of the first reading.
func (p *Plan) amend(later *Plan, scope map[kernel.ServiceKey]bool) {
	p.Draining = replace(p.Draining, later.Draining, func(d Draining) bool { return scope[d.Service] })
	p.Leaving = replace(p.Leaving, later.Leaving, func(k kernel.ServiceKey) bool { return scope[k] })
	p.Adopted = replace(p.Adopted, later.Adopted, func(a Adopted) bool { return scope[a.Key] })
	p.LeftAlone = replace(p.LeftAlone, later.LeftAlone, func(l LeftAlone) bool { return scope[l.Key] })
	p.Foreign = replace(p.Foreign, later.Foreign, func(k kernel.ServiceKey) bool { return scope[k] })
	p.LeftAtZero = replace(p.LeftAtZero, later.LeftAtZero, func(r Ref) bool { return scope[r.Service] })
	p.Waiting = replace(p.Waiting, later.Waiting, func(w Waiting) bool { return scope[w.Key] })
	maps.Copy(p.standings, later.standings)
	p.fresh = replaceKeys(p.fresh, later.fresh, scope)
	p.held = replaceKeys(p.held, later.held, scope)
	p.wakes = replaceKeys(p.wakes, later.wakes, scope)
	for key, name := range later.Names {
		p.Names[key] = name
	}
	p.finish()
}

// replace puts others in place of those elements that it is asked to.
func replace[T any](list, others []T, old func(T) bool) []T {
	return append(slices.DeleteFunc(list, old), others...)
}

// replaceKeys puts others in place of what is there of the services in scope; nil: of all.
func replaceKeys[M ~map[kernel.ServiceKey]V, V any](m, others M, scope map[kernel.ServiceKey]bool) M {
	if scope == nil || m == nil {
		return others
	}
	for key := range scope {
		delete(m, key)
	}
	maps.Copy(m, others)
	return m
}

// refSet is a set of destinations, by service: what a pass about some services says of them takes the place of what was.
type refSet map[kernel.ServiceKey]map[kernel.DestKey]bool

func (s refSet) has(r Ref) bool { return s[r.Service][r.Dest] }

func (s refSet) add(r Ref) {
	if s[r.Service] == nil {
		s[r.Service] = map[kernel.DestKey]bool{}
	}
	s[r.Service][r.Dest] = true
}
