package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/mattn/go-isatty"
	"github.com/spf13/pflag"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/reconcile"
)

func reorderCommand() *command {
	return &command{
		name:    "reorder",
		args:    "SERVICE",
		summary: "put the backends of an sh or mh service into the order that every director has",
		text: `Where a client of an sh or mh service lands depends on the order in which its backends
stand in the kernel, and a backend that is added later stands first. That order can be
mended only by taking backends out and putting them back: reorder says which ones, and how
many clients then go to another backend, and asks. It does as little of it as will do.

While a backend is out, for an instant, packets of its connections are dropped, and their
senders send them again. Where net.ipv4.vs.expire_nodest_conn is 1, the connections are
lost. Where each client goes is exact for kernels built with the usual table sizes.

It may run beside the daemon and takes no lock: what it changes is the order alone. Each
backend is put back with the values that were read, and the next pass of the daemon mends
what was changed in between. Change nothing else meanwhile.

SERVICE is gorb's name for it or what the kernel knows it by: web, 'tcp 10.0.0.1:80',
10.0.0.1:80, 'fwmark 7'. 'gorb status' and 'gorb plan' say which services need it.`,
		examples: []string{"gorb reorder web", "gorb reorder --yes 'tcp 10.0.0.1:80'"},
		flags: func(p *program, fs *pflag.FlagSet) func(context.Context, []string) error {
			stateDir := fs.String("state-dir", "/var/lib/gorb", "where gorb remembers what it called its services")
			yes := fs.Bool("yes", false, "do not ask")
			asJSON := fs.Bool("json", false, "print JSON")
			return func(ctx context.Context, args []string) error {
				if len(args) != 1 {
					return &usageError{err: fmt.Errorf("reorder takes one service, and got %d", len(args))}
				}
				client, err := kernel.Open(ctx, kernel.Options{})
				if err != nil {
					return err
				}
				defer client.Close()
				memory, note := remembered(*stateDir)
				chosen, err := choose(args[0], memory, note)
				if err != nil {
					return err
				}
				r := &reorderer{program: p, table: client, say: p.stdout, yes: *yes}
				if *asJSON {
					r.say = p.stderr
				}
				err = r.run(ctx, chosen, memory)
				if *asJSON && r.after != nil {
					err = errors.Join(printJSON(p.stdout, r.json()), err)
				}
				return err
			}
		},
	}
}

// A reorderer is one run of reorder.
type reorderer struct {
	*program
	table reconcile.Kernel
	say   io.Writer // for people
	yes   bool

	key   kernel.ServiceKey
	name  string
	drift reconcile.Drift
	// after is the service as it was read last; nil: not read.
	after  *kernel.VirtualService
	missed []kernel.Op // the additions of what is not back, or may not be
}

func (r *reorderer) run(ctx context.Context, chosen choice, memory reconcile.Memory) error {
	before, err := r.find(ctx, chosen)
	if err != nil {
		return err
	}
	r.name, r.after = memory.Services[r.key].Name, &before
	var drifts bool
	if r.drift, drifts = reconcile.DriftOf(r.key, before); !drifts {
		fmt.Fprintf(r.say, "nothing to do: %s\n", r.settled(before))
		return nil
	}
	if r.drift.Unknown != "" {
		return fmt.Errorf("%s cannot be reordered: %s", titled(r.key, r.name), r.drift.Unknown)
	}
	r.announce(before)
	if !r.yes {
		if err := r.ask(ctx); err != nil {
			return err
		}
		// An answer takes its time.
		if before, err = r.observe(ctx); err != nil {
			return err
		}
		if now, _ := reconcile.DriftOf(r.key, before); !slices.Equal(now.Moves, r.drift.Moves) || now.Unknown != "" {
			return fmt.Errorf("the backends of %s changed meanwhile; nothing is done", titled(r.key, r.name))
		}
	}
	// From here on a backend may be out of the table: no signal ends this halfway. The client has a deadline of its
	// own.
	return r.reorder(context.WithoutCancel(ctx), before)
}

// find returns the service that is meant.
func (r *reorderer) find(ctx context.Context, chosen choice) (kernel.VirtualService, error) {
	table, err := r.table.Observe(ctx, chosen.keys...)
	if err != nil {
		return kernel.VirtualService{}, err
	}
	found, err := chosen.found(table)
	if err != nil {
		return kernel.VirtualService{}, err
	}
	if len(found) > 1 {
		return kernel.VirtualService{}, fmt.Errorf("%s is more than one service: name one of '%s'",
			chosen.word, strings.Join(keyList(found), "', '"))
	}
	r.key = found[0]
	return table[r.key], nil
}

// errGone says that somebody else deleted the service.
var errGone = errors.New("is no longer in the table: somebody else deleted it")

// observe reads the service.
func (r *reorderer) observe(ctx context.Context) (kernel.VirtualService, error) {
	table, err := r.table.Observe(ctx, r.key)
	if err != nil {
		return kernel.VirtualService{}, err
	}
	v, ok := table[r.key]
	if !ok {
		return v, fmt.Errorf("%s %w", titled(r.key, r.name), errGone)
	}
	r.after = &v
	return v, nil
}

// settled says why there is nothing to do.
func (r *reorderer) settled(v kernel.VirtualService) string {
	switch {
	case reconcile.OrderMatters(v.Scheduler):
		return fmt.Sprintf("%s is in canonical order", titled(r.key, r.name))
	case v.Scheduler == "dh":
		return "gorb reorders sh and mh services, and " + titled(r.key, r.name) + " is dh"
	}
	return fmt.Sprintf("order makes no difference to %s", v.Scheduler)
}

// announce says what is about to be done, and what it does to clients.
func (r *reorderer) announce(before kernel.VirtualService) {
	fmt.Fprintf(r.say, "%s, %s: %s\n", titled(r.key, r.name), before.Scheduler, r.drift)
	fmt.Fprintf(r.say, "putting that right moves %s\n", r.drift.Change)
	for _, k := range r.drift.Moves {
		d, _ := before.Dest(k)
		fmt.Fprintf(r.say, "  takes out and puts back %s: %d active and %d inactive connections\n", k, d.Conns.Active, d.Conns.Inactive)
		if before.Scheduler == "mh" && d.Weight == 0 {
			// __ip_vs_update_dest sets the last weight, which mh goes by, to that of the addition.
			fmt.Fprintln(r.say, "    it is at weight 0, and loses its share of the clients to others until its weight rises")
		}
	}
	fmt.Fprintln(r.say, r.consequence())
}

// expireNodestConn is a sysctl, whose value is of the network namespace of who reads it.
const expireNodestConn = "/proc/sys/net/ipv4/vs/expire_nodest_conn"

// consequence says what becomes of the connections of a backend that is out for an instant (docs/kernel.md,
// "Deleting").
func (r *reorderer) consequence() string {
	value, err := os.ReadFile(expireNodestConn)
	switch {
	case err != nil:
		return fmt.Sprintf("their connections are interrupted for an instant, or lost: net.ipv4.vs.expire_nodest_conn cannot be read: %v", err)
	case strings.TrimSpace(string(value)) == "0":
		return "their connections are interrupted for an instant"
	}
	return "their connections are LOST, because net.ipv4.vs.expire_nodest_conn is " + strings.TrimSpace(string(value))
}

// ask asks for a yes on a terminal.
func (r *reorderer) ask(ctx context.Context) error {
	f, ok := r.stdin.(*os.File)
	if !ok || !isatty.IsTerminal(f.Fd()) {
		return errors.New("nothing is done: there is no terminal to ask on; say --yes")
	}
	fmt.Fprint(r.stderr, "Go on? [y/N] ")
	answer := make(chan string, 1)
	go func() { // which ends with the process at the latest
		line, _ := bufio.NewReader(f).ReadString('\n')
		answer <- line
	}()
	select {
	case <-ctx.Done():
		return errors.New("interrupted; nothing is done")
	case line := <-answer:
		if word := strings.ToLower(strings.TrimSpace(line)); word != "y" && word != "yes" {
			return errors.New("nothing is done")
		}
		return nil
	}
}
