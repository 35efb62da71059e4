package kernel

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"syscall"
)

// FakeHost is what surrounds an IPVS table, in memory, with the answers of Host. The contract suite runs against both.
// It is safe for concurrent use; the fields are set before it is used.
type FakeHost struct {
	// Table is the IPVS table, which has the timeouts and the synchronisation daemons. NewFakeHost gives an empty one. Its
	// own Fail functions are not called for what is done here.
	Table *Fake
	// Fail is called before each operation; a non-nil error is its answer, and nothing is done.
	Fail func(HostOp) error
	// FailObserve is called for each part of a query, with a query of that part alone; a non-nil error is its answer,
	// and that part is nil.
	FailObserve func(HostQuery) error

	mu      sync.Mutex      // guards everything below
	state   HostState       // but for Timeouts and Sync
	dummies map[string]bool // the interfaces of kind dummy
	ops     []HostOp
}

// NewFakeHost returns what a machine has that was just booted: the interface lo with its addresses, the timeouts and
// some of the settings of Linux 6.1, no synchronisation daemon.
func NewFakeHost() *FakeHost {
	return &FakeHost{
		Table: NewFake(),
		state: HostState{
			Sysctls: map[string]string{
				"conntrack": "0", "conn_reuse_mode": "1", "drop_entry": "0", "drop_packet": "0", "expire_nodest_conn": "0",
				"expire_quiescent_template": "0", "secure_tcp": "0", "sloppy_tcp": "0", "sync_threshold": "3 50",
			},
			Links: map[string]bool{"lo": true},
			Addresses: map[Address]bool{
				{"lo", netip.AddrFrom4([4]byte{127, 0, 0, 1})}: true,
				{"lo", netip.IPv6Loopback()}:                   true,
			},
		},
		dummies: map[string]bool{},
	}
}

// Observe returns what is asked for, as Host.Observe does.
func (f *FakeHost) Observe(ctx context.Context, q HostQuery) (HostState, error) {
	if err := ctx.Err(); err != nil {
		return HostState{}, err
	}
	var s HostState
	var errs []error
	read := func(part HostQuery, copyTo func()) {
		if f.FailObserve != nil {
			if err := f.FailObserve(part); err != nil {
				errs = append(errs, err)
				return
			}
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		copyTo()
	}
	if len(q.Sysctls) > 0 {
		read(HostQuery{Sysctls: q.Sysctls}, func() {
			s.Sysctls = maps.Clone(f.state.Sysctls)
			maps.DeleteFunc(s.Sysctls, func(name, _ string) bool { return !slices.Contains(q.Sysctls, name) })
		})
	}
	if q.Timeouts {
		read(HostQuery{Timeouts: true}, func() { s.Timeouts, _ = f.Table.global() })
	}
	if q.Sync {
		read(HostQuery{Sync: true}, func() { _, s.Sync = f.Table.global() })
	}
	if q.Addresses {
		read(HostQuery{Addresses: true}, func() {
			s.Links, s.Addresses = maps.Clone(f.state.Links), maps.Clone(f.state.Addresses)
		})
	}
	return s, errors.Join(errs...)
}

// Apply carries the operations out in order and returns an error or nil for each, as Host.Apply does.
func (f *FakeHost) Apply(ctx context.Context, ops []HostOp) []error {
	errs := make([]error, len(ops))
	for i, op := range ops {
		if err := f.apply(ctx, op); err != nil {
			errs[i] = &HostError{op, err}
		}
	}
	return errs
}

// Edit lets another hand change the state: f may change its maps and what its pointer leads to, which no one else uses
// meanwhile, and must leave no part nil. It is no operation: Ops does not tell of it.
func (f *FakeHost) Edit(change func(s *HostState)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.state
	s.Timeouts, s.Sync = f.Table.global()
	change(&s)
	f.Table.setGlobal(*s.Timeouts, s.Sync)
	s.Timeouts, s.Sync = nil, nil
	f.state = s
}

// Ops returns the operations that were carried out so far, in order; those that failed are not among them.
func (f *FakeHost) Ops() []HostOp {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.ops)
}

func (f *FakeHost) apply(ctx context.Context, op HostOp) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if f.Fail != nil {
		if err := f.Fail(op); err != nil {
			return err
		}
	}
	if err := refuseHost(op); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.applyLocked(op); err != nil {
		return err
	}
	f.ops = append(f.ops, op)
	return nil
}

func (f *FakeHost) applyLocked(op HostOp) error {
	s := &f.state
	switch op.Kind {
	case SetSysctl:
		if _, ok := s.Sysctls[op.Name]; !ok {
			return &missingSysctl{op.Name}
		}
		s.Sysctls[op.Name] = normalValue(op.Value)
	case SetTimeouts, StartSync, StopSync:
		return f.applyTableLocked(op)
	case AddLink, RaiseLink, DeleteLink:
		return f.applyLinkLocked(op)
	case AddAddress:
		if _, ok := s.Links[op.Address.Interface]; !ok {
			return f.missingLinkLocked(op.Address.Interface)
		}
		if s.Addresses[op.Address] {
			return syscall.EEXIST
		}
		s.Addresses[op.Address] = true
	case DeleteAddress: // done, too, if there is no such address or interface
		delete(s.Addresses, op.Address)
	}
	return nil
}

// applyLinkLocked knows only interfaces that AddLink made to be of kind dummy.
func (f *FakeHost) applyLinkLocked(op HostOp) error {
	name := op.Address.Interface
	_, there := f.state.Links[name]
	switch {
	case op.Kind == AddLink && there:
		return syscall.EEXIST
	case op.Kind == AddLink:
		f.dummies[name], f.state.Links[name] = true, true
	case op.Kind == RaiseLink && !there:
		return f.missingLinkLocked(name)
	case op.Kind == RaiseLink && !f.dummies[name]:
		return notDummy("physical", "set up")
	case op.Kind == RaiseLink:
		f.state.Links[name] = true
	case there && !f.dummies[name]:
		return notDummy("physical", "delete")
	default:
		delete(f.state.Links, name)
		delete(f.dummies, name)
		maps.DeleteFunc(f.state.Addresses, func(a Address, _ bool) bool { return a.Interface == name })
	}
	return nil
}

// applyTableLocked carries out what is the table's.
func (f *FakeHost) applyTableLocked(op HostOp) error {
	t := f.Table
	t.mu.Lock()
	defer t.mu.Unlock()
	switch op.Kind {
	case SetTimeouts:
		return t.setTimeoutsLocked(op.Timeouts)
	case StopSync:
		return t.stopSyncLocked(op.Sync.Role)
	}
	_, there := f.state.Links[op.Sync.Interface]
	err := t.startSyncLocked(op.Sync, there)
	if errors.Is(err, syscall.ENODEV) {
		return f.missingLinkLocked(op.Sync.Interface)
	}
	return err
}

func (f *FakeHost) missingLinkLocked(name string) error {
	return &missingLink{name, slices.Sorted(maps.Keys(f.state.Links))}
}
