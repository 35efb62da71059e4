package reconcile

import (
	"context"
	"errors"
	"slices"
	"syscall"

	"github.com/gorb-io/gorb/pkg/kernel"
)

// applyHost does the operations of a phase on the host.
func (a *applier) applyHost(ctx context.Context, steps []hostStep) {
	var ops []kernel.HostOp
	var tried []*hostStep
	for i := range steps {
		switch s := &steps[i]; {
		case a.barred.host[s.op]:
			a.hostResult(s, a.barred.why)
		case a.held(s):
			a.hostResult(s, errHeldHost)
		default:
			ops, tried = append(ops, s.op), append(tried, s)
		}
	}
	if len(ops) == 0 {
		return
	}
	for i, err := range a.host.Apply(ctx, ops) {
		if ops[i].Kind == kernel.StopSync && errors.Is(err, syscall.ESRCH) {
			err = nil // it does not run, which is what was wanted
		}
		a.hostResult(tried[i], err)
	}
}

func (a *applier) hostResult(s *hostStep, err error) {
	a.results = append(a.results, Result{Host: &s.op, Err: err})
	if err == nil {
		return
	}
	a.hostDown[s.op] = true
	for _, key := range s.instead {
		a.stays[key] = true
	}
}

// held reports whether an operation on the host must wait, because what has to come before it failed, or what it makes
// way for cannot come.
func (a *applier) held(s *hostStep) bool {
	if a.barred.host[s.before] || slices.ContainsFunc(s.after, func(op kernel.HostOp) bool { return a.hostDown[op] }) {
		return true
	}
	switch s.op.Kind {
	case kernel.AddAddress:
		return !slices.ContainsFunc(s.services, func(key kernel.ServiceKey) bool {
			return a.serves(key) || s.back && !a.missing[key]
		})
	case kernel.DeleteAddress:
		return slices.ContainsFunc(s.services, func(key kernel.ServiceKey) bool { return a.failed[a.plan.called(key)] })
	default:
		return false
	}
}

// serves reports whether a service takes new connections between raising and lowering: with what it had, or with what
// it was to get and did.
func (a *applier) serves(key kernel.ServiceKey) bool {
	if a.missing[key] {
		return false
	}
	for _, d := range a.plan.observed[key].Dests {
		if d.Weight > 0 && !a.plan.wanted.Down[Ref{key, d.DestKey}] {
			return true
		}
	}
	for _, d := range a.plan.wanted.Table[key].Dests {
		if d.Weight > 0 && !a.lacking[Ref{key, d.DestKey}] {
			return true
		}
	}
	return false
}

// makes reports whether an operation makes what is then gorb's.
func makes(op kernel.HostOp) bool {
	return op.Kind == kernel.AddAddress || op.Kind == kernel.AddLink || op.Kind == kernel.StartSync
}
