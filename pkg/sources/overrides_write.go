package sources

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gorb-io/gorb/pkg/spec"
)

const (
	// What is taken to the disk together at most. A batch that is too big for the disk fails as a whole.
	maxBatch      = 1024
	maxBatchBytes = 8 << 20
)

// ErrChanged says that overrides are others than the writer thinks: an If of its Write does not hold.
var ErrChanged = errors.New("it has changed meanwhile")

// Write is one change of one override.
type Write struct {
	// Its Key says which: that which lasts, or with an Until that which ends. With the Kind "" that is cleared.
	spec.Override

	If *uint64 // only if it has this revision now; 0: if there is none; nil: whatever there is
	// IfService has it written only if the overrides of its service and the backends of that have these revisions now, from the
	// least on; nil: whatever there is.
	IfService []uint64
	IfStore   *uint64 // only if this is the revision of the store now: nothing at all has been written since; nil: whatever it is
}

// Written is what came of a Write.
type Written struct {
	Revision uint64            // of the store after it: that of the last of the writes that changed something
	Was, Now []*StoredOverride // by write; nil: none. They are shared and must not be changed
	Entry    uint64            // in the audit; 0: none was asked for
}

// request is a caller who waits for his writes to be on disk.
type request struct {
	writes []Write
	entry  *Entry // nil: nothing goes into the audit

	amends uint64 // an entry of the audit; 0: it is not about that
	status int
	result string

	written Written
	err     error
	done    chan struct{} // closed when the two above are there
}

func (r *request) bytes() (n int) {
	for _, w := range r.writes {
		n += len(w.Body)
	}
	return n
}

// Write writes overrides, all of them or none, in their order, and what entry says into the audit, of which it fills in the
// revision. When it returns nil, a crash at any moment finds all that; with an error it finds nothing, but for one: what
// failed on its way to the disk may be there after a crash. Callers that come at once share one commit to the disk; what
// is wrong with the writes of one is no matter of the others.
//
// An override without a time is of now. A patch of what is set or patched at its key is merged into it, tables key by key; its
// reason, author and end are then those of the whole. A set or hide replaces what is there; a set of a service that says
// nothing of backends leaves it those it has. A patch of what is hidden is refused. To clear what is not there changes
// nothing. Until is a time of the wall clock: when the clock is set, the override ends when the clock says so.
//
// An error of the caller's is an *OverrideError, or ErrChanged. A caller whose context ends before its writes are on their way
// does not write.
func (s *OverrideStore) Write(ctx context.Context, writes []Write, entry *Entry) (Written, error) {
	r := &request{writes: slices.Clone(writes), done: make(chan struct{})}
	for i := range r.writes {
		w := &r.writes[i]
		if w.At.IsZero() {
			w.At = time.Now()
		}
		var err error
		if w.Override, err = tidy(w.Override); err != nil {
			return Written{}, err
		}
	}
	if entry != nil {
		e := entry.tidy()
		r.entry = &e
	}
	if err := ctx.Err(); err != nil {
		return Written{}, r.wrap(err)
	}
	s.enqueue(r)
	for {
		select {
		case <-r.done:
			return r.written, r.err
		case <-ctx.Done():
			if s.withdraw(r) {
				return Written{}, r.wrap(ctx.Err())
			}
			<-r.done // it is on its way to the disk
			return r.written, r.err
		case s.turn <- struct{}{}:
			s.commit()
			s.release()
		}
	}
}

// wrap says what an error is about.
func (r *request) wrap(err error) error {
	switch len(r.writes) {
	case 0:
		return fmt.Errorf("audit: %w", err)
	case 1:
		return fmt.Errorf("override of %s: %w", r.writes[0].Object(), err)
	}
	return fmt.Errorf("override of %s and %d more: %w", r.writes[0].Object(), len(r.writes)-1, err)
}

func (s *OverrideStore) enqueue(r *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = append(s.waiting, r)
}

// withdraw takes a request back if nobody has taken it to the disk yet.
func (s *OverrideStore) withdraw(r *request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.waiting, r)
	if i >= 0 {
		s.waiting = slices.Delete(s.waiting, i, i+1)
	}
	return i >= 0
}

// takeWaiting takes what is to be written together.
func (s *OverrideStore) takeWaiting() []*request {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, bytes := 0, 0
	for n < min(len(s.waiting), maxBatch) {
		if bytes += s.waiting[n].bytes(); n > 0 && bytes > maxBatchBytes {
			break
		}
		n++
	}
	batch := slices.Clone(s.waiting[:n])
	s.waiting = slices.Delete(s.waiting, 0, n)
	return batch
}

// commit writes what waits, as much as goes together, and reports whether anything did. Who calls it has the turn.
func (s *OverrideStore) commit() bool {
	batch := s.takeWaiting()
	if len(batch) == 0 {
		return false
	}
	was := s.state.Load()
	d := newDraft(was, time.Now())
	for _, r := range batch {
		if r.err = d.add(r); r.err != nil {
			r.written = Written{}
		}
	}
	if err := s.write(was, d); err != nil {
		for _, r := range batch {
			if r.err == nil {
				r.written, r.err = Written{}, r.wrap(err)
			}
		}
	}
	for _, r := range batch {
		close(r.done)
	}
	return true
}

// write makes a draft durable and then visible; with an error, what it amends is only visible.
func (s *OverrideStore) write(was *overrideState, d *draft) error {
	next := d.state()
	c := d.change(next)
	if c.empty() {
		return nil
	}
	err := s.save(was, next, c)
	if err != nil {
		s.state.Store(d.amendedAlone())
	}
	return err
}

// flush writes the amendments that wait, or if none does those that could not be written before, of which alone the error
// is. Who calls it does not have the turn.
func (s *OverrideStore) flush(ctx context.Context) error {
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.release()
	if s.commit() {
		trigger(s.amended) // what did not go with that is written after a while
		return nil
	}
	return s.catchUp()
}

// catchUp tries again to write the amendments that could not be written. Who calls it has the turn.
func (s *OverrideStore) catchUp() error {
	was := s.state.Load()
	if err := s.write(was, newDraft(was, time.Now())); err != nil {
		return fmt.Errorf("amend the audit (entries: %d): %w", len(was.behind), err)
	}
	return nil
}
