package reconcile

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"time"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/probe"
	"github.com/gorb-io/gorb/pkg/spec"
)

// maxRounds is how often a pass reads again what turned out to be stale before it leaves the rest to the next pass.
const maxRounds = 3

// Keeper makes passes over one table, and over what surrounds it. It belongs to one goroutine.
type Keeper struct {
	kernel Kernel
	host   Host // nil: what surrounds the table is left alone
	store  *Store
	memory Memory
	now    func() time.Time

	index    *index                     // of the newest configuration
	draining map[kernel.ServiceKey]bool // the services in memory that have leaving backends
	waiting  map[kernel.ServiceKey]bool // those in which something was held back
	checked  *checked                   // nil: nobody checks
	writes   *writes
	others   map[netip.Addr]bool // the addresses of services that somebody else put on this host, as last read
}

// NewKeeper returns the keeper of a table, with what its store remembers. Without a host, nil, what surrounds the table
// is left alone.
func NewKeeper(k Kernel, h Host, s *Store, m Memory) *Keeper {
	keeper := &Keeper{
		kernel: k, host: h, store: s, now: time.Now,
		memory:   Memory{Services: make(map[kernel.ServiceKey]Owned, len(m.Services)), Host: m.Host.clone()},
		draining: map[kernel.ServiceKey]bool{},
		waiting:  map[kernel.ServiceKey]bool{},
		writes:   newWrites(),
	}
	for key, o := range m.Services {
		keeper.own(key, o)
	}
	return keeper
}

// Check has the backends checked, and their weights follow that. Note is called with each service whose backends are in
// another number up or down than before; none at all: it is not declared any more. Check comes before the first pass.
func (k *Keeper) Check(c Checks, w Watches, note func(service string, c probe.Counts)) {
	k.checked = newChecked(c, w, note)
}

// Options say how a pass differs from the ordinary one.
type Options struct {
	Scope     map[kernel.ServiceKey]bool // nil: everything; see Input
	Addresses bool                       // with a Scope: the virtual addresses of all services too
	NoDrain   bool
	Flush     bool
	Raise     bool // see Input
}

// Report is what a pass did.
type Report struct {
	Plan    *Plan    // of its first reading, with what later ones found otherwise
	Results []Result // in order, of all its readings
	Errs    []error  // what failed: operations, and what had to come before them
	Read    time.Duration
	Write   time.Duration

	ofTable int                        // those of Errs that are about the table
	scope   map[kernel.ServiceKey]bool // what it was about in the end; nil: everything
}

// failed adds an error about the table.
func (r *Report) failed(err error) {
	r.Errs = append(r.Errs, err)
	r.ofTable++
}

// Failures returns the operations that were tried or held back and are not done.
func (r *Report) Failures() []Result {
	var failed []Result
	for _, res := range r.Results {
		if res.Err != nil {
			failed = append(failed, res)
		}
	}
	return failed
}

// Pass makes the table what is desired, and what surrounds it, as far as one pass can: backends may be left draining
// (Report.Plan.Draining), and the next pass tries again what failed. The error is that the table could not be read.
func (k *Keeper) Pass(ctx context.Context, desired *spec.Desired, o Options) (*Report, error) {
	r := &Report{}
	if err := k.store.Mend(k.memory); err != nil {
		r.failed(err)
	}
	in := Input{Desired: desired, NoDrain: o.NoDrain, Flush: o.Flush, Raise: o.Raise, index: k.indexOf(desired)}
	if k.checked != nil {
		k.checked.declare(in.index, k.now())
		in.Overlay = &k.checked.overlay
	}
	o.Scope = k.together(in.index, o.Scope, false)
	query, widen := k.query(in.index, o), o.Addresses
	o.Scope = k.together(in.index, o.Scope, query.Addresses)
	in.Scope = o.Scope
	maps.DeleteFunc(k.waiting, func(key kernel.ServiceKey, _ bool) bool { return o.Scope == nil || o.Scope[key] })
	for round := 1; ; round++ {
		if err := k.observeHost(ctx, r, &in, query, widen); err != nil {
			r.Errs = append(r.Errs, err)
		}
		r.about(in.Scope, round == 1)
		var err error
		if in.Observed, err = k.observe(ctx, r, in.Scope); err != nil {
			if k.checked != nil {
				k.checked.set(nil)
			}
			return r, err
		}
		in.Memory, in.Now = k.memory, k.now()
		plan := Decide(in)
		if k.checked != nil {
			k.checked.follow(plan, in.Scope)
		}
		if round == 1 {
			r.Plan = plan
			r.Errs = append(r.Errs, plan.Problems...)
		}
		next := k.act(ctx, r, plan, round == maxRounds)
		if round > 1 {
			r.Plan.amend(plan, in.Scope)
		}
		if len(next.services) == 0 && !next.ofHost() {
			break
		}
		in.Scope, query, widen = k.together(in.index, next.services, next.query.Addresses), next.query, true
	}
	k.forget(ctx, r, in.index, o.Scope)
	return r, nil
}

// indexOf returns the index of a configuration, made when a pass is first about it.
func (k *Keeper) indexOf(d *spec.Desired) *index {
	if k.index == nil || k.index.Desired != d {
		k.index = newIndex(d, k.index)
	}
	return k.index
}

// together returns a scope with what has to be decided about at once: with a service that leaves, the one of its name that
// is declared elsewhere by now; and, where addresses are decided about, the services that leave gorb's. What a service
// gives up waits for what comes in its place.
func (k *Keeper) together(x *index, scope map[kernel.ServiceKey]bool, addresses bool) map[kernel.ServiceKey]bool {
	if scope == nil {
		return nil
	}
	all := cloned(scope)
	if addresses && len(k.memory.Host.Addresses) > 0 {
		for key := range k.memory.Services {
			if key.Mark == 0 && x.service(key) == nil {
				all[key] = true
			}
		}
	}
	for key := range all {
		if o, mine := k.memory.Services[key]; mine && x.service(key) == nil {
			if s := x.named(o.Name); s != nil {
				all[KeyOf(s)] = true
			}
		}
	}
	return all
}

// act remembers and applies a plan. It returns what turned out to be other than it was read, unless this is the last
// round, when it counts as failed.
func (k *Keeper) act(ctx context.Context, r *Report, plan *Plan, last bool) *stales {
	before := k.memory.Host
	var not barred
	fresh, err := k.remember(plan.memory, plan.host)
	if err != nil {
		r.failed(err)
		not = k.bar(plan, err)
	}
	start := time.Now()
	results := apply(ctx, k.kernel, k.host, plan, not)
	r.Write += time.Since(start)
	k.writes.note(results)

	next := &stales{services: map[kernel.ServiceKey]bool{}}
	if !last {
		next.find(plan, results)
	}
	if err := k.settle(plan, results, fresh, before); err != nil {
		r.failed(err)
	}
	k.await(results)
	for _, res := range results {
		if next.includes(res) {
			continue
		}
		r.Results = append(r.Results, res)
		switch {
		case res.Err == nil || errors.Is(res.Err, ErrHeld):
		case res.Host != nil:
			r.Errs = append(r.Errs, res.Err)
		default:
			r.failed(res.Err)
		}
	}
	return next
}

// await notes in which services something was held back.
func (k *Keeper) await(results []Result) {
	held := map[netip.Addr]bool{}
	for _, res := range results {
		switch {
		case !errors.Is(res.Err, ErrHeld):
		case res.Host == nil:
			k.waiting[res.Op.Key] = true
		case res.Host.Kind == kernel.DeleteAddress:
			held[res.Host.Address.Addr] = true
		}
	}
	for key := range k.draining {
		if held[key.Addr.Addr()] {
			k.waiting[key] = true
		}
	}
}

// drains returns the services that have leaving backends to look at. Where something was held back, what it waits for may
// be another service, or on the host: only a pass over everything is about that as well.
func (k *Keeper) drains() map[kernel.ServiceKey]bool {
	scope := maps.Clone(k.draining)
	maps.DeleteFunc(scope, func(key kernel.ServiceKey, _ bool) bool { return k.waiting[key] })
	return scope
}
