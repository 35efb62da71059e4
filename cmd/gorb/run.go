package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/rs/zerolog"
	"github.com/spf13/pflag"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/reconcile"
	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

func runCommand() *command {
	return &command{
		name:    "run",
		args:    "[SOURCE...]",
		summary: "keep the kernel's table what the sources declare (plain 'gorb' does the same)",
		text: `Reads the sources, makes the kernel's IPVS table what they declare, and keeps it so: a
file that is saved counts within a second, and what others change in the table behind its
back is put right. SIGTERM ends gorb and leaves the table as it is: the kernel forwards
without it.

A SOURCE is a file, a directory, an http or https URL, or consul://HOST:PORT/PATH. Each is
a layer, and a later one wins, field by field; [[sources]] in a file names more, with
intervals, credentials and the like. Without SOURCE it reads ` + defaultFile + `; where
that is missing, nothing is declared, and but for -f nothing is touched until it appears.

A source that is bad or away changes nothing: the log says why, and its last good content
stays in force. At the start files must be there and right; a URL or Consul is waited
for, or its last good copy counts. If it leaves out most of what it declared, that is
held (see 'gorb help accept'). SIGHUP reads everything again at once, as 'gorb reload'.

Backends are checked as their pulse says, by default with a TCP connection each minute
where they have a port of TCP. One that is down has weight 0 until it is up again; a new
one has none before its first good check. 'gorb status' says how each is and why,
'gorb probe' makes one check, and docs/health.md has the rest.

Backends that leave go to weight 0 and are deleted once they have no connections.
Services that gorb did not make and the configuration does not name are left alone, and
so is what it does not declare of settings, timeouts, synchronisation and addresses.

Others ask it, and change services for a while or for ever, at the socket and at :4672:
docs/api.md. 'gorb token' makes tokens for those on other hosts.

With -c, or [consul] register = true, each service is registered with a Consul agent, and
gorb itself as gorb; see docs/registration.md. The table does not wait for Consul.`,
		examples: []string{"gorb run gorb.toml", "gorb run -i eth1 base.toml conf.d/", "gorb run base.toml consul://127.0.0.1:8500/gorb/prod/", "gorb run --log-format json -v gorb.toml"},
		flags: func(p *program, fs *pflag.FlagSet) func(context.Context, []string) error {
			d := &daemon{program: p, open: hold}
			d.files.declare(fs)
			fs.StringVarP(&d.listen, "listen", "l", "", "address of the API; wins over [gorb] listen (default :4672)")
			fs.BoolVarP(&d.flush, "flush", "f", false, "at the start remove every service that is not declared, whoever made it, at once")
			fs.StringVarP(&d.consul, "consul", "c", "", "URL of the Consul agent that services are registered with, such as http://127.0.0.1:8500; wins over [consul]")
			d.legacy.declare(fs)
			verbose := fs.BoolP("verbose", "v", false, "the same as --log-level debug")
			level := fs.String("log-level", "info", "debug, info, warn or error")
			format := fs.String("log-format", "auto", "console, json, or auto: console on a terminal")
			return func(ctx context.Context, args []string) error {
				if err := d.checkConsul(fs.Changed("consul")); err != nil {
					return &usageError{err: err}
				}
				if err := cmp.Or(d.legacy.check(), checkListen(d.listen, fs.Changed("listen")), checkFlush(d.flush, args)); err != nil {
					return &usageError{err: err}
				}
				if *verbose {
					*level = "debug"
				}
				log, err := newLogger(p.stderr, *level, *format)
				if err != nil {
					return &usageError{err: err}
				}
				d.log = log
				return d.run(ctx, args)
			}
		},
	}
}

// daemon is one run of gorb as a daemon.
type daemon struct {
	*program
	files  files
	legacy legacy
	listen string
	consul string
	flush  bool
	log    zerolog.Logger

	// open takes the table that is kept.
	open func(ctx context.Context, stateDir string) (*holding, error)

	// unlisted is whether the default file is missing: nothing is declared, and nothing known.
	unlisted bool
}

// run reads the configuration, opens what the table needs, and keeps the table until ctx ends.
func (d *daemon) run(ctx context.Context, names []string) error {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP) // first of all: until then SIGHUP ends the process
	defer signal.Stop(hangups)
	boundMemory(0)
	first, tops, err := d.start(ctx, names)
	if err != nil {
		return err
	}
	if !d.unlisted {
		first = &spec.Desired{Gorb: first.Gorb, API: first.API} // the documents would be kept for as long as gorb runs
	}
	table, err := d.open(ctx, first.Gorb.StateDir)
	if err != nil {
		return err
	}
	defer d.closed("the table's lock or socket", table.release)
	d.announce(table)
	d.announced(table.host)

	overrides, err := d.openOverrides(first.Gorb.StateDir)
	if err != nil {
		return err
	}
	defer d.closed("the overrides", overrides.Close)
	return d.keep(ctx, d.assemble(first, tops, table, overrides), hangups)
}

// openOverrides opens the overrides of a state directory, which nobody else has while the table's lock is held.
func (d *daemon) openOverrides(stateDir string) (*sources.OverrideStore, error) {
	store, err := sources.OpenOverrides(stateDir)
	if store == nil {
		return nil, err // without them the table would not be what was asked for
	}
	if err != nil {
		d.log.Error().Err(err).Msg("not all overrides are there, or they cannot be written")
	}
	return store, nil
}

// prune removes the last good copies of sources that are declared no more. It does not where a file is not good, because
// what that would declare is not known.
func (d *daemon) prune(copies *sources.LastGood, status sources.Status) {
	var keep []string
	for _, s := range status.Sources {
		if !s.Remote && s.State != sources.Good {
			return
		}
		keep = append(keep, s.Name)
	}
	if err := copies.Prune(keep); err != nil {
		d.log.Warn().Err(err).Msg("old copies of sources stay")
	}
}

// finish does to each merged configuration what does not come from files.
func (d *daemon) finish(first, next *spec.Desired) (*spec.Desired, error) {
	next, err := resolve(d.legacy.over(d.files.override(next)))
	if err == nil && next.Gorb.StateDir != first.Gorb.StateDir {
		return nil, fmt.Errorf("gorb.state_dir: it was %q when gorb started, and a restart is needed to make it %q",
			first.Gorb.StateDir, next.Gorb.StateDir)
	}
	return next, err
}

// announce says what an operator should know at the start.
func (d *daemon) announce(table *holding) {
	d.log.Info().Str("version", version).Int("pid", os.Getpid()).Msg("gorb keeps this table")
	if d.unlisted {
		d.log.Warn().Str("file", defaultFile).Msg("the file is missing, so the configuration is empty; " + d.unlistedTable())
	}
	if err := d.files.checkInterface(); err != nil {
		d.log.Warn().Err(err).Msg("-i names an interface that has no address for services without host; a configuration with one would be refused")
	}
	if table.note != nil {
		d.log.Warn().Err(table.note).Msg("services in the kernel are left alone unless the configuration names them")
	}
	if table.unstored != nil {
		d.log.Warn().Err(table.unstored).Msg("what is gorb's already is kept, and nothing is made that could not be remembered")
	}
}

// unlistedTable says what becomes of the table while the default file is missing.
func (d *daemon) unlistedTable() string {
	if d.flush {
		return "by -f every service in the kernel is removed, whoever made it"
	}
	return "what gorb made before stays until it appears"
}

// announced has it logged where neighbours could not be told of addresses. Without a host, nil, there is nothing to tell.
func (d *daemon) announced(host *kernel.Host) {
	if host == nil {
		return
	}
	host.Announced = func(_ []kernel.Address, errs []error) {
		if err := reconcile.Join(appendErrors(nil, errs...)); err != nil {
			d.log.Warn().Err(err).Msg("neighbours that know the addresses elsewhere find them late")
		}
	}
}

// hangups answers SIGHUP: everything is read again, the files and the kernel.
func (d *daemon) hangups(ctx context.Context, signals <-chan os.Signal, api daemonAPI) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-signals:
			d.log.Info().Msg("SIGHUP: reading everything again")
			_ = api.Reload() // what can be wrong with it is a name
		}
	}
}
