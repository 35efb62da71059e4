package reconcile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/spec"
)

// maxRounds is how often a pass reads again what turned out to be stale before it leaves the rest to the next pass.
const maxRounds = 3

// Keeper makes passes over one table. It belongs to one goroutine.
type Keeper struct {
	kernel Kernel
	store  *Store
	memory Memory
	now    func() time.Time
}

// NewKeeper returns the keeper of a table, with what its store remembers.
func NewKeeper(k Kernel, s *Store, m Memory) *Keeper {
	return &Keeper{kernel: k, store: s, memory: m, now: time.Now}
}

// Options say how a pass differs from the ordinary one.
type Options struct {
	Scope   map[kernel.ServiceKey]bool // nil: everything; see Input
	NoDrain bool
	Flush   bool
}

// Report is what a pass did.
type Report struct {
	Plan    *Plan    // of its first reading
	Results []Result // in order, of all its readings
	Errs    []error  // what failed: operations, and what had to come before them
	Read    time.Duration
	Write   time.Duration
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

// Pass makes the table what is desired, as far as one pass can: backends may be left draining (Report.Plan.Draining), and
// the next pass tries again what failed. The error is that nothing could be read.
func (k *Keeper) Pass(ctx context.Context, desired *spec.Desired, o Options) (*Report, error) {
	r := &Report{}
	scope := o.Scope
	for round := 1; ; round++ {
		observed, err := k.observe(ctx, r, scope)
		if err != nil {
			return r, err
		}
		plan := Decide(Input{
			Desired: desired, Memory: k.memory, Observed: observed, Scope: scope,
			Now: k.now(), NoDrain: o.NoDrain, Flush: o.Flush,
		})
		if r.Plan == nil {
			r.Plan = plan
		}
		scope = k.act(ctx, r, plan, round == maxRounds)
		if len(scope) == 0 {
			break
		}
	}
	k.forget(ctx, r, desired, o.Scope)
	return r, nil
}

// observe reads the services in scope.
func (k *Keeper) observe(ctx context.Context, r *Report, scope map[kernel.ServiceKey]bool) (kernel.Table, error) {
	start := time.Now()
	defer func() { r.Read += time.Since(start) }()
	if scope == nil {
		return k.kernel.Observe(ctx)
	}
	if len(scope) == 0 {
		return kernel.Table{}, nil
	}
	keys := make([]kernel.ServiceKey, 0, len(scope))
	for key := range scope {
		keys = append(keys, key)
	}
	return k.kernel.Observe(ctx, sortKeys(keys)...)
}

// act remembers and applies a plan. It returns the services that turned out to be other than they were read, unless this
// is the last round, when they count as failed.
func (k *Keeper) act(ctx context.Context, r *Report, plan *Plan, last bool) map[kernel.ServiceKey]bool {
	steps, before := plan.steps, k.memory
	if err := k.remember(plan); err != nil {
		// What is not remembered must not be made. The services that gorb already knows for its own go on.
		r.Errs = append(r.Errs, err)
		steps = slices.DeleteFunc(slices.Clone(steps), func(s step) bool {
			_, mine := k.memory[s.op.Key]
			return !mine && plan.memory[s.op.Key] != nil
		})
	}
	start := time.Now()
	results := apply(ctx, k.kernel, steps, plan.Names)
	r.Write += time.Since(start)

	again := map[kernel.ServiceKey]bool{}
	if !last {
		for _, res := range results {
			if res.Err != nil && stale(res.Op, res.Err) {
				again[res.Op.Key] = true
			}
		}
	}
	if err := k.restore(before, again, results); err != nil {
		r.Errs = append(r.Errs, err)
	}
	for _, res := range results {
		if res.Err != nil && again[res.Op.Key] {
			continue // it is decided anew
		}
		r.Results = append(r.Results, res)
		if res.Err != nil && !errors.Is(res.Err, ErrHeld) {
			r.Errs = append(r.Errs, res.Err)
		}
	}
	return again
}

// remember makes durable what a plan wants remembered. After an error only what is gorb's already is remembered anew, in
// the process alone, so that a full disk does not make a drain begin again with every pass.
func (k *Keeper) remember(plan *Plan) error {
	if len(plan.memory) == 0 {
		return nil
	}
	next := k.memory.with(plan.memory)
	err := k.store.Save(next)
	if err != nil {
		maps.DeleteFunc(next, func(key kernel.ServiceKey, _ Owned) bool {
			_, mine := k.memory[key]
			return !mine
		})
		err = fmt.Errorf("remember what is gorb's: %w", err)
	}
	k.memory = next
	return err
}

// restore takes back what was remembered of services whose reading was stale and that gorb did not make after all: a
// service, or a tunnel, that somebody else has made meanwhile. What was done stays remembered.
func (k *Keeper) restore(before Memory, services map[kernel.ServiceKey]bool, results []Result) error {
	created := map[kernel.ServiceKey]bool{}
	written := map[Ref]bool{}
	for _, res := range results {
		if res.Err == nil {
			created[res.Op.Key] = created[res.Op.Key] || res.Op.Kind == kernel.AddService
			written[Ref{res.Op.Key, res.Op.DestKey}] = true
		}
	}
	changes := map[kernel.ServiceKey]*Owned{}
	for key := range services {
		was, mine := before[key]
		if !mine && !created[key] {
			changes[key] = nil
			continue
		}
		o := k.memory[key]
		o.Tunnels = slices.DeleteFunc(slices.Clone(o.Tunnels), func(d kernel.DestKey) bool {
			return !slices.Contains(was.Tunnels, d) && !written[Ref{key, d}]
		})
		changes[key] = &o
	}
	return k.remember(&Plan{memory: changes})
}

// forget drops the services from memory that are neither declared nor there any more. A dump may have missed them, so
// each is asked for by name first.
func (k *Keeper) forget(ctx context.Context, r *Report, desired *spec.Desired, scope map[kernel.ServiceKey]bool) {
	suspects := map[kernel.ServiceKey]bool{}
	for key := range k.memory {
		if scope == nil || scope[key] {
			suspects[key] = true
		}
	}
	for i := range desired.Services {
		delete(suspects, KeyOf(&desired.Services[i]))
	}
	for key := range r.Plan.wanted.Table {
		delete(suspects, key)
	}
	if len(suspects) == 0 {
		return
	}
	there, err := k.observe(ctx, r, suspects)
	if err != nil {
		return // the next pass tries again
	}
	changes := map[kernel.ServiceKey]*Owned{}
	for key := range suspects {
		if _, ok := there[key]; !ok {
			changes[key] = nil
		}
	}
	if err := k.remember(&Plan{memory: changes}); err != nil {
		r.Errs = append(r.Errs, err)
	}
}
