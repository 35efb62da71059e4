package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/reconcile"
	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// place returns which table this process would keep.
func place() (reconcile.Place, error) {
	boot, err := kernel.BootID()
	if err != nil {
		return reconcile.Place{}, err
	}
	namespace, err := kernel.NamespaceID()
	return reconcile.Place{BootID: boot, Namespace: namespace}, err
}

// observed returns the whole table of the kernel, loading and changing nothing.
func observed(ctx context.Context) (kernel.Table, error) {
	table, _, err := observedWith(ctx, nil)
	return table, err
}

// observedWith returns the table, and what a query asks for of what surrounds it; nil asks for nothing.
func observedWith(ctx context.Context, q *kernel.HostQuery) (kernel.Table, *kernel.HostState, error) {
	client, err := kernel.Open(ctx, kernel.Options{})
	if err != nil {
		return nil, nil, err
	}
	defer client.Close()
	table, err := client.Observe(ctx)
	if err != nil || q == nil {
		return table, nil, err
	}
	host, err := kernel.OpenHost(client)
	if err != nil {
		return nil, nil, err
	}
	defer host.Close()
	state, err := host.Observe(ctx, *q)
	return table, &state, err
}

// remembered returns what the memory of a state directory says about this table, for commands that only read. Where it
// cannot be read, gorb owns nothing as far as they can tell, and note says why.
func remembered(dir string) (memory reconcile.Memory, note error) {
	where, err := place()
	if err != nil {
		return reconcile.Memory{}, err
	}
	return reconcile.NewStore(dir, where).Load()
}

// tableFrom reads a table from a file, as `gorb export --format json` or `ipvsadm -Sn` wrote it. A JSON document begins
// with a brace, and a line of ipvsadm with a dash. The null device is the empty table.
func (p *program) tableFrom(ctx context.Context, name string) (kernel.Table, error) {
	if name == os.DevNull {
		return kernel.Table{}, nil
	}
	text, err := sources.ReadText(ctx, name, p.stdin)
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		return kernel.ParseRules(name, text)
	}
	doc, err := spec.Decode(name, spec.JSON, text)
	if err != nil {
		return nil, err
	}
	desired, err := spec.Merge(doc)
	if err != nil {
		return nil, err
	}
	if lacking := desired.NeedHost(); len(lacking) > 0 {
		return nil, fmt.Errorf("%s: services.%s: a table names every host", name, lacking[0])
	}
	return reconcile.WantedTable(desired), nil
}

// holding is everything that writing a table needs, held until release.
type holding struct {
	*reconcile.Keeper
	host     *kernel.Host // nil: what surrounds the table is left alone
	note     error        // why nothing is remembered, where that matters; nil
	unstored error        // why nothing can be written in the state directory, its disk being full or read-only; nil
	release  func() error
	reader   func(context.Context) (tableReader, error) // opens one that reads the table beside the Keeper
}

// hold opens the kernel, takes the table's lock and loads its memory. A disk that is full, or has become read-only, is no
// reason not to keep what that memory has.
func hold(ctx context.Context, stateDir string) (*holding, error) {
	client, err := kernel.Open(ctx, kernel.Options{LoadModule: true})
	if err != nil {
		return nil, err
	}
	if _, err := client.Info(ctx); errors.Is(err, syscall.EPERM) {
		return nil, errors.Join(err, client.Close()) // which no waiting mends
	}
	where, err := place()
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	store := reconcile.NewStore(stateDir, where)
	unstored := store.Prepare()
	if unstored != nil && !isDiskFault(unstored) {
		return nil, errors.Join(unstored, client.Close())
	}
	lock, err := reconcile.Acquire(where, stateDir)
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	host, err := kernel.OpenHost(client)
	if err != nil {
		return nil, errors.Join(err, client.Close(), lock.Release())
	}
	release := func() error { return errors.Join(host.Close(), client.Close(), lock.Release()) }
	if err := store.Sweep(); err != nil && !isDiskFault(err) {
		return nil, errors.Join(err, release())
	}
	memory, note := store.Load()
	if note != nil {
		table, err := client.Observe(ctx)
		if err != nil {
			return nil, errors.Join(err, release())
		}
		note = worthSaying(note, table)
	}
	return &holding{
		Keeper: reconcile.NewKeeper(client, host, store, memory),
		host:   host, note: note, unstored: unstored, release: release, reader: openReader,
	}, nil
}

// isDiskFault says whether a directory cannot be written for what is no mistake of the configuration's, and may pass.
func isDiskFault(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EROFS)
}

// worthSaying drops the note that nothing is remembered where that is no surprise: the first time, and after a reboot,
// when the kernel holds nothing that could have been gorb's.
func worthSaying(note error, table kernel.Table) error {
	if len(table) == 0 && errors.Is(note, reconcile.ErrForgotten) && !errors.Is(note, reconcile.ErrUnreadable) {
		return nil
	}
	return note
}
