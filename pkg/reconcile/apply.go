package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"

	"github.com/gorb-io/gorb/pkg/kernel"
)

// Kernel is what reconciling needs of an IPVS table: kernel.Client and kernel.Fake have it.
type Kernel interface {
	// Observe reads the services with the given keys, those that exist; without keys the whole table.
	Observe(ctx context.Context, keys ...kernel.ServiceKey) (kernel.Table, error)
	// Apply does the operations in order and goes on past failures; it returns one error, or nil, for each.
	Apply(ctx context.Context, ops []kernel.Op) []error
}

// Result is what became of an operation.
type Result struct {
	Op   kernel.Op
	Host *kernel.HostOp // not nil: it was on the host, and Op is zero
	Err  error          // nil: done
}

// String gives the operation as Step.String does.
func (r Result) String() string { return Step{Op: r.Op, Host: r.Host}.String() }

// ErrHeld says that an operation was not tried, because one that had to come before it in its service failed.
var ErrHeld = errors.New("held back, because another operation of this service failed")

// errHeldHost says so of an operation on the host.
var errHeldHost = fmt.Errorf("%w, or one that it needs on the host", ErrHeld)

// applier carries out a plan, batch by batch: each phase is one call, because what a later phase does may depend on
// what became of an earlier one. Where a service could not be given capacity, it holds back what gives up capacity
// there by declaration, and what cannot succeed any more; the other services go on. What fails on the host holds
// nothing back in the table, but for a service whose new address could not be put there: it stays at the old one.
type applier struct {
	kernel Kernel
	host   Host
	plan   *Plan

	barred   barred
	results  []Result
	failed   map[string]bool            // services that could not be given capacity, by what they are called
	missing  map[kernel.ServiceKey]bool // services that could not be added: nothing can be done in them
	lacking  map[Ref]bool               // backends that could not be added or raised
	hostDown map[kernel.HostOp]bool     // what failed on the host, or was held back there
	stays    map[kernel.ServiceKey]bool // services that moved, and whose new address could not be put on an interface
}

// barred is what must not be done because it could not be remembered. It counts as failed. The zero value bars nothing.
type barred struct {
	services map[kernel.ServiceKey]bool
	host     map[kernel.HostOp]bool
	why      error // what it failed with; nil where nothing is barred
}

// apply carries out a plan, but for what is barred, and returns what became of each operation, in order.
func apply(ctx context.Context, k Kernel, h Host, plan *Plan, not barred) []Result {
	a := applier{
		kernel: k, host: h, plan: plan, barred: not,
		results:  make([]Result, 0, len(plan.Ops)),
		failed:   map[string]bool{},
		missing:  map[kernel.ServiceKey]bool{},
		lacking:  map[Ref]bool{},
		hostDown: map[kernel.HostOp]bool{},
		stays:    cloned(plan.stays),
	}
	for _, b := range plan.batches {
		if len(b.host) > 0 {
			a.applyHost(ctx, b.host)
		} else {
			a.applyTable(ctx, b)
		}
	}
	return a.results
}

// called returns what a service is called. One that is moved to another address is one service: the old identity and
// the new have one name.
func (p *Plan) called(key kernel.ServiceKey) string {
	if name := p.Names[key]; name != "" {
		return name
	}
	return key.String()
}

// applyTable does the operations of a phase on the table.
func (a *applier) applyTable(ctx context.Context, b batch) {
	ops := b.ops
	if len(a.failed)+len(a.missing)+len(a.stays)+len(a.barred.services) > 0 {
		ops = slices.DeleteFunc(slices.Clone(ops), func(op kernel.Op) bool {
			err := a.hold(b.phase, op)
			if err != nil {
				a.result(b.phase, op, err)
			}
			return err != nil
		})
	}
	if len(ops) == 0 {
		return
	}
	for i, err := range a.kernel.Apply(ctx, ops) {
		if gone(ops[i], err) {
			err = nil
		}
		a.result(b.phase, ops[i], err)
	}
}

// hold says why an operation is not tried; nil where it is.
func (a *applier) hold(p phase, op kernel.Op) error {
	switch {
	case a.barred.services[op.Key] && p != takeDown: // which makes nothing
		return a.barred.why
	case a.missing[op.Key], p.givesUp() && (a.failed[a.plan.called(op.Key)] || a.stays[op.Key]):
		return ErrHeld
	}
	return nil
}

// result notes what became of an operation.
func (a *applier) result(p phase, op kernel.Op, err error) {
	a.results = append(a.results, Result{Op: op, Err: err})
	if err == nil {
		return
	}
	if p.gives() {
		a.failed[a.plan.called(op.Key)] = true
		a.lacking[Ref{op.Key, op.DestKey}] = true
	}
	if p == addServices {
		a.missing[op.Key] = true
	}
}

// gone reports whether an error says that what was to be deleted is not there, which is what was wanted.
func gone(op kernel.Op, err error) bool {
	switch op.Kind {
	case kernel.DeleteService, kernel.DeleteDest:
		return errors.Is(err, syscall.ESRCH) || errors.Is(err, syscall.ENOENT)
	default:
		return false
	}
}

// maxJoined is how many failures a joined error names before it only counts.
const maxJoined = 10

// Join makes one error of many, naming the first ten and counting the rest. It returns nil for none.
func Join(errs []error) error {
	if len(errs) <= maxJoined {
		return errors.Join(errs...)
	}
	return errors.Join(append(errs[:maxJoined:maxJoined], fmt.Errorf("and %d more", len(errs)-maxJoined))...)
}
