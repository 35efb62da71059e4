package sources

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/gorb-io/gorb/pkg/spec"
)

// StoredOverride is an override that the store has.
type StoredOverride struct {
	spec.Override
	// Revision is greater than that of all that were written before it.
	Revision uint64
}

// weight is what an override counts toward maxOverrideBytes: about what it takes in the file.
func (o *StoredOverride) weight() int {
	const rest = 256
	return len(o.Object()) + len(o.Body) + len(o.Reason) + len(o.By) + rest
}

// ended says whether an override's time is over.
func (o *StoredOverride) ended(now time.Time) bool {
	return !o.Until.IsZero() && !now.Before(o.Until)
}

// overrideState is all overrides at one time, and the audit. It is never changed once made.
type overrideState struct {
	list     []*StoredOverride // by key
	aged     []*StoredOverride // the same by revision, the oldest first
	bytes    int               // their weights
	revision uint64            // the last that was given
	audit    []*Entry          // the last of them, by ID
	behind   []uint64          // those of them that were amended, and are not on disk so
}

// stateOf is the state of some overrides, in any order.
func stateOf(list []*StoredOverride, revision uint64, audit []*Entry) *overrideState {
	s := &overrideState{list: slices.Clone(list), aged: slices.Clone(list), revision: revision, audit: audit}
	slices.SortFunc(s.list, func(a, b *StoredOverride) int { return a.Key().Compare(b.Key()) })
	slices.SortFunc(s.aged, func(a, b *StoredOverride) int { return cmp.Compare(a.Revision, b.Revision) })
	for _, o := range list {
		s.bytes += o.weight()
		s.revision = max(s.revision, o.Revision)
	}
	return s
}

func (s *overrideState) find(key spec.OverrideKey) (int, bool) {
	return slices.BinarySearchFunc(s.list, key, func(o *StoredOverride, key spec.OverrideKey) int {
		return o.Key().Compare(key)
	})
}

// get returns an override; nil where there is none.
func (s *overrideState) get(key spec.OverrideKey) *StoredOverride {
	if i, found := s.find(key); found {
		return s.list[i]
	}
	return nil
}

// of returns the overrides of a service and its backends.
func (s *overrideState) of(service string) []*StoredOverride {
	first, _ := s.find(spec.OverrideKey{Service: service})
	last := first
	for last < len(s.list) && s.list[last].Service == service {
		last++
	}
	return s.list[first:last]
}

// with returns the state with other overrides at some keys, or without any where it is nil. However many those are, what
// stays is copied once, and of it the pointers alone.
func (s *overrideState) with(changes map[spec.OverrideKey]*StoredOverride, revision uint64) *overrideState {
	next := &overrideState{bytes: s.bytes, revision: revision, audit: s.audit}
	if len(changes) == 0 {
		next.list, next.aged = s.list, s.aged
		return next
	}
	next.list = make([]*StoredOverride, 0, len(s.list)+len(changes))
	var gone, fresh []*StoredOverride
	done := 0
	for _, key := range slices.SortedFunc(maps.Keys(changes), spec.OverrideKey.Compare) {
		i, found := s.find(key)
		next.list = append(next.list, s.list[done:i]...)
		if done = i; found {
			gone = append(gone, s.list[i])
			done++
		}
		if o := changes[key]; o != nil {
			next.list = append(next.list, o)
			fresh = append(fresh, o)
		}
	}
	next.list = append(next.list, s.list[done:]...)
	next.age(s.aged, gone, fresh)
	return next
}

// age makes the list by revision of the one before. What is fresh has greater revisions than that.
func (s *overrideState) age(was, gone, fresh []*StoredOverride) {
	byAge := func(a, b *StoredOverride) int { return cmp.Compare(a.Revision, b.Revision) }
	slices.SortFunc(gone, byAge)
	slices.SortFunc(fresh, byAge)
	left := make(map[*StoredOverride]bool, len(gone))
	for _, o := range gone {
		left[o] = true
		s.bytes -= o.weight()
	}
	s.aged = make([]*StoredOverride, 0, len(s.list))
	for _, o := range was {
		for len(gone) > 0 && gone[0].Revision < o.Revision {
			gone = gone[1:]
		}
		if len(gone) == 0 || gone[0].Revision != o.Revision || !left[o] {
			s.aged = append(s.aged, o)
		}
	}
	s.aged = append(s.aged, fresh...)
	for _, o := range fresh {
		s.bytes += o.weight()
	}
}

// same says whether two states hold the same writes.
func (s *overrideState) same(o *overrideState) bool {
	return s.lastEntry() == o.lastEntry() && slices.EqualFunc(s.list, o.list, func(a, b *StoredOverride) bool {
		return a.Revision == b.Revision && a.Key() == b.Key()
	})
}

// lastEntry is the ID of the newest entry of the audit; 0: there is none.
func (s *overrideState) lastEntry() uint64 {
	if n := len(s.audit); n > 0 {
		return s.audit[n-1].ID
	}
	return 0
}
