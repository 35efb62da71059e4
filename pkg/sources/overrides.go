package sources

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/gorb-io/gorb/pkg/spec"
)

const (
	overridesName = "overrides.db"

	defaultLockWait = 2 * time.Second
	clockLook       = 30 * time.Second // how soon a change of the clock shows
)

// An OverrideStore has the overrides: in memory, and in overrides.db of the state directory where there is one. There is
// at most one of each object, a service or a backend of one; what happens to the one that is there says Put.
//
// All methods may be called from anywhere. Reading never waits for the disk.
type OverrideStore struct {
	file    *overrideFile // nil: in memory alone; belongs to who has turn
	state   atomic.Pointer[overrideState]
	turn    chan struct{} // of capacity one: full while somebody writes
	changed chan struct{} // of capacity one
	ending  chan struct{} // of capacity one: Run is to look at the times again
}

// OpenOverrides opens the store of a state directory, and takes its lock, for which it waits two seconds. With an empty
// dir nothing is durable: overrides end with the process.
//
// The error may come with a store, which then can be used: part of the file was damaged, and is kept under another name
// (ErrSetAside), or it cannot be written now and writes will try again. Without a store, the file is in use, is not
// readable, or is of a newer gorb, and was left alone.
func OpenOverrides(dir string) (*OverrideStore, error) {
	s := &OverrideStore{
		turn:    make(chan struct{}, 1),
		changed: make(chan struct{}, 1),
		ending:  make(chan struct{}, 1),
	}
	state := &overrideState{}
	var err error
	if dir != "" {
		s.file = &overrideFile{path: filepath.Join(dir, overridesName), wait: defaultLockWait}
		if state, err = s.file.begin(); state == nil {
			return nil, fmt.Errorf("overrides: %w", err)
		}
	}
	s.state.Store(state)
	if err != nil {
		return s, fmt.Errorf("overrides: %w", err)
	}
	return s, nil
}

// Close waits for the write that is under way, and gives the file and its lock back. Nothing may be written after.
func (s *OverrideStore) Close() error {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	if s.file == nil || s.file.open == nil {
		return nil
	}
	err := s.file.open.close(nil)
	s.file.open = nil
	return err
}

// Put writes an override; when it returns nil, a crash at any moment finds it. It returns what is stored: the time is
// now where o has none, and a patch of what is set or patched is merged into it, tables key by key; its reason, author
// and end are then those of the whole. A set or hide replaces what is there. A patch of what is hidden is refused, and
// one of which the end would be a surprise: with an end over one without, or the reverse.
//
// Until is a time of the wall clock: when the clock is set, the override ends when the clock says so. An error of the
// caller's is an *OverrideError. With any error nothing has changed, but for one: a write that failed on its way to the
// disk may be there after a crash.
func (s *OverrideStore) Put(ctx context.Context, o spec.Override) (StoredOverride, error) {
	if o.At.IsZero() {
		o.At = time.Now()
	}
	o, err := tidy(o)
	if err != nil {
		return StoredOverride{}, err
	}
	if err := s.take(ctx); err != nil {
		return StoredOverride{}, fmt.Errorf("override of %s: %w", o.Object(), err)
	}
	defer s.release()
	was, now := s.state.Load(), time.Now()
	if !o.Until.IsZero() && !now.Before(o.Until) {
		return StoredOverride{}, refuse(Invalid, o, "it would end at %s, which is over", o.Until.Format(time.RFC3339))
	}
	if i, found := was.find(o.Object()); found && !was.list[i].ended(now) {
		if o, err = over(was.list[i].Override, o); err != nil {
			return StoredOverride{}, err
		}
	}
	stored := StoredOverride{Override: o, Revision: was.revision + 1}
	next := was.with(stored)
	switch {
	case len(next.list) > maxOverrides:
		return StoredOverride{}, refuse(Full, o, "there are %d overrides already, and no more can be kept", maxOverrides)
	case next.bytes > maxOverrideBytes && next.bytes > was.bytes:
		return StoredOverride{}, refuse(Full, o, "all overrides together would be over %d MiB", maxOverrideBytes>>20)
	}
	if err := s.save(was, next, change{put: []StoredOverride{stored}}); err != nil {
		return StoredOverride{}, fmt.Errorf("override of %s: %w", o.Object(), err)
	}
	return stored, nil
}

// Delete removes the override of a service, or of a backend, durably, and returns what it was. It is an *OverrideError
// that there is none.
func (s *OverrideStore) Delete(ctx context.Context, service, backend string) (StoredOverride, error) {
	about := spec.Override{Service: service, Backend: backend}
	if err := s.take(ctx); err != nil {
		return StoredOverride{}, fmt.Errorf("override of %s: %w", about.Object(), err)
	}
	defer s.release()
	was := s.state.Load()
	i, found := was.find(about.Object())
	if !found {
		return StoredOverride{}, &OverrideError{Missing, quoteShort(about.Object()), "there is none"}
	}
	next, gone := was.without(func(o StoredOverride) bool { return o.Object() == about.Object() })
	next.revision++
	if err := s.save(was, next, change{remove: gone}); err != nil {
		return StoredOverride{}, fmt.Errorf("override of %s: %w", about.Object(), err)
	}
	return was.list[i], nil
}

// List returns all overrides by object, without those whose time is over. The bodies are shared and must not be changed.
func (s *OverrideStore) List() []StoredOverride {
	now := time.Now()
	return slices.DeleteFunc(slices.Clone(s.state.Load().list), func(o StoredOverride) bool { return o.ended(now) })
}

// Snapshot returns what List does in the order in which they were last written, for spec.MergeWith.
func (s *OverrideStore) Snapshot() []spec.Override {
	list := s.List()
	slices.SortFunc(list, func(a, b StoredOverride) int { return cmp.Compare(a.Revision, b.Revision) })
	out := make([]spec.Override, len(list))
	for i, o := range list {
		out[i] = o.Override
	}
	return out
}

// Changed returns a channel of capacity one that has a token when Snapshot may be other than before. It is for one
// consumer.
func (s *OverrideStore) Changed() <-chan struct{} { return s.changed }

// take waits for the turn to write.
func (s *OverrideStore) take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case s.turn <- struct{}{}:
		return nil
	}
}

func (s *OverrideStore) release() { <-s.turn }

// save makes a change durable and then visible. Who calls it has the turn.
func (s *OverrideStore) save(was, next *overrideState, c change) error {
	if s.file != nil {
		c.revision = next.revision
		if err := s.file.save(was, next, c); err != nil {
			return err
		}
	}
	s.show(next)
	return nil
}

func (s *OverrideStore) show(next *overrideState) {
	s.state.Store(next)
	trigger(s.changed)
	trigger(s.ending)
}
