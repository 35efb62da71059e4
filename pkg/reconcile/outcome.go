package reconcile

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/gorb-io/gorb/pkg/kernel"
)

// record is what the newest pass over a service left undone.
type record struct {
	name     string
	errs     []error
	held     []string
	waiting  *Waiting
	draining int
}

// records are those of all services in which something was left undone.
type records struct {
	of    map[kernel.ServiceKey]*record
	named map[string][]kernel.ServiceKey // one that moves has two
}

// replace puts what a pass says in place of what was known of the services in scope; nil: of all. It returns the names of
// those in which something failed before, or does now.
func (s *records) replace(fresh map[kernel.ServiceKey]*record, scope map[kernel.ServiceKey]bool) (failed []string) {
	if scope == nil {
		for _, rec := range s.of {
			failed = rec.failed(failed)
		}
		clear(s.of)
		clear(s.named)
	}
	if len(s.of) > 0 {
		for key := range scope {
			failed = s.drop(key).failed(failed)
		}
	}
	for key, rec := range fresh {
		failed = rec.failed(s.drop(key).failed(failed))
		s.of[key] = rec
		s.named[rec.name] = append(s.named[rec.name], key)
	}
	return failed
}

// drop forgets what was known at a key, and returns it; nil: nothing.
func (s *records) drop(key kernel.ServiceKey) *record {
	rec := s.of[key]
	if rec == nil {
		return nil
	}
	delete(s.of, key)
	keys := slices.DeleteFunc(s.named[rec.name], func(k kernel.ServiceKey) bool { return k == key })
	if s.named[rec.name] = keys; len(keys) == 0 {
		delete(s.named, rec.name)
	}
	return rec
}

// failed adds the name of a service to some, if something failed in it.
func (r *record) failed(names []string) []string {
	if r == nil || len(r.errs) == 0 {
		return names
	}
	return append(names, r.name)
}

// errs are what failed in a service.
func (s *records) errs(name string) []error {
	var errs []error
	for _, key := range s.named[name] {
		errs = append(errs, s.of[key].errs...)
	}
	return errs
}

// add adds what is known of services to an outcome; none: of all.
func (s *records) add(o *Outcome, services []string) {
	if len(services) == 0 {
		services = slices.Sorted(maps.Keys(s.named))
	}
	for _, name := range services {
		for _, key := range s.named[name] {
			rec := s.of[key]
			o.Errs, o.Held = append(o.Errs, rec.errs...), append(o.Held, rec.held...)
			o.Draining += rec.draining
			if rec.waiting != nil {
				o.Waiting = append(o.Waiting, *rec.waiting)
			}
		}
	}
}

// about notes what a reading is about.
func (r *Report) about(scope map[kernel.ServiceKey]bool, first bool) {
	if first && scope != nil {
		r.scope = cloned(scope)
	} else if r.scope != nil {
		maps.Copy(r.scope, scope)
	}
}

// newRecords returns what a pass left undone.
func newRecords(r *Report) map[kernel.ServiceKey]*record {
	fresh := map[kernel.ServiceKey]*record{}
	of := func(key kernel.ServiceKey) *record {
		if fresh[key] == nil {
			fresh[key] = &record{name: r.Plan.called(key)}
		}
		return fresh[key]
	}
	at := addressed{plan: r.Plan}
	for i := range r.Results {
		res := &r.Results[i]
		if res.Err == nil {
			continue
		}
		for _, key := range at.keys(res) {
			if rec := of(key); errors.Is(res.Err, ErrHeld) {
				rec.held = append(rec.held, fmt.Sprintf("%s: %v", res, res.Err))
			} else {
				rec.errs = append(rec.errs, res.Err)
			}
		}
	}
	for _, l := range r.Plan.LeftAlone {
		rec := of(l.Key)
		rec.held = append(rec.held, fmt.Sprintf("%s is left alone: %s", l.Object(), l.Reason))
	}
	for _, z := range r.Plan.LeftAtZero {
		rec := of(z.Service)
		rec.held = append(rec.held, fmt.Sprintf("%s of %s is left at weight 0: nobody checks it", z.Dest, z.Service))
	}
	for i := range r.Plan.Waiting {
		w := r.Plan.Waiting[i]
		of(w.Key).waiting = &w
	}
	for i := range r.Plan.Draining {
		of(r.Plan.Draining[i].Service).draining++
	}
	return fresh
}

// addressed finds the services that operations are about.
type addressed struct {
	plan *Plan
	at   map[netip.Addr][]kernel.ServiceKey // nil: not needed yet
}

// keys returns the services that an operation is about: for an address, those at it.
func (a *addressed) keys(r *Result) []kernel.ServiceKey {
	switch {
	case r.Host == nil:
		return []kernel.ServiceKey{r.Op.Key}
	case r.Host.Kind != kernel.AddAddress && r.Host.Kind != kernel.DeleteAddress:
		return nil
	}
	if a.at == nil {
		a.at = map[netip.Addr][]kernel.ServiceKey{}
		for key := range a.plan.Names {
			if key.Mark == 0 {
				a.at[key.Addr.Addr()] = append(a.at[key.Addr.Addr()], key)
			}
		}
	}
	return a.at[r.Host.Address.Addr]
}

// mostDone is how many operations are remembered. Who awaits a serial asks when it was just followed.
const mostDone = 4096

// doneOps are the operations that were done last.
type doneOps struct {
	list []doneOp // a ring, once it is full
	next int      // where the next goes then
	lost uint64   // the serial of the newest that is forgotten
}

type doneOp struct {
	serial uint64
	name   string // of the service; "": of none
	step   Step
}

// add adds those of a pass.
func (d *doneOps) add(serial uint64, r *Report) {
	done := 0
	for i := range r.Results {
		if r.Results[i].Err == nil {
			done++
		}
	}
	if done > mostDone {
		d.lost = serial
	}
	at := addressed{plan: r.Plan}
	for i := range r.Results {
		res := &r.Results[i]
		if res.Err != nil {
			continue
		}
		if done--; done >= mostDone {
			continue
		}
		if res.Host == nil {
			d.put(doneOp{serial, r.Plan.called(res.Op.Key), Step{Op: res.Op}})
			continue
		}
		op := *res.Host // res has it among all that the plan has
		keys := at.keys(res)
		for _, key := range keys {
			d.put(doneOp{serial, r.Plan.called(key), Step{Host: &op}})
		}
		if len(keys) == 0 {
			d.put(doneOp{serial, "", Step{Host: &op}})
		}
	}
}

func (d *doneOps) put(op doneOp) {
	if len(d.list) < mostDone {
		d.list = append(d.list, op)
		return
	}
	d.lost = max(d.lost, d.list[d.next].serial)
	d.list[d.next] = op
	d.next = (d.next + 1) % mostDone
}

// since returns what was done for services, none: for all, from a serial on, and whether some of it may be forgotten.
func (d *doneOps) since(serial uint64, services []string) (steps []Step, cut bool) {
	wanted := make(map[string]bool, len(services))
	for _, name := range services {
		wanted[name] = true
	}
	var last *kernel.HostOp
	for i := range d.list {
		op := &d.list[(d.next-1-i+2*len(d.list))%len(d.list)] // the newest first
		if op.serial < serial {
			break
		}
		if len(services) > 0 && !wanted[op.name] || op.step.Host != nil && op.step.Host == last {
			continue // an address of several of them counts once
		}
		last = op.step.Host
		steps = append(steps, op.step)
	}
	slices.Reverse(steps)
	return steps, d.lost > 0 && d.lost >= serial
}
