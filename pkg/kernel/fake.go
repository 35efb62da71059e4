package kernel

import (
	"context"
	"maps"
	"slices"
	"sync"
)

// Fake is an IPVS table in memory that gives the kernel's answers: the same errno for the same mistake, destinations
// in the kernel's dump order, and connections that survive a deletion. The contract suite runs against it and the
// kernel alike. It is safe for concurrent use; Fail and FailObserve are set before it is used.
type Fake struct {
	// Fail is called before each operation; a non-nil error is its answer, and nothing is done.
	Fail func(Op) error
	// FailObserve is called before each Observe, with its keys; a non-nil error is its answer.
	FailObserve func([]ServiceKey) error

	mu       sync.Mutex // guards everything below
	services Table
	trash    map[trashKey]Conns
	ops      []Op
}

// trashKey is what the kernel compares when it takes a destination back (ip_vs_trash_get_dest).
type trashKey struct {
	service ServiceKey
	dest    DestKey
}

// NewFake returns an empty table.
func NewFake() *Fake {
	return &Fake{services: Table{}, trash: map[trashKey]Conns{}}
}

// Observe returns the services with the given keys that exist; without keys, all.
func (f *Fake) Observe(ctx context.Context, keys ...ServiceKey) (Table, error) {
	if err := ctx.Err(); err != nil {
		return nil, readError(keys, err)
	}
	for _, k := range keys {
		if err := refuseKey(k); err != nil {
			return nil, readError(keys, err)
		}
	}
	if f.FailObserve != nil {
		if err := f.FailObserve(keys); err != nil {
			return nil, readError(keys, err)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(keys) == 0 {
		return f.snapshotLocked(), nil
	}
	t := Table{}
	for _, k := range keys {
		if v, ok := f.services[k]; ok {
			t[k] = observed(v)
		}
	}
	return t, nil
}

// Apply carries the operations out in order and returns an error or nil for each.
func (f *Fake) Apply(ctx context.Context, ops []Op) []error {
	errs := make([]error, len(ops))
	for i, op := range ops {
		if err := f.apply(ctx, op); err != nil {
			errs[i] = &OpError{op, err}
		}
	}
	return errs
}

// Close does nothing.
func (f *Fake) Close() error { return nil }

// Put stores a service as another tool would have made it, destinations in dump order, in place of the one there is.
// It is no operation: Ops does not tell of it.
func (f *Fake) Put(k ServiceKey, v VirtualService) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v.Dests = slices.Clone(v.Dests)
	f.services[k] = v
}

// SetConns sets the connections of a destination, in the table or in the trash; it does nothing for one that is in
// neither.
func (f *Fake) SetConns(k ServiceKey, d DestKey, c Conns) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v := f.services[k]
	if i := v.index(d); i >= 0 {
		v.Dests[i].Conns = c
	} else if key := (trashKey{k, d}); f.trash[key] != (Conns{}) {
		f.discard(key, c)
	}
}

// Ops returns the operations that were carried out so far, in order; those that failed are not among them.
func (f *Fake) Ops() []Op {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.ops)
}

// Snapshot returns the table, as Observe does, but never an error.
func (f *Fake) Snapshot() Table {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.snapshotLocked()
}

// String gives the table as Table.String does.
func (f *Fake) String() string { return f.Snapshot().String() }

func (f *Fake) snapshotLocked() Table {
	t := maps.Clone(f.services)
	for k, v := range t {
		t[k] = observed(v)
	}
	return t
}

// observed is how a service reads: without the kernel's own flag, and not shared with the Fake.
func observed(v VirtualService) VirtualService {
	v.Service = v.Service.normal()
	v.Dests = slices.Clone(v.Dests)
	return v
}
