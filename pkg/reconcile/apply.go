package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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
	Op  kernel.Op
	Err error // nil: done
}

// ErrHeld says that an operation was not tried, because one that had to come before it in its service failed.
var ErrHeld = errors.New("held back, because another operation of this service failed")

// apply does the steps, phase by phase. Where a service could not be given capacity, it holds back what gives up
// capacity there by declaration, and what cannot succeed any more; the other services go on. A service that is moved to
// another address is one service: names says what the old and the new identity are both called, and may be nil.
func apply(ctx context.Context, k Kernel, steps []step, names map[kernel.ServiceKey]string) []Result {
	called := func(key kernel.ServiceKey) string { return cmp.Or(names[key], key.String()) }
	results := make([]Result, 0, len(steps))
	failed := map[string]bool{}             // services that could not be given capacity
	missing := map[kernel.ServiceKey]bool{} // services that could not be added: nothing can be done in them
	for len(steps) > 0 {
		n := 1
		for n < len(steps) && steps[n].phase == steps[0].phase {
			n++
		}
		var batch []kernel.Op
		for _, s := range steps[:n] {
			if missing[s.op.Key] || failed[called(s.op.Key)] && s.phase.givesUp() {
				results = append(results, Result{s.op, ErrHeld})
				continue
			}
			batch = append(batch, s.op)
		}
		phase := steps[0].phase
		steps = steps[n:]
		if len(batch) == 0 {
			continue
		}
		for i, err := range k.Apply(ctx, batch) {
			op := batch[i]
			if gone(op, err) {
				err = nil
			}
			results = append(results, Result{op, err})
			if err != nil {
				failed[called(op.Key)] = failed[called(op.Key)] || phase.gives()
				missing[op.Key] = missing[op.Key] || phase == addServices
			}
		}
	}
	return results
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

// stale reports whether an error says that the table is not what was read: another wrote to it since, or the dump was
// torn, because a dump is no snapshot. Reading the service again tells.
func stale(op kernel.Op, err error) bool {
	switch op.Kind {
	case kernel.AddService:
		return errors.Is(err, syscall.EEXIST)
	case kernel.AddDest:
		return errors.Is(err, syscall.EEXIST) || errors.Is(err, syscall.ESRCH)
	case kernel.EditDest:
		return errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ESRCH)
	case kernel.EditService:
		return errors.Is(err, syscall.ESRCH)
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
