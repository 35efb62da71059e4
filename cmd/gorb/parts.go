package main

import (
	"context"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gorb-io/gorb/pkg/httpapi"
	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/probe"
	"github.com/gorb-io/gorb/pkg/reconcile"
	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// parts are those of a daemon that go on until it ends, each in a goroutine of its own.
type parts struct {
	first      *spec.Desired // as it was read at the start
	table      *holding
	overrides  *sources.OverrideStore
	copies     *sources.LastGood
	layers     *sources.Layers
	registrar  *sources.Registrar
	access     *httpapi.Access
	hub        *httpapi.Hub
	live       *liveness
	engine     *probe.Engine
	reconciler *reconcile.Reconciler
	newer      chan struct{} // of capacity one: something else counts than before
}

// assemble makes the parts, and has each told what it needs of the others.
func (d *daemon) assemble(first *spec.Desired, tops []sources.Top, table *holding, overrides *sources.OverrideStore) *parts {
	p := &parts{first: first, table: table, overrides: overrides, copies: sources.NewLastGood(first.Gorb.StateDir), newer: make(chan struct{}, 1)}
	p.layers = d.layers(p, tops)
	p.registrar = d.registrar(first, p.layers)
	atStart := d.atStart(first.Gorb)
	p.live = &liveness{wake: p.registrar.Wake}
	p.registrar.Live = p.live.of
	p.access, p.hub = httpapi.NewAccess(d.log, time.Now), httpapi.NewHub(httpapi.EventLimits{})
	p.access.Changed = p.hub.CutAll
	use := d.accessUse(p.access)
	use(first)
	p.layers.Newer = func() {
		p.registrar.Wake()
		atStart(p.layers.Desired())
		use(p.layers.Desired())
		select {
		case p.newer <- struct{}{}:
		default: // it knows
		}
	}
	p.engine = probe.New(nil, d.log)
	table.Check(p.engine, new(probe.Kinds).Watches, p.live.note)
	p.reconciler = reconcile.New(table.Keeper, d.flush, d.log)
	return p
}

// layers are the sources of the tops, with the overrides over them.
func (d *daemon) layers(p *parts, tops []sources.Top) *sources.Layers {
	layers := sources.NewLayers(d.log, tops, func(n *spec.Desired) (*spec.Desired, error) {
		return d.finish(p.first, n)
	})
	layers.StartTimeout = p.first.Gorb.StartTimeout
	layers.Copies, layers.Overrides = sources.Copies{Files: p.copies}, p.overrides
	layers.Open = func(s spec.SourceDecl, layer int) (sources.Source, error) { return sources.Open(s, layer, d.log) }
	if !d.flush {
		layers.Before = p.table.Owned()
	}
	return layers
}

// keep has the parts go on, and so keeps the table, until ctx ends.
func (d *daemon) keep(ctx context.Context, p *parts, hangups <-chan os.Signal) error {
	reader, err := p.table.reader(ctx)
	if err != nil {
		return err
	}
	view := newTableView(reader, p.reconciler.Written)
	defer d.closed("the reader of the table", view.Close)
	asked := make(chan struct{}, 1)
	api := daemonAPI{
		Layers: p.layers, OverrideStore: p.overrides, reconciler: p.reconciler, registrar: p.registrar,
		asked: asked, stateDir: p.first.Gorb.StateDir, live: p.live, engine: p.engine, view: view, tcp: newListening(p.access),
	}
	chronicle := newChronicle(api, api, p.hub.Publish)
	p.layers.Published = chronicle.wake
	p.reconciler.Tell(chronicle.events())
	desired, addresses := make(chan *spec.Desired), make(chan struct{}, 1)
	wakes := reconcile.Wakes{Desired: desired, Asked: asked, Addresses: addresses}

	g, ctx := errgroup.WithContext(ctx)
	if d.unlisted && d.flush {
		g.Go(func() error { return empty(ctx, desired, p.first) })
	}
	g.Go(func() error { return p.layers.Run(ctx, desired) })
	g.Go(func() error { return p.overrides.Run(ctx, d.log) })
	g.Go(func() error { return p.registrar.Run(ctx) })
	g.Go(func() error { return p.engine.Run(ctx) })
	g.Go(func() error { return p.hub.Run(ctx) })
	g.Go(func() error { return chronicle.Run(ctx) })
	g.Go(func() error { return keepMemory(ctx, p.newer, p.layers.Desired) })
	g.Go(func() error { return p.reconciler.Run(ctx, wakes) })
	g.Go(func() error { return d.watch(ctx, p.table.host, addresses) })
	g.Go(func() error { return d.hangups(ctx, hangups, api) })
	g.Go(func() error { return d.serving(api, p.access, p.hub, p.first.Gorb).run(ctx) })
	err = g.Wait()
	d.prune(p.copies, p.layers.Status())
	d.log.Info().Msg("ended; the table stays as it is")
	return err
}

// empty has an empty configuration count, as was asked for: everything goes.
func empty(ctx context.Context, desired chan<- *spec.Desired, nothing *spec.Desired) error {
	select {
	case desired <- nothing:
	case <-ctx.Done():
	}
	return nil
}

// watch says when an interface or an address of the host changes. Without a host, nil, none does.
func (d *daemon) watch(ctx context.Context, host *kernel.Host, addresses chan<- struct{}) error {
	if host == nil {
		return nil
	}
	if err := host.Watch(ctx, addresses); err != nil {
		d.log.Error().Err(err).Msg("an address that somebody takes away comes back only at the resync")
	}
	return nil
}

// closed closes something at the end.
func (d *daemon) closed(what string, close func() error) {
	if err := close(); err != nil {
		d.log.Error().Err(err).Msg(what + " did not close well")
	}
}
