package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"github.com/gorb-io/gorb/pkg/httpapi"
	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/reconcile"
	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

func planCommand() *command {
	return &command{
		name:    "plan",
		args:    "[SOURCE...]",
		summary: "show what would change in the kernel",
		text: `Prints the operations that would make the kernel's table what the sources declare,
in order, as arguments of ipvsadm(8), and what it would do around it as commands of
sysctl(8), ipvsadm(8) and ip(8); it changes nothing. Lines with # are remarks.

Where a gorb runs on the table it is asked, so that overrides are in the answer: about
what its own sources say, or, with SOURCE, about these in their place. The first line
says so. With --offline, or where none runs, the sources are read and the table is
looked at here, which needs the right to read it (CAP_NET_ADMIN).

With --server the gorb on another host is asked, about its table, with its overrides and
its health: no root and no kernel are needed here, and of its API a token with role read.
It is sent what SOURCE says, with the values of the environment in it, but not [api]. Of a
source that SOURCE names and that cannot be had here, such as a Consul for directors
alone, what it has counts.

Services and [defaults] are then those of SOURCE alone. What SOURCE does not say of
[gorb], [ipvs], [consul] and [probe] is as the gorb that is asked has it, key by key: one
file of services does for several directors. So a key that is taken out of these tables
is not seen to go; where that would be a vip_interface or a sync daemon, a remark says so.

What a URL or Consul would remove is held where run would hold it: more than max_removal
of what the source alone declares, measured by what the gorb that runs has of it, or by
its last good copy. The plan is then without that, says so, and exits with 1, unless
--accept-removals is given. A source that cannot be had stands by its last good copy.

A gorb that runs has the backends checked, and plans by what it knows of them. Without
one nobody does: declared weights count, but a backend that has a pulse and that the
kernel has at weight 0 may be down, and stays there unless --raise is given.

With --against it takes the table from a file, on any system and without rights: what
'gorb export --format json' or 'ipvsadm -Sn' wrote, or /dev/null for none. Such a file
does not say what is gorb's, so services that it holds and the configuration does not
name are taken for somebody else's, unless -f is given; and it says nothing of addresses,
sysctls, timeouts and synchronisation. No gorb is asked, and nothing is held. Services
without host are then refused, unless -i is given, because an address of this machine
need not be the director's.`,
		examples: []string{
			"gorb plan gorb.toml",
			"gorb plan",
			"gorb plan --exit-code gorb.toml >/dev/null || echo not as declared",
			"ipvsadm -Sn | gorb plan --against - gorb.toml",
			"gorb plan --server https://lb1.example:4672 --token-file ci.token gorb.toml",
		},
		flags: func(p *program, fs *pflag.FlagSet) func(context.Context, []string) error {
			pl := &planner{program: p}
			pl.files.declare(fs)
			fs.StringVar(&pl.against, "against", "", "take the table from this file, not from the kernel")
			fs.BoolVar(&pl.offline, "offline", false, "ask no gorb that runs")
			pl.at.declare(fs, "", configuredSocket)
			fs.BoolVar(&pl.accept, "accept-removals", false, "hold no removals of sources, however many")
			exitCode := fs.Bool("exit-code", false, "exit with 3 where there is something to do, and with 1 where not all of it can be done")
			fs.BoolVar(&pl.raise, "raise", false, "show what 'apply --raise' would do: what the kernel has at weight 0 is raised too; a gorb that runs knows better")
			fs.BoolVarP(&pl.flush, "flush", "f", false, "show what 'run -f' would do: every service that is not declared goes")
			asJSON := fs.Bool("json", false, "print JSON")
			return func(ctx context.Context, args []string) error {
				plan, err := pl.plan(ctx, args)
				if err != nil {
					return err
				}
				for _, w := range plan.Warnings {
					fmt.Fprintf(p.stderr, "warning: %s\n", w)
				}
				if *asJSON {
					err = printJSON(p.stdout, plan)
				} else {
					err = printPlan(p.stdout, plan)
				}
				switch {
				case err != nil:
					return err
				case len(plan.Held) > 0:
					return errHeldOf(plan.Held)
				case *exitCode:
					return verdict(plan)
				}
				return nil
			}
		},
	}
}

// verdict is what --exit-code says of a plan: nil where there is nothing to do, errChanges where there is, and the
// reasons where a difference stays that gorb does not close, for which apply fails too.
func verdict(plan *httpapi.Plan) error {
	var errs []error
	for _, l := range plan.LeftAlone {
		errs = append(errs, fmt.Errorf("leaves %s alone: %s", aloneObject(l), l.Reason))
	}
	for _, problem := range plan.Problems {
		errs = append(errs, errors.New(problem))
	}
	if len(errs) > 0 {
		return reconcile.Join(errs)
	}
	if len(plan.Operations) > 0 {
		return errChanges
	}
	return nil
}

// planner makes one plan.
type planner struct {
	*program
	files   files
	against string
	at      askedPlace
	offline bool
	accept  bool
	flush   bool
	raise   bool
}

// plan asks the gorb that runs, or else makes the plan here.
func (p *planner) plan(ctx context.Context, args []string) (*httpapi.Plan, error) {
	switch err := p.at.check(); {
	case err != nil:
		return nil, err
	case p.at.server != "" && (p.offline || p.against != ""):
		return nil, &usageError{err: errors.New("--server names a gorb to ask, and with --offline or --against none is asked")}
	case p.against != "":
		return p.planAgainst(ctx, args)
	}
	if !p.offline && len(args) == 0 {
		if plan, err := p.askOwn(ctx); plan != nil || err != nil {
			return plan, err
		}
	}
	all, err := p.read(ctx, &p.files, args)
	if err != nil {
		return nil, err
	}
	if !p.offline && len(args) > 0 {
		if plan, err := p.askAbout(ctx, all); plan != nil || err != nil {
			return plan, err
		}
	}
	return p.planHere(ctx, all)
}

// planHere makes the plan of what was read for the kernel of this machine.
func (p *planner) planHere(ctx context.Context, all sources.Loaded) (*httpapi.Plan, error) {
	trial, err := p.try(all, &p.files, p.accept)
	if err != nil {
		return nil, err
	}
	in := reconcile.Input{Desired: trial.Desired, Now: time.Now(), KeepDraining: true, Flush: p.flush, Raise: p.raise}
	var note error
	in.Memory, note = remembered(in.Desired.Gorb.StateDir)
	known := note == nil || errors.Is(note, reconcile.ErrForgotten) || errors.Is(note, reconcile.ErrDropped)
	if !known || errors.Is(note, fs.ErrPermission) {
		return nil, note // a plan that knows nothing would not be what gorb does
	}
	query := reconcile.HostQuery(in.Desired, in.Memory)
	if in.Observed, in.Host, err = observedWith(ctx, &query); err != nil {
		return nil, err
	}
	if note = worthSaying(note, in.Observed); note != nil {
		fmt.Fprintf(p.stderr, "note: %v\n", note)
	}
	plan := reconcile.Decide(in)
	out := newPlan(plan)
	out.Order, out.Held, out.Away = newDrifts(plan), newHeld(trial), newAway(trial)
	out.Warnings = newWarnings(in.Desired.WarningsOn(kernel.Release()))
	return out, nil
}

// planAgainst makes the plan for a table that a file has. Nothing of this machine counts: neither what is remembered nor
// last good copies.
func (p *planner) planAgainst(ctx context.Context, args []string) (*httpapi.Plan, error) {
	desired, err := p.load(ctx, &p.files, args)
	if err != nil {
		return nil, err
	}
	if lacking := desired.NeedHost(); p.files.iface == "" && len(lacking) > 0 {
		return nil, fmt.Errorf("services.%s.host: it is left out, and the table of %s need not be this machine's; "+
			"-i takes the address of an interface of this machine all the same", lacking[0], p.against)
	}
	in := reconcile.Input{Now: time.Now(), KeepDraining: true, Flush: p.flush, Raise: p.raise}
	if in.Desired, err = resolve(desired); err != nil {
		return nil, err
	}
	if in.Observed, err = p.tableFrom(ctx, p.against); err != nil {
		return nil, err
	}
	plan := reconcile.Decide(in)
	plan.Adopted = slices.DeleteFunc(plan.Adopted, func(a reconcile.Adopted) bool { return len(a.Removes) == 0 })
	out := newPlan(plan) // a file does not tell the order of the kernel's list
	out.Warnings = newWarnings(in.Desired.Warnings)
	return out, nil
}

// read reads every source once. One that is not on this machine may be away.
func (p *program) read(ctx context.Context, f *files, names []string) (sources.Loaded, error) {
	if len(names) == 0 {
		names = []string{defaultFile}
	}
	once, err := p.once(f)
	if err != nil {
		return sources.Loaded{}, err
	}
	once.Spare = true
	return once.Read(ctx, names)
}

// try finds what run would make of what was read, by the last good copies of its state directory, and says what it did
// without.
func (p *program) try(all sources.Loaded, f *files, accept bool) (*sources.Trial, error) {
	settings, err := spec.Settings(all.Docs...)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	trial, err := all.Trial(sources.Trying{
		Now: now, Accept: accept, Copies: sources.Copies{Files: sources.LookAtLastGood(settings.Gorb.StateDir)},
		Finish: func(d *spec.Desired) (*spec.Desired, error) { return resolve(f.override(d)) },
	})
	if err != nil {
		return nil, err
	}
	for _, err := range trial.Unread {
		fmt.Fprintf(p.stderr, "note: %v\n", err)
	}
	for _, a := range trial.Away {
		fmt.Fprintf(p.stderr, "note: %s; its last good copy counts, which is %s old\n", named(a.Source, a.Err), duration(now.Sub(a.Copied)))
	}
	return trial, nil
}
