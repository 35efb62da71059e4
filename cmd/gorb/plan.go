package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/reconcile"
)

func planCommand() *command {
	return &command{
		name:    "plan",
		args:    "[FILE...]",
		summary: "show what would change in the kernel",
		text: `Prints the operations that would make the kernel's table what the files declare,
in order, as arguments of ipvsadm(8), and what it would do around it as commands of
sysctl(8), ipvsadm(8) and ip(8); it changes nothing. Lines with # are remarks. It needs
the right to read the table (CAP_NET_ADMIN).

With --against it takes the table from a file, on any system and without rights: what
'gorb export --format json' or 'ipvsadm -Sn' wrote, or /dev/null for none. Such a file
does not say what is gorb's, so services that it holds and the configuration does not
name are taken for somebody else's, unless -f is given; and it says nothing of addresses,
sysctls, timeouts and synchronisation. Services without host are then refused, unless -i
is given, because an address of this machine need not be the director's.`,
		examples: []string{
			"gorb plan gorb.toml",
			"gorb plan --exit-code gorb.toml >/dev/null || echo not as declared",
			"ipvsadm -Sn | gorb plan --against - gorb.toml",
		},
		flags: func(p *program, fs *pflag.FlagSet) func(context.Context, []string) error {
			var f files
			f.declare(fs)
			against := fs.String("against", "", "take the table from this file, not from the kernel")
			exitCode := fs.Bool("exit-code", false, "exit with 3 where there is something to do, and with 1 where not all of it can be done")
			flush := fs.BoolP("flush", "f", false, "show what 'run -f' would do: every service that is not declared goes")
			asJSON := fs.Bool("json", false, "print JSON")
			return func(ctx context.Context, args []string) error {
				in, err := p.planInput(ctx, &f, args, *against)
				if err != nil {
					return err
				}
				in.Flush = *flush
				plan := reconcile.Decide(in)
				if *against != "" {
					plan.Adopted = slices.DeleteFunc(plan.Adopted, func(a reconcile.Adopted) bool { return len(a.Removes) == 0 })
				}
				order := driftsIn(plan, in.Observed, *against)
				if *asJSON {
					err = printJSON(p.stdout, struct {
						planJSON
						Order []*driftJSON `json:"order"` // services that 'gorb reorder' would mend
					}{newPlanJSON(plan), driftList(plan, order)})
				} else {
					printDrifts(p.stdout, plan, order)
					err = printPlan(p.stdout, plan)
				}
				if err == nil && *exitCode {
					return verdict(plan)
				}
				return err
			}
		},
	}
}

// verdict is what --exit-code says of a plan: nil where there is nothing to do, errChanges where there is, and the
// reasons where a difference stays that gorb does not close, for which apply fails too.
func verdict(plan *reconcile.Plan) error {
	var errs []error
	for _, l := range plan.LeftAlone {
		errs = append(errs, fmt.Errorf("leaves %s alone: %s", object(plan, l), l.Reason))
	}
	if errs = append(errs, plan.Problems...); len(errs) > 0 {
		return reconcile.Join(errs)
	}
	if !plan.Empty() {
		return errChanges
	}
	return nil
}

// planInput gathers what a plan rests on.
func (p *program) planInput(ctx context.Context, f *files, args []string, against string) (reconcile.Input, error) {
	in := reconcile.Input{Now: time.Now(), KeepDraining: true}
	desired, err := p.load(ctx, f, args)
	if err != nil {
		return in, err
	}
	if against != "" && f.iface == "" {
		if lacking := desired.NeedHost(); len(lacking) > 0 {
			return in, fmt.Errorf("services.%s.host: it is left out, and the table of %s need not be this machine's; "+
				"-i takes the address of an interface of this machine all the same", lacking[0], against)
		}
	}
	if in.Desired, err = resolve(desired); err != nil {
		return in, err
	}
	if against != "" {
		p.warn(in.Desired.Warnings)
		in.Observed, err = p.tableFrom(ctx, against)
		return in, err
	}
	p.warn(in.Desired.WarningsOn(kernel.Release()))
	var note error
	in.Memory, note = remembered(in.Desired.Gorb.StateDir)
	known := note == nil || errors.Is(note, reconcile.ErrForgotten) || errors.Is(note, reconcile.ErrDropped)
	if !known || errors.Is(note, fs.ErrPermission) {
		return in, note // a plan that knows nothing would not be what gorb does
	}
	query := reconcile.HostQuery(in.Desired, in.Memory)
	if in.Observed, in.Host, err = observedWith(ctx, &query); err != nil {
		return in, err
	}
	if note = worthSaying(note, in.Observed); note != nil {
		fmt.Fprintf(p.stderr, "note: %v\n", note)
	}
	return in, nil
}
