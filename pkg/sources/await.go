package sources

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gorb-io/gorb/pkg/spec"
)

// Effect is what an override does.
type Effect string

// The effects.
const (
	InForce   Effect = "in force" // it is part of what counts, or there is no override of the object
	SetAside  Effect = "aside"    // it does not go with the documents
	Dangles   Effect = "dangling" // its object is gone
	Idles     Effect = "idle"     // it hides what is not there
	NoneCount Effect = "none"     // no override counts now
)

// Judged is what overrides came to, once they had been looked at.
type Judged struct {
	Desired  *spec.Desired // what counts; nil: nothing does yet. Its Serial says whether the reconciler has followed it
	Revision uint64        // of the store, up to which overrides have been looked at
	Nothing  error         // why the newest overrides do not count, whatever they say; nil: they do, but for those below

	aside          []Aside
	dangling, idle []spec.Override
}

// Of says what an override does; beside SetAside and NoneCount the error says why.
func (j Judged) Of(key spec.OverrideKey) (Effect, error) {
	is := func(o spec.Override) bool { return o.Key() == key }
	if j.Nothing != nil {
		return NoneCount, j.Nothing
	}
	if i := slices.IndexFunc(j.aside, func(a Aside) bool { return is(a.Override) }); i >= 0 {
		return SetAside, j.aside[i].Err
	}
	switch {
	case slices.ContainsFunc(j.dangling, is):
		return Dangles, nil
	case slices.ContainsFunc(j.idle, is):
		return Idles, nil
	}
	return InForce, nil
}

// Await waits until the overrides up to a revision of the store have been looked at, and says what came of it. It may be
// called from anywhere, by thousands at once; what they wait for is told to all of them when it is there. The error is
// that of ctx.
func (l *Layers) Await(ctx context.Context, revision uint64) (Judged, error) {
	for {
		v := l.snapshot.Load()
		if v.revision >= revision {
			return v.judged(), nil
		}
		select {
		case <-ctx.Done():
			return v.judged(), ctx.Err()
		case <-v.newer:
		}
	}
}

func (v *view) judged() Judged {
	j := Judged{
		Desired: v.desired, Revision: v.revision,
		aside: v.status.Aside, dangling: v.status.Dangling, idle: v.status.Idle,
	}
	switch {
	case v.hopeless != nil:
		j.Nothing = fmt.Errorf("the configuration is not valid, and what counted before goes on: %w", v.hopeless)
	case v.desired == nil && len(v.missing) > 0:
		j.Nothing = fmt.Errorf("%w: nothing has been heard of %s", ErrNothingYet, strings.Join(v.missing, ", "))
	case v.desired == nil || !v.started:
		j.Nothing = ErrNothingYet
	}
	return j
}
