package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"syscall"

	"github.com/rs/zerolog"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/reconcile"
	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

func runCommand() *command {
	return &command{
		name:    "run",
		args:    "[FILE...]",
		summary: "keep the kernel's table what the files declare (plain 'gorb' does the same)",
		text: `Reads the files, each a layer over the one before, makes the kernel's IPVS table what
they declare, and keeps it so: a file that is saved counts within a second, and what
others change in the table behind its back is put right. Without FILE it reads
` + defaultFile + `; where that is missing, nothing is declared and nothing is
touched until it appears. A file that is bad changes nothing, says why in the log, and
the last good one stays in force. SIGHUP reads everything again at once. SIGTERM ends
gorb and leaves the table as it is: the kernel forwards without it.

Backends that leave go to weight 0 and are deleted once they have no connections.
Services that gorb did not make and the configuration does not name are left alone, and
so is what it does not declare of settings, timeouts, synchronisation and addresses.`,
		examples: []string{"gorb run gorb.toml", "gorb run -i eth1 base.toml site.toml", "gorb run --log-format json -v gorb.toml"},
		flags: func(p *program, fs *pflag.FlagSet) func(context.Context, []string) error {
			d := &daemon{program: p}
			d.files.declare(fs)
			fs.StringVarP(&d.listen, "listen", "l", "", "address of the API; accepted, and nothing listens yet")
			fs.BoolVarP(&d.flush, "flush", "f", false, "at the start remove every service that is not declared, whoever made it, at once")
			fs.StringVarP(&d.consul, "consul", "c", "", "address of Consul; not yet supported")
			verbose := fs.BoolP("verbose", "v", false, "the same as --log-level debug")
			level := fs.String("log-level", "info", "debug, info, warn or error")
			format := fs.String("log-format", "auto", "console, json, or auto: console on a terminal")
			return func(ctx context.Context, args []string) error {
				if d.consul != "" {
					return &usageError{err: errors.New("-c: Consul is not yet supported")}
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
	listen string
	consul string
	flush  bool
	log    zerolog.Logger

	// unlisted is whether the default file is missing: nothing is declared, and nothing known.
	unlisted bool
}

// run reads the configuration, opens what the table needs, and keeps the table until ctx ends.
func (d *daemon) run(ctx context.Context, names []string) error {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP) // first of all: until then SIGHUP ends the process
	defer signal.Stop(hangups)
	first, watched, err := d.start(ctx, names)
	if err != nil {
		return err
	}
	table, err := hold(ctx, first.Gorb.StateDir)
	if err != nil {
		return err
	}
	defer func() {
		if err := table.release(); err != nil {
			d.log.Error().Err(err).Msg("the table's lock or socket did not close well")
		}
	}()
	d.announce(table)
	table.host.Announced = func(_ []kernel.Address, errs []error) {
		if err := reconcile.Join(appendErrors(nil, errs...)); err != nil {
			d.log.Warn().Err(err).Msg("neighbours that know the addresses elsewhere find them late")
		}
	}

	layers := sources.NewLayers(d.log, sources.Tops(watched...), func(n *spec.Desired) (*spec.Desired, error) {
		return d.finish(first, n)
	})
	if !d.flush {
		layers.Before = table.Owned()
	}
	reconciler := reconcile.New(table.Keeper, d.flush, d.log)
	desired := make(chan *spec.Desired)
	asked := make(chan struct{}, 1)
	addresses := make(chan struct{}, 1)
	g, ctx := errgroup.WithContext(ctx)
	if d.unlisted && d.flush {
		g.Go(func() error { // asked for: an empty configuration counts, and everything goes
			select {
			case desired <- first:
			case <-ctx.Done():
			}
			return nil
		})
	}
	g.Go(func() error { return layers.Run(ctx, desired) })
	g.Go(func() error {
		return reconciler.Run(ctx, reconcile.Wakes{Desired: desired, Asked: asked, Addresses: addresses})
	})
	g.Go(func() error {
		if err := table.host.Watch(ctx, addresses); err != nil {
			d.log.Error().Err(err).Msg("an address that somebody takes away comes back only at the resync")
		}
		return nil
	})
	g.Go(func() error { return d.reload(ctx, hangups, layers, asked) })
	err = g.Wait()
	d.log.Info().Msg("ended; the table stays as it is")
	return err
}

// start reads every file once. A missing default file is no error: the configuration is empty.
func (d *daemon) start(ctx context.Context, names []string) (*spec.Desired, []*sources.File, error) {
	format, err := d.files.formatOf()
	if err != nil {
		return nil, nil, err
	}
	var docs []*spec.Document
	if len(names) == 0 {
		names = []string{defaultFile}
		_, err := os.Stat(defaultFile)
		d.unlisted = errors.Is(err, fs.ErrNotExist)
	}
	if !d.unlisted {
		if docs, err = d.read(ctx, &d.files, names); err != nil {
			return nil, nil, err
		}
	}
	var watched []*sources.File
	for i, name := range names {
		var doc *spec.Document
		if !d.unlisted {
			doc = docs[i]
		}
		watched = append(watched, sources.NewFile(name, i, format, d.log, doc))
	}
	desired, err := spec.Merge(docs...)
	if err != nil {
		return nil, nil, err
	}
	desired, err = resolve(d.files.override(desired))
	return desired, watched, err
}

// finish does to each merged configuration what does not come from files.
func (d *daemon) finish(first, next *spec.Desired) (*spec.Desired, error) {
	next, err := resolve(d.files.override(next))
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
		d.log.Warn().Str("file", defaultFile).Msg("the file is missing, so the configuration is empty; " +
			"what gorb made before stays until it appears")
	}
	if table.note != nil {
		d.log.Warn().Err(table.note).Msg("services in the kernel are left alone unless the configuration names them")
	}
	if table.full != nil {
		d.log.Warn().Err(table.full).Msg("what is gorb's already is kept, and nothing is made that could not be remembered")
	}
	d.log.Info().Msg("health checks are not made yet: every backend counts as up")
	if d.listen != "" {
		d.log.Info().Str("listen", d.listen).Msg("the API is not there yet: nothing listens")
	}
}

// reload answers SIGHUP: everything is read again, the files and the kernel.
func (d *daemon) reload(ctx context.Context, hangups <-chan os.Signal, layers *sources.Layers, asked chan<- struct{}) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hangups:
			d.log.Info().Msg("SIGHUP: reading everything again")
			layers.Reload()
			select {
			case asked <- struct{}{}:
			default: // one is on its way
			}
		}
	}
}
