package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

type putService struct {
	OfService
	WriteQuery
	Replace bool `query:"replace" doc:"Take the place of a service of that name that is there and differs. By default that is 409."`
	OnlyIfNot
}

type putBackend struct {
	OfBackend
	WriteQuery
	Replace bool `query:"replace" doc:"Take the place of a backend of that name that is there and differs. By default that is 409."`
	OnlyIfNot
}

// OnlyIfNot is the other condition of a PUT. It is taken from the request itself, as OnlyIf is.
type OnlyIfNot struct {
	IfNoneMatch string `header:"If-None-Match" doc:"Not if its ETag is one of these; * is any that is there."`
}

type changeService struct {
	OfService
	WriteQuery
}

type changeBackend struct {
	OfBackend
	WriteQuery
}

func (a *api) putService(ctx context.Context, c *caller, in *putService) (*reply[Written], error) {
	return a.put(ctx, c, object{in.Service, ""}, &in.WriteQuery, in.Replace)
}

func (a *api) putBackend(ctx context.Context, c *caller, in *putBackend) (*reply[Written], error) {
	return a.put(ctx, c, object{in.Service, in.Backend}, &in.WriteQuery, in.Replace)
}

func (a *api) patchService(ctx context.Context, c *caller, in *changeService) (*reply[Written], error) {
	return a.patch(ctx, c, object{in.Service, ""}, &in.WriteQuery)
}

func (a *api) patchBackend(ctx context.Context, c *caller, in *changeBackend) (*reply[Written], error) {
	return a.patch(ctx, c, object{in.Service, in.Backend}, &in.WriteQuery)
}

func (a *api) deleteService(ctx context.Context, c *caller, in *changeService) (*reply[Written], error) {
	return a.remove(ctx, c, object{in.Service, ""}, &in.WriteQuery)
}

func (a *api) deleteBackend(ctx context.Context, c *caller, in *changeBackend) (*reply[Written], error) {
	return a.remove(ctx, c, object{in.Service, in.Backend}, &in.WriteQuery)
}

// put makes an object, or with replace another of what is there.
func (a *api) put(ctx context.Context, c *caller, at object, q *WriteQuery, replace bool) (*reply[Written], error) {
	body, err := a.objectBody(ctx, c, at, spec.Set)
	set := sources.Write{Override: at.override(c, q, spec.Set, body)}
	if err == nil {
		err = asGORB(set.Check())
	}
	if !isLate(err) {
		return nil, err
	}
	late := err
	return a.change(ctx, c, at, q, func(was *spec.Service, over overlay) (step, error) {
		there, set := at.isIn(was), set
		switch {
		case late != nil && at.backend != "" && was == nil:
			return step{}, a.absent(c, object{at.service, ""}, "there is no service "+at.service)
		case late != nil && there && !replace:
			return step{}, exists(at, late)
		case late != nil:
			return step{}, late
		}
		without := a.withoutEnding(over, was)
		if at.backend != "" && !set.Ends() {
			set.Until = over.ending(object{at.service, ""}, without) // what is in a service that ends does so with it
		}
		writes := joined(slices.Concat([]sources.Write{set}, over.covered(set), over.above(set)))
		writes = append(writes, over.beneath(writes)...)
		if at.backend != "" && was == nil {
			// GORB looked at the body first. Without a service nobody else misses its host.
			if _, err := a.try(set); !isLate(err) {
				return step{}, err
			}
			if !has(body, "host") {
				return step{}, missing(at, "host", "missing; a backend needs one")
			}
			return step{}, a.absent(c, object{at.service, ""}, "there is no service "+at.service)
		}
		if !there && !set.Ends() {
			if s, ok := a.unhide(at, was, over, set); ok {
				return s, nil
			}
		}
		tried, err := a.try(writes...)
		switch {
		case err != nil && isLate(err) && there && !replace:
			return step{}, exists(at, err)
		case err != nil:
			return step{}, err
		case at.backend != "" && portless(at, at.serviceIn(tried, was)):
			return step{}, missing(at, "port", "0 is no port that a connection gets through to; without it that of the service counts")
		case there && sameObject(at, was, at.serviceIn(tried, was), body):
			if !over.lastsAnew(set, sameObject(at, without, at.serviceIn(tried, was), body)) {
				return step{result: ResultUnchanged}, nil
			}
		case there && !replace:
			return step{}, exists(at, nil)
		}
		s := step{writes: writes, own: 1, result: ResultCreated, tried: tried, sent: body}
		if there {
			s.result = ResultChanged
		}
		return s, nil
	})
}

// isLate reports whether an error is nil, or one of what GORB did not know: it looked first whether the object is there.
func isLate(err error) bool {
	f, ok := errors.AsType[*Failure](err)
	return err == nil || ok && f.Code == http.StatusUnprocessableEntity
}

// exists is that an object is there and is another, whose body may be wrong beside, nil: it is not.
func exists(at object, wrong error) *Failure {
	f := Fail(http.StatusConflict, errExists)
	f.Problems = []Problem{{Path: at.String(), Message: "it is there and is another; PATCH changes it, ?replace=true takes its place"}}
	if w, ok := errors.AsType[*Failure](wrong); ok {
		f.Problems = append(f.Problems, w.Problems...)
	}
	return f
}

// missing is that an object has not what GORB wanted.
func missing(at object, key, why string) *Failure {
	f := Fail(http.StatusBadRequest, errMissing)
	f.Problems = []Problem{{Path: spec.Override{Service: at.service, Backend: at.backend}.PathOf(key), Message: why}}
	return f
}

// lastsAnew reports whether a set of what is so already is about how long it is to be so, or why: it ends at another time than
// before, or does not end any more, unless it lasts already, or it has another reason.
func (v overlay) lastsAnew(set sources.Write, lasting bool) bool {
	lasts, ends := v.of(object{set.Service, set.Backend})
	if set.Ends() {
		return ends != nil && !ends.Until.Equal(set.Until)
	}
	return !lasting || set.Reason != "" && lasts != nil && lasts.Kind == spec.Set && lasts.Reason != set.Reason
}

// portless reports whether a backend has no port of its own where its service has one: no connection would get through.
func portless(at object, s *spec.Service) bool {
	if s == nil || s.Port == 0 {
		return false
	}
	b := s.Backend(at.backend)
	return b != nil && b.Port == 0
}

// unhide returns the step that brings back what the sources declare, where that is what was asked for.
func (a *api) unhide(at object, was *spec.Service, over overlay, set sources.Write) (step, bool) {
	writes := clears(over.about(at))
	if len(writes) == 0 {
		return step{}, false
	}
	without, err := a.daemon.TryWrites(writes...)
	if err != nil || !at.isIn(at.serviceIn(without, was)) {
		return step{}, false
	}
	wanted, err := a.daemon.TryWrites(joined(slices.Concat(writes, []sources.Write{set}, over.above(set)))...)
	if err != nil || !sameObject(at, at.serviceIn(without, was), at.serviceIn(wanted, was), set.Body) {
		return step{}, false
	}
	return step{writes: writes, own: len(writes), result: ResultUnhidden, tried: without, sent: set.Body}, true
}

// sameObject reports whether an object is the same in two forms of its service. Of a service whose body does not name any,
// the backends do not count.
func sameObject(at object, was, is *spec.Service, body []byte) bool {
	if at.backend != "" || has(body, "backends") {
		return at.tag(was) == at.tag(is)
	}
	return was != nil && is != nil && bytes.Equal(was.OptionsJSON(), is.OptionsJSON())
}

// has reports whether a body has a key that is not null.
func has(body []byte, key string) bool {
	var keys map[string]any
	return json.Unmarshal(body, &keys) == nil && keys[key] != nil
}

// remove takes an object away: what is written over the sources, also where that has no effect as things are, and where they
// declare it, it is hidden; for good what was hidden for a while. For a while only what ends goes, and it is hidden where
// something else brings it; after that it is as what lasts has it. What is hidden for a while already is so for another.
func (a *api) remove(ctx context.Context, c *caller, at object, q *WriteQuery) (*reply[Written], error) {
	return a.change(ctx, c, at, q, func(was *spec.Service, over overlay) (step, error) {
		hide := sources.Write{Override: at.override(c, q, spec.Hide, nil)}
		without := a.withoutEnding(over, was)
		if !at.isIn(was) && !at.isIn(without) && (hide.Ends() || !over.brings(at)) {
			if is, _ := a.without(over.about(at).thatEnd(), was); !at.isIn(is) { // else what ends hides it
				return step{}, a.absent(c, at, "there is no "+at.String())
			}
		}
		all := over // of a service those of its backends, too
		if at.backend != "" {
			all = over.about(at)
		}
		if hide.Ends() {
			all = all.thatEnd()
		}
		gone := clears(all)
		if len(gone) > 0 && !(hide.Ends() && at.isIn(without)) { // which would be back when what else ends has ended
			if tried, err := a.try(gone...); err == nil && !at.isIn(at.serviceIn(tried, was)) {
				return step{writes: gone, own: len(gone), result: ResultRemoved, tried: tried}, nil
			}
		}
		writes := []sources.Write{hide}
		if !hide.Ends() {
			if at.backend != "" {
				hide.Until = over.ending(object{at.service, ""}, without)
				writes[0] = hide
			}
			writes = joined(slices.Concat(writes, gone, over.above(hide), writes))
		}
		tried, err := a.try(writes...)
		if err != nil {
			return step{}, err
		}
		return step{writes: writes, own: 1, result: ResultHidden, tried: tried}, nil
	})
}
