package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/gorb-io/gorb/pkg/httpapi"
	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/reconcile"
)

func statusCommand() *command {
	return &command{
		name:    "status",
		args:    "[SERVICE[/BACKEND]...]",
		summary: "show the sources, and the kernel's table with its connections and rates",
		text: `Asks the gorb that runs how its sources and overrides are, what they removed that is
held back, and why a configuration is refused. Beneath it are the services and backends
that the kernel has now, whoever made them: weights, connections, and what they carry in
a second, as the kernel estimates it over some eight seconds. PKT/S counts both
directions; the kernel sees no answers of backends with dr or tunnels.

Where backends are checked, STATE is how each is and since when ('-': it is not checked),
WEIGHT what it has and what is declared, where that differs, as in 40/100, and a line
beneath says why, and which checks were not good. With SERVICE it says that of all.

With --server it is the gorb on another host that is asked: what it says of its services
and backends, without connections and rates, which 'gorb status' there has.

It changes nothing. The table needs CAP_NET_ADMIN, and what gorb says root or the group
gorb; what cannot be had is left out, with a line that says so.

SERVICE is gorb's name for a service or what the kernel knows it by: web,
'tcp 10.0.0.1:80', 10.0.0.1:80, 'fwmark 7'. Without it, all are shown,
and with it no more than them; of web/a, backend a and the service's total.

'order' is said of sh and mh services: see 'gorb help reorder'.`,
		examples: []string{
			"gorb status",
			"gorb status web/a 'fwmark 7'",
			"watch -n1 gorb status web",
			"gorb status --server https://lb1.example:4672",
			"gorb status --json | jq .services",
		},
		flags: func(p *program, fs *pflag.FlagSet) func(context.Context, []string) error {
			stateDir := fs.String("state-dir", "", "where gorb remembers what it called its services (default that of the gorb that runs, /var/lib/gorb)")
			a := asking{patience: statusPatience}
			a.askedPlace.declare(fs, defaultSocket, "the unix socket of the gorb that is asked")
			asJSON := fs.Bool("json", false, "print JSON, with all counters")
			return func(ctx context.Context, args []string) error {
				s := &status{now: time.Now()}
				if err := a.check(); err != nil {
					return err
				}
				if a.server != "" {
					return s.showFar(ctx, p, &a, args, *asJSON)
				}
				s.ask(ctx, &a)
				memory, note := remembered(cmp.Or(*stateDir, s.stateDir(), "/var/lib/gorb"))
				s.memory, s.lost = memory, note != nil && s.unheard() != nil
				if err := s.choose(args, note, *stateDir != ""); err != nil {
					return err
				}
				s.askHealth(ctx, &a)
				if err := s.chooseBackends(); err != nil {
					return err
				}
				if s.unread = s.look(ctx); s.unread != nil && (s.daemon == nil || len(args) > 0 || ctx.Err() != nil) {
					return s.unread
				}
				if err := s.lacksBackends(); err != nil {
					return err
				}
				for _, note := range []error{worthSaying(note, s.table), s.unsaid()} {
					if note != nil {
						fmt.Fprintf(p.stderr, "note: %v\n", note)
					}
				}
				if *asJSON {
					return printJSON(p.stdout, s.json())
				}
				return printStatus(p.stdout, s)
			}
		},
	}
}

// statusPatience is how long the gorb that runs is waited for: without it there is a table to show all the same.
const statusPatience = 3 * time.Second

// A status is what the kernel says of its table, gorb's memory of it, and what the gorb that runs knows.
type status struct {
	now     time.Time
	socket  string
	daemon  *httpapi.Status          // nil: it was not to be asked
	unasked error                    // why that is, or why held is not known
	held    map[reconcile.Ref]string // whose removal is held, and for which source
	unread  error                    // why the kernel's part is not there; nil: it is

	health    map[kernel.ServiceKey]*serviceHealth // nil: nobody makes checks, or it is not known
	unchecked error                                // why it is not; nil

	healthList []httpapi.ServiceHealth // the same, by name

	chosen   []choice                               // nil: all services
	only     map[kernel.ServiceKey][]kernel.DestKey // of which no more than these backends are shown
	table    kernel.Table
	stats    kernel.Statistics
	info     kernel.Info
	timeouts kernel.Timeouts
	sync     []kernel.SyncDaemon
	memory   reconcile.Memory
	lost     bool // memory is none, as nobody said where it is
}

// look reads the chosen services and what surrounds them.
func (s *status) look(ctx context.Context) (err error) {
	client, err := kernel.Open(ctx, kernel.Options{})
	if err != nil {
		return err
	}
	defer client.Close()
	var keys []kernel.ServiceKey
	for _, c := range s.chosen {
		keys = append(keys, c.keys...)
	}
	if s.table, s.stats, err = client.ObserveStats(ctx, keys...); err != nil {
		return err
	}
	for _, c := range s.chosen {
		if _, err := c.found(s.table); err != nil {
			return err
		}
	}
	if s.info, err = client.Info(ctx); err != nil {
		return err
	}
	if s.timeouts, err = client.Timeouts(ctx); err != nil {
		return err
	}
	s.sync, err = client.SyncDaemons(ctx)
	return err
}
