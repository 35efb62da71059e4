package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/gorb-io/gorb/pkg/httpapi"
	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/reconcile"
)

// reorder takes backends out and puts them back, and sees to it that each that it took out is back.
func (r *reorderer) reorder(ctx context.Context, before kernel.VirtualService) error {
	failed, ours := r.move(ctx, reconcile.Reorder(r.key, before))
	missing, err := r.missing(ctx, ours)
	if err == nil && len(missing) > 0 {
		failed = append(failed, r.apply(ctx, missing)...)
		missing, err = r.missing(ctx, ours)
	}
	r.missed = missing
	switch {
	case errors.Is(err, errGone):
		return err // and with it all that failed
	case err != nil && len(ours) > 0:
		r.missed = ours
		failed = append(failed, fmt.Errorf("%w\nput back by hand what is missing:%s", err, byHand(ours)))
	case err != nil:
		failed = append(failed, err)
	case len(missing) > 0:
		failed = append(failed, fmt.Errorf("%s of %s could not be put back; do it by hand:%s",
			plural(len(missing), "backend"), titled(r.key, r.name), byHand(missing)))
	case reconcile.OrderDrift(*r.after):
		failed = append(failed, fmt.Errorf("%s is still not in canonical order; gorb reorder may be tried again",
			titled(r.key, r.name)))
	default:
		fmt.Fprintf(r.say, "done: the %s of %s are in canonical order\n",
			plural(len(r.after.Dests), "backend"), titled(r.key, r.name))
	}
	return errors.Join(failed...)
}

// move carries out pairs of a deletion and the addition that puts the backend back. It returns what failed, and the
// additions of those that were there to be taken out.
func (r *reorderer) move(ctx context.Context, ops []kernel.Op) (failed []error, ours []kernel.Op) {
	errs := r.table.Apply(ctx, ops)
	for i := 0; i < len(ops); i += 2 {
		deleted, added := errs[i], errs[i+1]
		switch {
		case !errors.Is(deleted, syscall.ENOENT):
			// Where it was not deleted, it is there already, which is no news.
			failed, ours = appendErrors(failed, deleted), append(ours, ops[i+1])
		case added == nil:
			// Somebody else had deleted it in between.
			failed = append(failed, fmt.Errorf("%s was deleted by somebody else meanwhile, and stays so", ops[i].DestKey))
			failed = append(failed, r.apply(ctx, ops[i:i+1])...)
		}
	}
	return failed, ours
}

// apply carries operations out and returns what failed.
func (r *reorderer) apply(ctx context.Context, ops []kernel.Op) []error {
	return appendErrors(nil, r.table.Apply(ctx, ops)...)
}

// missing reads the service, and returns those additions whose backend is not in it.
func (r *reorderer) missing(ctx context.Context, ours []kernel.Op) ([]kernel.Op, error) {
	v, err := r.observe(ctx)
	if err != nil {
		return nil, err
	}
	var missing []kernel.Op
	for _, op := range ours {
		if _, ok := v.Dest(op.DestKey); !ok {
			missing = append(missing, op)
		}
	}
	return missing, nil
}

// byHand gives operations as commands, each on a line of its own.
func byHand(ops []kernel.Op) string {
	var b strings.Builder
	for _, op := range ops {
		b.WriteString("\n  ipvsadm " + op.String())
	}
	return b.String()
}

// appendErrors appends those that are not nil.
func appendErrors(list []error, errs ...error) []error {
	for _, err := range errs {
		if err != nil {
			list = append(list, err)
		}
	}
	return list
}

// reorderJSON is the JSON of reorder.
type reorderJSON struct {
	Service   string         `json:"service"`
	Name      string         `json:"name,omitempty"`
	Scheduler string         `json:"scheduler"`
	Order     *httpapi.Drift `json:"order"` // what was to do; null: nothing
	InOrder   bool           `json:"in_order"`
	Missing   []string       `json:"missing"` // what is not back, or may not be, as arguments of ipvsadm(8)
}

func (r *reorderer) json() reorderJSON {
	out := reorderJSON{
		Service: r.key.String(), Name: r.name, Scheduler: r.after.Scheduler,
		InOrder: !reconcile.OrderDrift(*r.after), Missing: []string{},
	}
	if len(r.drift.Moves) > 0 {
		out.Order = newDrift(r.drift, r.name)
	}
	for _, op := range r.missed {
		out.Missing = append(out.Missing, op.String())
	}
	return out
}
