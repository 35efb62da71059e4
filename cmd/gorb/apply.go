package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/reconcile"
	"github.com/gorb-io/gorb/pkg/spec"
)

// drainPoll is the time between two looks at backends that drain.
const drainPoll = 500 * time.Millisecond

func applyCommand() *command {
	return &command{
		name:    "apply",
		args:    "[FILE...]",
		summary: "make the kernel's table what the files declare, once",
		text: `Makes one pass, waits for leaving backends to lose their connections, deletes those
that are empty, and ends. What still drains then goes on at weight 0, and the next
apply, or the daemon, deletes it. A gorb that runs keeps the table, so apply refuses then.`,
		example: "gorb apply --wait 2m gorb.toml",
		flags: func(p *program, fs *pflag.FlagSet) func(context.Context, []string) error {
			var f files
			f.declare(fs)
			wait := fs.Duration("wait", 30*time.Second, "how long to wait for leaving backends")
			noDrain := fs.Bool("no-drain", false, "delete leaving backends at once, with their connections")
			asJSON := fs.Bool("json", false, "print JSON")
			return func(ctx context.Context, args []string) error {
				if *wait < 0 {
					return &usageError{err: fmt.Errorf("--wait %s: it cannot be negative", *wait)}
				}
				a := &applier{program: p, wait: *wait, options: reconcile.Options{NoDrain: *noDrain}}
				start := time.Now()
				desired, err := p.load(ctx, &f, args)
				if err != nil {
					return err
				}
				if desired, err = resolve(desired); err != nil {
					return err
				}
				a.decode = time.Since(start)
				p.warn(desired)
				a.progress = p.stderr
				err = a.apply(ctx, desired)
				if a.report == nil || a.report.Plan == nil {
					return err // nothing was read
				}
				if *asJSON {
					if jerr := printJSON(p.stdout, a.json()); jerr != nil {
						return jerr
					}
					return err
				}
				a.print(p.stdout)
				return err
			}
		},
	}
}

// applier is one run of apply.
type applier struct {
	*program
	wait     time.Duration
	options  reconcile.Options
	progress io.Writer
	decode   time.Duration
	report   *reconcile.Report // of all passes together; its plan is the first, but for what still drains
}

// apply makes a pass, and further ones while backends drain and there is time.
func (a *applier) apply(ctx context.Context, desired *spec.Desired) error {
	table, err := hold(ctx, desired.Gorb.StateDir)
	if err != nil {
		return err
	}
	defer table.release()
	if table.note != nil {
		fmt.Fprintf(a.progress, "note: %v\n", table.note)
	}
	deadline := time.Now().Add(a.wait)
	if a.report, err = table.Pass(ctx, desired, a.options); err != nil {
		return err
	}
	for said := false; len(a.draining()) > 0 && time.Now().Before(deadline); said = true {
		if !said {
			fmt.Fprintf(a.progress, "waiting up to %s for %s to drain\n", duration(a.wait), plural(len(a.draining()), "backend"))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("interrupted while %s drained", plural(len(a.draining()), "backend"))
		case <-time.After(min(drainPoll, time.Until(deadline))):
		}
		if err := a.again(ctx, table.Keeper, desired); err != nil {
			return err
		}
	}
	errs := a.report.Errs
	if n := len(a.report.Plan.LeftAlone); n > 0 {
		errs = append(errs, fmt.Errorf("%s left alone, so the table is not what is declared", plural(n, "service")))
	}
	return reconcile.Join(errs)
}

// draining returns the backends that drain in services where nothing failed: what was held back is not at 0 yet, and is
// not waited for.
func (a *applier) draining() []reconcile.Draining {
	failed := map[kernel.ServiceKey]bool{}
	for _, r := range a.report.Failures() {
		failed[r.Op.Key] = true
	}
	return slices.DeleteFunc(slices.Clone(a.report.Plan.Draining), func(d reconcile.Draining) bool { return failed[d.Service] })
}

// again makes a pass over the services that have draining backends, and adds it to the report.
func (a *applier) again(ctx context.Context, k *reconcile.Keeper, desired *spec.Desired) error {
	options := a.options
	options.Scope = map[kernel.ServiceKey]bool{}
	for _, d := range a.draining() {
		options.Scope[d.Service] = true
	}
	next, err := k.Pass(ctx, desired, options)
	if next.Plan != nil {
		a.report.Plan.Draining = next.Plan.Draining
	}
	a.report.Results = append(a.report.Results, next.Results...)
	a.report.Errs = append(a.report.Errs, next.Errs...)
	a.report.Read += next.Read
	a.report.Write += next.Write
	return err
}

// print says what was done, and what still drains.
func (a *applier) print(w io.Writer) {
	plan := a.report.Plan
	for _, adopted := range plan.Adopted {
		fmt.Fprintf(w, "%s was in the table already, and is now gorb's\n", title(plan, adopted.Key))
	}
	done := 0
	for _, r := range a.report.Results {
		if r.Err == nil {
			done++
			fmt.Fprintln(w, r.Op)
		}
	}
	for _, l := range plan.LeftAlone {
		fmt.Fprintf(w, "left %s alone: %s\n", title(plan, l.Key), l.Reason)
	}
	switch failed := len(a.report.Failures()); {
	case failed > 0:
		fmt.Fprintf(w, "done: %s; not done: %d\n", plural(done, "operation"), failed)
	case done > 0:
		fmt.Fprintf(w, "done: %s\n", plural(done, "operation"))
	default:
		fmt.Fprintln(w, "nothing to do")
	}
	for _, d := range a.draining() {
		fmt.Fprintf(w, "still draining: %s of %s, %d active and %d inactive connections, until %s\n",
			d.Dest, title(plan, d.Service), d.Conns.Active, d.Conns.Inactive, d.Until.Format(time.TimeOnly))
	}
}

// applyJSON is the JSON of apply.
type applyJSON struct {
	Operations []opJSON        `json:"operations"` // done
	Failures   []opJSON        `json:"failures"`   // refused by the kernel, or held back
	Errors     []string        `json:"errors"`     // everything that went wrong, those refusals among it
	Draining   []drainingJSON  `json:"draining"`
	LeftAlone  []leftAloneJSON `json:"left_alone"`
	DecodeMS   float64         `json:"decode_ms"`
	ReadMS     float64         `json:"read_ms"`
	WriteMS    float64         `json:"write_ms"`
}

func (a *applier) json() applyJSON {
	plan := newPlanJSON(a.report.Plan)
	out := applyJSON{
		Operations: []opJSON{}, Failures: []opJSON{}, Errors: []string{},
		Draining: plan.Draining, LeftAlone: plan.LeftAlone,
		DecodeMS: milliseconds(a.decode), ReadMS: milliseconds(a.report.Read), WriteMS: milliseconds(a.report.Write),
	}
	for _, r := range a.report.Results {
		o := newOpJSON(a.report.Plan, r.Op)
		if r.Err != nil {
			o.Error = r.Err.Error()
			out.Failures = append(out.Failures, o)
			continue
		}
		out.Operations = append(out.Operations, o)
	}
	for _, err := range a.report.Errs {
		out.Errors = append(out.Errors, err.Error())
	}
	return out
}

// milliseconds returns a duration in milliseconds, to the microsecond.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
