package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/reconcile"
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
	client, err := kernel.Open(ctx, kernel.Options{})
	if err != nil {
		return nil, err
	}
	defer client.Close()
	return client.Observe(ctx)
}

// remembered returns what the memory of a state directory says about this table, for commands that only read. Where it
// cannot be read, gorb owns nothing as far as they can tell, and note says why.
func remembered(dir string) (memory reconcile.Memory, note error) {
	where, err := place()
	if err != nil {
		return nil, err
	}
	return reconcile.NewStore(dir, where).Load()
}

// tableFrom reads a table from a file, as `gorb export --format json` or `ipvsadm -Sn` wrote it. A JSON document begins
// with a brace, and a line of ipvsadm with a dash.
func (p *program) tableFrom(name string) (kernel.Table, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if len(text) > spec.MaxSize {
		return nil, fmt.Errorf("%s: it is over %d MiB", name, spec.MaxSize>>20)
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

// keeper opens everything that writing a table needs: the lock, the memory and the kernel. note says why nothing is
// remembered, where that is so; close gives all of it back.
func keeper(ctx context.Context, stateDir string) (k *reconcile.Keeper, note error, release func() error, err error) {
	where, err := place()
	if err != nil {
		return nil, nil, nil, err
	}
	store := reconcile.NewStore(stateDir, where)
	if err := store.Prepare(); err != nil {
		return nil, nil, nil, err
	}
	lock, err := reconcile.Acquire(where, stateDir)
	if err != nil {
		return nil, nil, nil, err
	}
	memory, note := store.Load()
	client, err := kernel.Open(ctx, kernel.Options{LoadModule: true})
	if err != nil {
		return nil, nil, nil, errors.Join(err, lock.Release())
	}
	release = func() error { return errors.Join(client.Close(), lock.Release()) }
	return reconcile.NewKeeper(client, store, memory), note, release, nil
}
