package reconcile

import (
	"context"

	"github.com/gorb-io/gorb/pkg/spec"
)

// question asks what a pass would do.
type question struct {
	ctx     context.Context
	desired *spec.Desired
	flush   bool
	answer  chan planned // of capacity one
}

type planned struct {
	plan *Plan
	err  error
}

// Plan returns what a pass over everything would do if this were the configuration, and with flush what the first pass
// of a reconciler that has it would. The table is read for it, between two passes, and nothing is changed. It waits for
// Run, and may be called from anywhere.
func (r *Reconciler) Plan(ctx context.Context, desired *spec.Desired, flush bool) (*Plan, error) {
	q := question{ctx: ctx, desired: desired, flush: flush, answer: make(chan planned, 1)}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r.questions <- q:
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case a := <-q.answer:
		return a.plan, a.err
	}
}

// answer makes the plan that is asked for. What drains is left to the passes, as in every plan that is only looked at.
func (k *Keeper) answer(q question) planned {
	in := Input{Desired: q.desired, Memory: k.memory, Now: k.now(), KeepDraining: true, Flush: q.flush}
	if k.host != nil {
		state, err := k.host.Observe(q.ctx, HostQuery(q.desired, k.memory))
		if err != nil {
			return planned{err: err}
		}
		in.Host = &state
	}
	var err error
	if in.Observed, err = k.kernel.Observe(q.ctx); err != nil {
		return planned{err: err}
	}
	if k.checked != nil {
		in.index = newIndex(q.desired, k.index)
		in.Overlay = k.checked.under(in.index, in.Now)
	}
	return planned{plan: Decide(in)}
}
