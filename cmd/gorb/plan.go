package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"github.com/gorb-io/gorb/pkg/reconcile"
)

func planCommand() *command {
	return &command{
		name:    "plan",
		args:    "[FILE...]",
		summary: "show what would change in the kernel",
		text: `Prints the operations that would make the kernel's table what the files declare,
in order, as arguments of ipvsadm(8), and changes nothing. It needs the right to
read the table (CAP_NET_ADMIN), except with --against, which takes the table from a
file on any system: what 'gorb export --format json' or 'ipvsadm -Sn' wrote. Such a file
does not say what is gorb's, so services that it holds and the configuration does not
name are taken for somebody else's, unless -f is given.`,
		example: "gorb plan --exit-code --against director1.json gorb.toml",
		flags: func(p *program, fs *pflag.FlagSet) func(context.Context, []string) error {
			var f files
			f.declare(fs)
			against := fs.String("against", "", "take the table from this file, not from the kernel")
			exitCode := fs.Bool("exit-code", false, "exit with 3 where there is something to do")
			flush := fs.BoolP("flush", "f", false, "show what 'run -f' would do: everything that is not declared goes")
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
				if *asJSON {
					err = printJSON(p.stdout, newPlanJSON(plan))
				} else {
					err = printPlan(p.stdout, plan)
				}
				if err == nil && *exitCode && len(plan.Ops) > 0 {
					return errChanges
				}
				return err
			}
		},
	}
}

// planInput gathers what a plan rests on.
func (p *program) planInput(ctx context.Context, f *files, args []string, against string) (reconcile.Input, error) {
	in := reconcile.Input{Now: time.Now(), KeepDraining: true}
	desired, err := p.load(ctx, f, args)
	if err != nil {
		return in, err
	}
	if in.Desired, err = resolve(desired); err != nil {
		return in, err
	}
	p.warn(in.Desired)
	if against != "" {
		in.Observed, err = p.tableFrom(against)
		in.TunnelsKnown = true
		return in, err
	}
	if in.Observed, err = observed(ctx); err != nil {
		return in, err
	}
	var note error
	in.Memory, note = remembered(in.Desired.Gorb.StateDir)
	if note != nil && (!errors.Is(note, reconcile.ErrForgotten) || errors.Is(note, fs.ErrPermission)) {
		return in, note // a plan that knows nothing would not be what gorb does
	}
	if note = worthSaying(note, in.Observed); note != nil {
		fmt.Fprintf(p.stderr, "note: %v\n", note)
	}
	return in, nil
}
