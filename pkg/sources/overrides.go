package sources

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorb-io/gorb/pkg/spec"
)

const (
	overridesName = "overrides.db"

	defaultLockWait = 2 * time.Second
	clockLook       = 30 * time.Second // how soon a change of the clock shows
)

// An OverrideStore has the overrides: in memory, and in overrides.db of the state directory where there is one. Of each
// object, a service or a backend of one, there is at most one that lasts, and one that ends, which lies over the others; what
// happens to one that is there says Write. Beside them it has the audit: who wrote what.
//
// All methods may be called from anywhere. Reading never waits for the disk.
type OverrideStore struct {
	file    *overrideFile // nil: in memory alone; belongs to who has turn
	state   atomic.Pointer[overrideState]
	turn    chan struct{} // of capacity one: full while somebody writes
	changed chan struct{} // of capacity one
	ending  chan struct{} // of capacity one: Run is to look at the times again
	amended chan struct{} // of capacity one: an amendment waits that Run is to write

	mu      sync.Mutex // guards waiting
	waiting []*request // what the next that has the turn writes
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
		amended: make(chan struct{}, 1),
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

// Close waits for the write that is under way, has all on disk that was amended, and gives the file and its lock back.
// Amendments that could not be written are tried once more; then the error says that they are lost. Nothing may be written
// after.
func (s *OverrideStore) Close() error {
	s.turn <- struct{}{}
	defer s.release()
	for s.commit() { // what was amended, until nothing waits
	}
	err := s.catchUp()
	if s.file == nil || s.file.open == nil {
		return err
	}
	err = errors.Join(err, s.file.open.close(nil))
	s.file.open = nil
	return err
}

// Get returns an override, if it is there and its time is not over.
func (s *OverrideStore) Get(key spec.OverrideKey) (StoredOverride, bool) {
	o := s.state.Load().get(key)
	if o == nil || o.ended(time.Now()) {
		return StoredOverride{}, false
	}
	return *o, true
}

// List returns all overrides by key, without those whose time is over. The bodies are shared and must not be changed.
func (s *OverrideStore) List() []StoredOverride { return inForce(s.state.Load().list) }

// Of is List of a service and its backends.
func (s *OverrideStore) Of(service string) []StoredOverride {
	return inForce(s.state.Load().of(service))
}

// inForce returns those whose time is not over.
func inForce(stored []*StoredOverride) []StoredOverride {
	now := time.Now()
	list := make([]StoredOverride, 0, len(stored))
	for _, o := range stored {
		if !o.ended(now) {
			list = append(list, *o)
		}
	}
	return list
}

// Kept returns what List does, and also those whose time is over and that Run has not ended yet, as the store has them:
// they are shared and must not be changed. One that is the same pointer as before is as it was.
func (s *OverrideStore) Kept() []*StoredOverride { return s.state.Load().list }

// Snapshot returns what List does in the order in which they lie over each other, for spec.MergeWith: those that last, and then
// those that end, each as they were last written. With it comes the revision of the store at that moment.
func (s *OverrideStore) Snapshot() ([]spec.Override, uint64) {
	now, state := time.Now(), s.state.Load()
	list := make([]spec.Override, 0, len(state.aged))
	var ending []spec.Override
	for _, o := range state.aged {
		switch {
		case !o.Ends():
			list = append(list, o.Override)
		case !o.ended(now):
			ending = append(ending, o.Override)
		}
	}
	return append(list, ending...), state.revision
}

// Revision is that of the last change of the overrides.
func (s *OverrideStore) Revision() uint64 { return s.state.Load().revision }

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
	was := s.state.Swap(next)
	if was.revision == next.revision {
		return // it was about the audit alone
	}
	trigger(s.changed)
	trigger(s.ending)
}
