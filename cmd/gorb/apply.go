package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/reconcile"
	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// drainPoll is the time between two looks at backends that drain.
const drainPoll = 500 * time.Millisecond

func applyCommand() *command {
	return &command{
		name:    "apply",
		args:    "[SOURCE...]",
		summary: "make the kernel's table what the sources declare, once",
		text: `Makes one pass, waits for leaving backends to lose their connections, deletes those
that are empty, and ends. What still drains then goes on at weight 0, and the next
apply, or the daemon, deletes it. A gorb that runs keeps the table, so apply refuses then.
It prints what it did, as 'gorb plan' says it before, and exits with 1 where not all of
it could be done: the next apply tries the rest.

What a URL or Consul would remove is held where run would hold it: more than max_removal
of what the source alone declares, measured by what the last apply or run had of it. The
rest is done, apply says what is held, and exits with 1, unless --accept-removals is
given. A source that cannot be had stands by its last good copy.

It makes no checks: declared weights count, but a backend that has a pulse and that the
kernel has at weight 0 may be down, and stays there unless --raise is given.`,
		examples: []string{"gorb apply gorb.toml", "gorb apply --wait 2m base.toml site.toml", "gorb apply --wait 0 gorb.toml"},
		flags: func(p *program, fs *pflag.FlagSet) func(context.Context, []string) error {
			var f files
			f.declare(fs)
			wait := fs.Duration("wait", 30*time.Second, "how long to wait for leaving backends")
			noDrain := fs.Bool("no-drain", false, "delete leaving backends at once, with their connections")
			accept := fs.Bool("accept-removals", false, "hold no removals of sources, however many")
			raise := fs.Bool("raise", false, "raise backends that the kernel has at weight 0 too, though nobody checked them")
			asJSON := fs.Bool("json", false, "print JSON")
			return func(ctx context.Context, args []string) error {
				if *wait < 0 {
					return &usageError{err: fmt.Errorf("--wait %s: it cannot be negative", *wait)}
				}
				a := &applier{program: p, wait: *wait, options: reconcile.Options{NoDrain: *noDrain, Raise: *raise}}
				start := time.Now()
				all, err := p.read(ctx, &f, args)
				if err != nil {
					return err
				}
				if a.trial, err = p.try(all, &f, *accept); err != nil {
					return err
				}
				a.decode = time.Since(start)
				p.warn(a.trial.Desired.WarningsOn(kernel.Release()))
				a.progress = p.stderr
				err = a.apply(ctx, a.trial.Desired)
				if held := newHeld(a.trial); err == nil && len(held) > 0 {
					err = errHeldOf(held)
				}
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
	trial    *sources.Trial
	progress io.Writer
	decode   time.Duration
	pass     time.Duration     // of all passes, without the waits between them
	report   *reconcile.Report // of all passes together; its plan is the first, but for what still drains
}

// apply holds the table for as long as it works.
func (a *applier) apply(ctx context.Context, desired *spec.Desired) error {
	table, err := hold(ctx, desired.Gorb.StateDir)
	if held := (*reconcile.HeldError)(nil); errors.As(err, &held) && held.Dir == "" {
		return fmt.Errorf("%w; 'gorb reload' has it read its sources now, and 'gorb plan' asks it what it would do", err)
	}
	if err != nil {
		return err
	}
	defer table.release()
	for _, note := range []error{table.note, table.unstored} {
		if note != nil {
			fmt.Fprintf(a.progress, "note: %v\n", note)
		}
	}
	table.host.Announced = func(_ []kernel.Address, errs []error) {
		if err := reconcile.Join(appendErrors(nil, errs...)); err != nil {
			fmt.Fprintf(a.progress, "note: %v\n", err)
		}
	}
	err = a.work(ctx, table.Keeper, desired)
	switch {
	case err != nil && ctx.Err() != nil:
		return a.interrupted(ctx.Err(), err)
	case err == nil:
		a.save(desired.Gorb.StateDir)
	}
	return err
}

// save keeps what the sources said, for the next apply, or run, to measure removals by.
func (a *applier) save(stateDir string) {
	if err := a.trial.Save(sources.Copies{Files: sources.NewLastGood(stateDir)}); err != nil {
		fmt.Fprintf(a.progress, "note: %v; the next apply goes by an older one\n", err)
	}
}

// work makes a pass, and further ones while backends drain and there is time; one more even where there is none, for the
// backends that are empty already.
func (a *applier) work(ctx context.Context, k *reconcile.Keeper, desired *spec.Desired) (err error) {
	deadline := time.Now().Add(a.wait)
	start := time.Now()
	a.report, err = k.Pass(ctx, desired, a.options)
	if a.pass = time.Since(start); err != nil {
		return err
	}
	for looks := 0; len(a.draining()) > 0 && (looks == 0 || time.Now().Before(deadline)); looks++ {
		if looks == 0 && a.wait > 0 {
			fmt.Fprintf(a.progress, "waiting up to %s for %s to drain\n", duration(a.wait), plural(len(a.draining()), "backend"))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(drainPoll, time.Until(deadline))):
		}
		if err := a.again(ctx, k, desired); err != nil {
			return err
		}
	}
	errs := a.report.Errs
	if left := a.report.Plan.LeftAlone; len(left) > 0 {
		errs = append(errs, fmt.Errorf("%s left alone, so the table is not what is declared", leftAlone(left)))
	}
	return reconcile.Join(errs)
}

// errNotTried is what became of the operations that the end of the context kept from being done.
var errNotTried = errors.New("not tried, because gorb was interrupted")

// interrupted says what was done and what was not when the context ended, in place of the errors that say only that it
// did. An error that has nothing to do with it stays as it is.
func (a *applier) interrupted(cause, err error) error {
	if !errors.Is(err, cause) && !slices.ContainsFunc(a.report.Errs, func(e error) bool { return errors.Is(e, cause) }) {
		return err
	}
	a.report.Errs = slices.DeleteFunc(a.report.Errs, func(e error) bool { return errors.Is(e, cause) })
	done, not, lost := 0, 0, 0
	for i, r := range a.report.Results {
		switch {
		case r.Err == nil:
			done++
		case errors.Is(r.Err, kernel.ErrUncertain):
			lost++
		default:
			not++
			if errors.Is(r.Err, cause) {
				a.report.Results[i].Err = errNotTried
			}
		}
	}
	what := "nothing was done"
	if done+lost > 0 {
		what = plural(done, "operation") + " done"
	}
	if lost > 0 {
		what += fmt.Sprintf(", %d perhaps", lost)
	}
	if done+lost > 0 && not > 0 {
		what += fmt.Sprintf(", %d not", not)
	}
	if a.report.Plan != nil && len(a.draining()) > 0 && not+lost == 0 {
		what += fmt.Sprintf("; %s still draining", plural(len(a.draining()), "backend"))
	}
	a.report.Errs = append(a.report.Errs, fmt.Errorf("interrupted: %s; the next apply does the rest", what))
	return reconcile.Join(a.report.Errs)
}

// draining returns the backends that drain in services where nothing failed: what was held back is not at 0 yet, and is
// not waited for.
func (a *applier) draining() []reconcile.Draining {
	failed, stays := map[kernel.ServiceKey]bool{}, map[netip.Addr]bool{}
	for _, r := range a.report.Failures() {
		if r.Host == nil {
			failed[r.Op.Key] = true
		} else if r.Host.Kind == kernel.DeleteAddress {
			stays[r.Host.Address.Addr] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(a.report.Plan.Draining), func(d reconcile.Draining) bool {
		return failed[d.Service] || stays[d.Service.Addr.Addr()]
	})
}

// again makes a pass over the services that have draining backends, and adds it to the report.
func (a *applier) again(ctx context.Context, k *reconcile.Keeper, desired *spec.Desired) error {
	options := a.options
	options.Scope = map[kernel.ServiceKey]bool{}
	for _, d := range a.draining() {
		options.Scope[d.Service] = true
	}
	start := time.Now()
	next, err := k.Pass(ctx, desired, options)
	a.pass += time.Since(start)
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
			fmt.Fprintln(w, r)
		}
	}
	for _, l := range plan.LeftAlone {
		fmt.Fprintf(w, "left %s alone: %s\n", object(plan, l), l.Reason)
	}
	for _, r := range plan.LeftAtZero {
		fmt.Fprintf(w, "left at 0: %s of %s: not checked (--raise raises it)\n", r.Dest, title(plan, r.Service))
	}
	for _, waiting := range plan.Waiting {
		fmt.Fprintf(w, "%s gives up nothing for now: %s (--raise has those serve that are left at 0)\n",
			title(plan, waiting.Key), whyWaiting(waiting))
	}
	for _, r := range a.report.Failures() {
		if errors.Is(r.Err, reconcile.ErrHeld) {
			fmt.Fprintf(w, "held back: %s\n", r)
		}
	}
	switch failed := len(a.report.Failures()); {
	case failed > 0:
		fmt.Fprintf(w, "done: %s; not done: %d\n", plural(done, "operation"), failed)
	case done > 0:
		fmt.Fprintf(w, "done: %s\n", plural(done, "operation"))
	default:
		fmt.Fprintln(w, "nothing to do")
	}
	for _, h := range newHeld(a.trial) {
		printHeld(w, "", h, false)
	}
	for _, d := range a.draining() {
		fmt.Fprintf(w, "still draining: %s of %s, %d active and %d inactive connections, until %s\n",
			d.Dest, title(plan, d.Service), d.Conns.Active, d.Conns.Inactive, d.Until.Format(time.TimeOnly))
	}
}
