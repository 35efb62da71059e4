package sources

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/gorb-io/gorb/pkg/spec"
)

// draft is the next state while it is made of many requests.
type draft struct {
	was      *overrideState
	now      time.Time
	changes  map[spec.OverrideKey]*StoredOverride // by key; nil: cleared
	revision uint64
	count    int
	bytes    int
	entries  []*Entry          // new ones of the audit
	amended  map[uint64]*Entry // others instead of those that were there
}

func newDraft(was *overrideState, now time.Time) *draft {
	d := &draft{
		was: was, now: now, revision: was.revision, count: len(was.list), bytes: was.bytes,
		changes: make(map[spec.OverrideKey]*StoredOverride), amended: make(map[uint64]*Entry),
	}
	for _, id := range was.behind {
		d.own(id)
	}
	return d
}

// stored is an override as the draft has it, be its time over or not.
func (d *draft) stored(key spec.OverrideKey) *StoredOverride {
	if o, changed := d.changes[key]; changed {
		return o
	}
	return d.was.get(key)
}

// add takes in a request, or returns why not; then nothing of it is taken in.
func (d *draft) add(r *request) error {
	if r.amends != 0 {
		d.amend(r)
		return nil
	}
	before := *d
	before.changes = make(map[spec.OverrideKey]*StoredOverride, len(r.writes)) // of what the request is about
	known := make(map[spec.OverrideKey]bool, len(r.writes))
	for _, w := range r.writes {
		key := w.Key()
		before.changes[key], known[key] = d.changes[key], d.has(key)
	}
	for _, w := range r.writes {
		was, now, err := d.write(w)
		if err != nil {
			all := d.changes
			for key, o := range before.changes {
				if all[key] = o; !known[key] {
					delete(all, key)
				}
			}
			*d = before
			d.changes = all
			return err
		}
		r.written.Was, r.written.Now = append(r.written.Was, was), append(r.written.Now, now)
	}
	r.written.Revision = d.revision
	if r.entry != nil {
		r.written.Entry = d.record(r.entry, len(r.writes) > 0)
	}
	return nil
}

func (d *draft) has(key spec.OverrideKey) bool { _, ok := d.changes[key]; return ok }

// write takes in one write and returns what was there and what is.
func (d *draft) write(w Write) (was, now *StoredOverride, err error) {
	key := w.Key()
	there := d.stored(key)
	if was = there; was != nil && was.ended(d.now) {
		was = nil
	}
	if w.If != nil && !holds(*w.If, was) || w.IfService != nil && !slices.Equal(w.IfService, d.revisions(w.Service)) ||
		w.IfStore != nil && *w.IfStore != d.revision {
		return nil, nil, fmt.Errorf("override of %s: %w", w.Object(), ErrChanged)
	}
	if w.Kind == "" {
		if there != nil {
			d.put(key, there, nil)
		}
		return was, nil, nil
	}
	o := w.Override
	if o.Ends() && !d.now.Before(o.Until) {
		if w.If != nil && *w.If != 0 { // it goes with another write, and has ended since that was decided
			return nil, nil, fmt.Errorf("override of %s: %w", w.Object(), ErrChanged)
		}
		return nil, nil, refuse(Invalid, o, "it would end at %s, which is over", o.Until.Format(time.RFC3339))
	}
	if was != nil {
		if o, err = over(was.Override, o); err != nil {
			return nil, nil, err
		}
	}
	now = &StoredOverride{Override: o}
	count, bytes := d.count, d.bytes
	d.put(key, there, now)
	switch {
	case d.count > maxOverrides && d.count > count:
		return nil, nil, refuse(Full, o, "there are %d overrides already, and no more can be kept", maxOverrides)
	case d.bytes > maxOverrideBytes && d.bytes > bytes:
		return nil, nil, refuse(Full, o, "all overrides together would be over %d MiB", maxOverrideBytes>>20)
	}
	return was, now, nil
}

// holds says whether an object's override has a revision; 0: whether there is none.
func holds(revision uint64, was *StoredOverride) bool {
	if was == nil {
		return revision == 0
	}
	return was.Revision == revision
}

// revisions are those of the overrides of a service and its backends whose time is not over, from the least on.
func (d *draft) revisions(service string) []uint64 {
	var list []*StoredOverride
	for _, o := range d.was.of(service) {
		if !d.has(o.Key()) {
			list = append(list, o)
		}
	}
	for key, o := range d.changes {
		if key.Service == service && o != nil {
			list = append(list, o)
		}
	}
	return revisionsOf(list, d.now)
}

// revisionsOf are those of overrides whose time is not over, from the least on.
func revisionsOf(list []*StoredOverride, now time.Time) []uint64 {
	revisions := make([]uint64, 0, len(list))
	for _, o := range list {
		if !o.ended(now) {
			revisions = append(revisions, o.Revision)
		}
	}
	slices.Sort(revisions)
	return revisions
}

// put puts an override in the place of another; either may be nil.
func (d *draft) put(key spec.OverrideKey, was, now *StoredOverride) {
	d.revision++
	d.changes[key] = now
	if was != nil {
		d.count, d.bytes = d.count-1, d.bytes-was.weight()
	}
	if now != nil {
		now.Revision = d.revision
		d.count, d.bytes = d.count+1, d.bytes+now.weight()
	}
}

// record adds an entry to the audit.
func (d *draft) record(e *Entry, wrote bool) uint64 {
	e.ID = d.was.lastEntry() + uint64(len(d.entries)) + 1
	if wrote {
		e.Revision = d.revision
	}
	d.entries = append(d.entries, e)
	return e.ID
}

func (d *draft) amend(r *request) {
	if e := d.own(r.amends); e != nil {
		e.Status, e.Result = r.status, r.result
	}
}

// own is an entry that was there, to be amended and written; nil: it has left meanwhile.
func (d *draft) own(id uint64) *Entry {
	if e := d.amended[id]; e != nil {
		return e
	}
	i, found := d.was.entry(id)
	if !found {
		return nil
	}
	e := *d.was.audit[i]
	d.amended[id] = &e
	return &e
}

// audit is the audit with what was amended and, if asked for, what is new.
func (d *draft) audit(fresh bool) []*Entry {
	all := d.was.audit
	if len(d.amended) > 0 {
		all = slices.Clone(all)
		for i, e := range all {
			if other := d.amended[e.ID]; other != nil {
				all[i] = other
			}
		}
	}
	if !fresh {
		return all
	}
	// What is appended lies behind what others look at.
	all = append(all, d.entries...)
	return all[max(0, len(all)-maxEntries):]
}

// state is the state after all requests.
func (d *draft) state() *overrideState {
	next := d.was.with(d.changes, d.revision)
	next.audit = d.audit(true)
	return next
}

// amendedAlone is the state before with amendments: what they say is so, whatever the disk says. The next write that can be
// takes them there.
func (d *draft) amendedAlone() *overrideState {
	next := *d.was
	next.audit, next.behind = d.audit(false), d.late()
	return &next
}

// late are the entries that stay behind where the draft cannot be written.
func (d *draft) late() []uint64 { return slices.Sorted(maps.Keys(d.amended)) }

// change is what the draft does to the file.
func (d *draft) change(next *overrideState) change {
	c := change{entries: d.entries}
	for _, key := range slices.SortedFunc(maps.Keys(d.changes), spec.OverrideKey.Compare) {
		if o := d.changes[key]; o != nil {
			c.put = append(c.put, o)
		} else {
			c.remove = append(c.remove, key)
		}
	}
	for _, id := range d.late() {
		c.entries = append(c.entries, d.amended[id])
	}
	if len(next.audit) > 0 {
		for _, e := range d.was.audit {
			if e.ID >= next.audit[0].ID {
				break
			}
			c.drop = append(c.drop, e.ID)
		}
	}
	return c
}

// isClear says whether a write takes away what is there.
func isClear(o spec.Override) bool { return o.Kind == "" }
