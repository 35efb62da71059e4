package httpapi

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// withdrawTime is how long the withdrawal of a change is waited for.
const withdrawTime = 5 * time.Second

// withdraw puts back what was there before, but for what has ended since; also for a client that has gone, who is not waited
// for then, nor is one whose daemon ends.
func (a *api) withdraw(ctx context.Context, written sources.Written) error {
	var clear []sources.Write
	var was []*sources.StoredOverride
	oldest := map[spec.OverrideKey]uint64{} // by service and whether it ends, the revision of the oldest that comes back
	for i, before := range written.Was {
		if now := written.Now[i]; now != nil { // not over what is there now, as the two would become one
			clear = append(clear, cleared(now))
		}
		if before == nil || !before.Until.IsZero() && !time.Now().Before(before.Until) {
			continue
		}
		was = append(was, before)
		if first, there := oldest[layerOf(before)]; !there || before.Revision < first {
			oldest[layerOf(before)] = before.Revision
		}
	}
	writing, cancel := context.WithTimeout(context.WithoutCancel(ctx), withdrawTime)
	defer cancel()
	again, err := a.takenBack(writing, clear, was, oldest, written)
	if err == nil {
		looking, cancel := context.WithTimeout(ctx, withdrawTime)
		defer cancel()
		_, _ = a.daemon.Await(looking, again.Revision) // it is withdrawn all the same
	}
	return err
}

// takenBack is the write of a withdrawal. Where what it was about is as it was left, it is made anew: somebody has written
// something else of the same service.
func (a *api) takenBack(
	ctx context.Context, clear []sources.Write, was []*sources.StoredOverride, oldest map[spec.OverrideKey]uint64, written sources.Written,
) (again sources.Written, err error) {
	for range mostAttempts {
		again, err = a.daemon.Write(ctx, slices.Concat(clear, a.inOrder(was, oldest, written)), nil)
		if !errors.Is(err, sources.ErrChanged) || !a.asLeft(written) {
			break
		}
	}
	return again, err
}

// asLeft reports whether all that was written is as it was left.
func (a *api) asLeft(written sources.Written) bool {
	for i, now := range written.Now {
		o, left := cmp.Or(now, written.Was[i]), uint64(0)
		if o == nil {
			continue
		}
		if now != nil {
			left = now.Revision
		}
		is := overlay(a.daemon.Of(o.Service)).at(o.Key())
		if is == nil && left != 0 || is != nil && is.Revision != left {
			return false
		}
	}
	return true
}

// layerOf is what has an order: all that is written over a service and its backends, and lasts, or ends.
func layerOf(o *sources.StoredOverride) spec.OverrideKey {
	return spec.OverrideKey{Service: o.Service, Ends: o.Ends()}
}

// inOrder puts overrides back so that each lies over what it lay over before: what comes back is newer by that than what was
// written over it, so that this is written once more.
func (a *api) inOrder(was []*sources.StoredOverride, oldest map[spec.OverrideKey]uint64, written sources.Written) []sources.Write {
	back := make(map[spec.OverrideKey]bool, len(written.Was))
	for _, list := range [][]*sources.StoredOverride{written.Was, written.Now} {
		for _, o := range list {
			if o != nil {
				back[o.Key()] = true
			}
		}
	}
	all, stays := slices.Clone(was), map[spec.OverrideKey]*uint64{}
	if len(was) > 0 {
		for _, o := range a.daemon.List() {
			if first, comes := oldest[layerOf(&o)]; comes && o.Revision > first && !back[o.Key()] {
				all, stays[o.Key()] = append(all, &o), &o.Revision
			}
		}
	}
	slices.SortFunc(all, func(a, b *sources.StoredOverride) int { return cmp.Compare(a.Revision, b.Revision) })
	writes := make([]sources.Write, len(all))
	for i, o := range all {
		if writes[i] = (sources.Write{Override: o.Override, If: stays[o.Key()]}); writes[i].If == nil {
			writes[i].If = new(uint64)
		}
	}
	return writes
}
