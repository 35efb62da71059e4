package sources

import (
	"slices"
	"strings"
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
func (o StoredOverride) weight() int {
	const rest = 256
	return len(o.Object()) + len(o.Body) + len(o.Reason) + len(o.By) + rest
}

// ended says whether an override's time is over.
func (o StoredOverride) ended(now time.Time) bool { return !o.Until.IsZero() && !now.Before(o.Until) }

// overrideState is all overrides at one time. It is never changed once made.
type overrideState struct {
	list     []StoredOverride // by object
	bytes    int              // their weights
	revision uint64           // the last that was given
}

func (s *overrideState) find(object string) (int, bool) {
	return slices.BinarySearchFunc(s.list, object, func(o StoredOverride, object string) int {
		return strings.Compare(o.Object(), object)
	})
}

// with returns the state with an override more, or in place of the one of its object.
func (s *overrideState) with(o StoredOverride) *overrideState {
	next := &overrideState{bytes: s.bytes + o.weight(), revision: max(s.revision, o.Revision)}
	i, found := s.find(o.Object())
	rest := s.list[i:]
	if found {
		next.bytes -= rest[0].weight()
		rest = rest[1:]
	}
	next.list = slices.Concat(s.list[:i], []StoredOverride{o}, rest)
	return next
}

// without returns the state without some, and their objects.
func (s *overrideState) without(gone func(StoredOverride) bool) (next *overrideState, objects []string) {
	next = &overrideState{revision: s.revision}
	for _, o := range s.list {
		if gone(o) {
			objects = append(objects, o.Object())
			continue
		}
		next.list = append(next.list, o)
		next.bytes += o.weight()
	}
	return next, objects
}

// same says whether two states hold the same writes.
func (s *overrideState) same(o *overrideState) bool {
	return slices.EqualFunc(s.list, o.list, func(a, b StoredOverride) bool {
		return a.Revision == b.Revision && a.Object() == b.Object()
	})
}
