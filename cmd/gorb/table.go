package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
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
	text, err := p.readTable(name)
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

// readTable reads a file, or standard input for "-", up to what is too much.
func (p *program) readTable(name string) ([]byte, error) {
	limited := func(r io.Reader) ([]byte, error) { return io.ReadAll(io.LimitReader(r, spec.MaxSize+1)) }
	if name == "-" {
		return limited(p.stdin)
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode(); !mode.IsRegular() && mode&fs.ModeNamedPipe == 0 && name != os.DevNull {
		return nil, fmt.Errorf("%s: it is not a file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return limited(f)
}

// holding is everything that writing a table needs, held until release.
type holding struct {
	*reconcile.Keeper
	note    error // why nothing is remembered, where that matters; nil
	release func() error
}

// hold opens the kernel, takes the table's lock and loads its memory.
func hold(ctx context.Context, stateDir string) (*holding, error) {
	client, err := kernel.Open(ctx, kernel.Options{LoadModule: true})
	if err != nil {
		return nil, err
	}
	where, err := place()
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	store := reconcile.NewStore(stateDir, where)
	if err := store.Prepare(); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	lock, err := reconcile.Acquire(where, stateDir)
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	release := func() error { return errors.Join(client.Close(), lock.Release()) }
	if err := store.Sweep(); err != nil {
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
	return &holding{Keeper: reconcile.NewKeeper(client, store, memory), note: note, release: release}, nil
}

// worthSaying drops the note that nothing is remembered where that is no surprise: the first time, and after a reboot,
// when the kernel holds nothing that could have been gorb's.
func worthSaying(note error, table kernel.Table) error {
	if len(table) == 0 && !errors.Is(note, reconcile.ErrUnreadable) {
		return nil
	}
	return note
}
