package kernel

import (
	"context"
	"maps"
	"slices"
	"sync"
)

// Fake is an IPVS table in memory that gives the kernel's answers: the same errno for the same mistake, destinations
// in the kernel's dump order, and connections that survive a deletion. The contract suite runs against it and the
// kernel alike. It is safe for concurrent use; the functions that fail are set before it is used.
type Fake struct {
	// Fail is called before each operation; a non-nil error is its answer, and nothing is done.
	Fail func(Op) error
	// FailObserve is called before each Observe, with its keys; a non-nil error is its answer.
	FailObserve func([]ServiceKey) error
	// FailHost is called before each SetTimeouts, StartSync and StopSync; a non-nil error is its answer, and nothing is
	// done.
	FailHost func(HostOp) error

	mu         sync.Mutex // guards everything below
	services   Table
	trash      map[trashKey]Conns
	ops        []Op
	statistics Statistics
	timeouts   Timeouts
	daemons    [2]SyncDaemon // the master and the backup; zero where none runs
	interfaces []string      // that there are; nil for any
}

// trashKey is what the kernel compares when it takes a destination back (ip_vs_trash_get_dest).
type trashKey struct {
	service ServiceKey
	dest    DestKey
}

// NewFake returns an empty table.
func NewFake() *Fake {
	return &Fake{
		services:   Table{},
		trash:      map[trashKey]Conns{},
		statistics: Statistics{},
		timeouts:   defaultTimeouts,
	}
}

// Observe returns the services with the given keys that exist; without keys, all.
func (f *Fake) Observe(ctx context.Context, keys ...ServiceKey) (Table, error) {
	if err := f.mayRead(ctx, keys); err != nil {
		return nil, readError(keys, err)
	}
	return f.Snapshot(keys...), nil
}

// ObserveStats is Observe with the statistics: those that SetStatistics gave, and zero for the rest.
func (f *Fake) ObserveStats(ctx context.Context, keys ...ServiceKey) (Table, Statistics, error) {
	if err := f.mayRead(ctx, keys); err != nil {
		return nil, nil, readError(keys, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.snapshotLocked(keys)
	statistics := make(Statistics, len(t))
	for k, v := range t {
		known := f.statistics[k]
		s := ServiceStats{Stats: known.Stats, Dests: make(map[DestKey]Stats, len(v.Dests))}
		for _, d := range v.Dests {
			s.Dests[d.DestKey] = known.Dests[d.DestKey]
		}
		statistics[k] = s
	}
	return t, statistics, nil
}

// mayRead says why services cannot be read.
func (f *Fake) mayRead(ctx context.Context, keys []ServiceKey) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, k := range keys {
		if err := refuseKey(k); err != nil {
			return err
		}
	}
	if f.FailObserve != nil {
		return f.FailObserve(keys)
	}
	return nil
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
	for i, d := range v.Dests {
		v.Dests[i].Dest = d.Dest.normal()
	}
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

// SetStatistics sets what a service and its destinations have carried. They are forgotten with the service, and come back
// with a destination that comes back to the same service, as the kernel takes it out of its trash.
func (f *Fake) SetStatistics(k ServiceKey, s ServiceStats) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s.Dests = maps.Clone(s.Dests)
	f.statistics[k] = s
}

// Ops returns the operations that were carried out so far, in order; those that failed are not among them.
func (f *Fake) Ops() []Op {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.ops)
}

// Snapshot returns the services with the given keys that exist, or all without keys, as Observe does, but never an
// error.
func (f *Fake) Snapshot(keys ...ServiceKey) Table {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.snapshotLocked(keys)
}

// String gives the table as Table.String does.
func (f *Fake) String() string { return f.Snapshot().String() }

func (f *Fake) snapshotLocked(keys []ServiceKey) Table {
	if len(keys) == 0 {
		t := make(Table, len(f.services))
		for k, v := range f.services {
			t[k] = observed(v)
		}
		return t
	}
	t := make(Table, len(keys))
	for _, k := range keys {
		if v, ok := f.services[k]; ok {
			t[k] = observed(v)
		}
	}
	return t
}

// observed is how a service reads: without the kernel's own flag, and not shared with the Fake.
func observed(v VirtualService) VirtualService {
	v.Service = v.Service.normal()
	v.Dests = slices.Clone(v.Dests)
	return v
}
