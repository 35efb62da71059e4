package main

import (
	"slices"
	"strings"
	"time"

	"github.com/gorb-io/gorb/pkg/httpapi"
	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// chronicled is what a chronicle looks at; a daemonAPI has it.
type chronicled interface {
	Status() sources.Status
	Desired() *spec.Desired
	Kept() []*sources.StoredOverride
	Audit(before uint64, most int) []sources.Entry
}

// sight is how things were at one moment.
type sight struct {
	status    sources.Status
	desired   *spec.Desired // nil: there was none
	overrides []*sources.StoredOverride
	ready     bool
}

func look(c chronicled) sight {
	return sight{status: c.Status(), desired: c.Desired(), overrides: c.Kept()}
}

// compare adds what is otherwise than before, and returns how things are now.
func (s sight) compare(now sight, m *moment, audit func(before uint64, most int) []sources.Entry) sight {
	now.ready = s.ready
	compareSources(s.status.Sources, now.status.Sources, m)
	if s.status.Refused != now.status.Refused {
		e := &httpapi.ConfigEvent{Good: now.status.Refused == "", Error: now.status.Refused}
		m.add(httpapi.EventConfig, e, new(httpapi.Storm))
	}
	compareOverrides(s.overrides, now.overrides, clearings(audit), m)
	if now.desired == nil {
		now.desired = s.desired
	}
	if s.desired != nil && s.desired != now.desired {
		compareServices(s.desired.Services, now.desired.Services, m)
	}
	compareHeld(s.status.Sources, now, m)
	return now
}

// compareServices compares what is declared, both by name.
func compareServices(was, now []spec.Service, m *moment) {
	say := func(name string, change httpapi.ServiceChange) {
		e := &httpapi.ServiceEvent{Service: name, Change: change}
		m.add(httpapi.EventService, e, &e.Storm)
	}
	for len(was) > 0 || len(now) > 0 {
		switch {
		case len(now) == 0 || len(was) > 0 && was[0].Name < now[0].Name:
			say(was[0].Name, httpapi.ServiceGone)
			was = was[1:]
		case len(was) == 0 || now[0].Name < was[0].Name:
			say(now[0].Name, httpapi.ServiceDeclared)
			now = now[1:]
		default:
			if !was[0].Equal(&now[0]) {
				say(now[0].Name, httpapi.ServiceChanged)
			}
			was, now = was[1:], now[1:]
		}
	}
}

// compareOverrides compares what is written over the sources, both by key. What has not changed is the same pointer.
func compareOverrides(was, now []*sources.StoredOverride, by *clearing, m *moment) {
	wrote := func(o *sources.StoredOverride) {
		e := newOverrideEvent(o, httpapi.OverrideChange(o.Kind))
		m.add(httpapi.EventOverride, e, &e.Storm)
	}
	for len(was) > 0 || len(now) > 0 {
		order := -1
		switch {
		case len(was) == 0:
			order = 1
		case len(now) == 0:
		case was[0] == now[0]:
			order = 0
		default:
			order = was[0].Key().Compare(now[0].Key())
		}
		switch {
		case order < 0:
			e := by.of(was[0])
			m.add(httpapi.EventOverride, e, &e.Storm)
			was = was[1:]
		case order > 0:
			wrote(now[0])
			now = now[1:]
		default:
			if was[0].Revision != now[0].Revision {
				wrote(now[0])
			}
			was, now = was[1:], now[1:]
		}
	}
}

func newOverrideEvent(o *sources.StoredOverride, change httpapi.OverrideChange) *httpapi.OverrideEvent {
	return &httpapi.OverrideEvent{
		Change: change, Service: o.Service, Backend: o.Backend, By: o.By, Reason: o.Reason, Until: o.Until, Revision: o.Revision,
	}
}

// clearing tells who cleared overrides, by the audit, which is read when there is something to tell.
type clearing struct {
	audit func(before uint64, most int) []sources.Entry
	read  bool
	newer []sources.Entry
}

func clearings(audit func(before uint64, most int) []sources.Entry) *clearing {
	return &clearing{audit: audit}
}

// of is the event of an override that is not there any more.
func (c *clearing) of(o *sources.StoredOverride) *httpapi.OverrideEvent {
	if !c.read {
		c.newer, c.read = c.audit(0, mostAtOnce), true
	}
	ended := !o.Until.IsZero() && !time.Now().Before(o.Until)
	i := slices.IndexFunc(c.newer, func(e sources.Entry) bool {
		about := e.Object == o.Object() || e.Object == o.Service || e.Object == ""
		return about && e.Revision > o.Revision && (!ended || strings.HasPrefix(e.What, "DELETE ") && e.At.Before(o.Until))
	})
	switch {
	case i >= 0:
		e := newOverrideEvent(o, httpapi.OverrideCleared)
		e.By, e.Reason, e.Revision = c.newer[i].Who, c.newer[i].Reason, c.newer[i].Revision
		return e
	case ended:
		return newOverrideEvent(o, httpapi.OverrideEnded)
	}
	e := newOverrideEvent(o, httpapi.OverrideCleared)
	e.By, e.Reason = "", "" // of who wrote it
	return e
}

// compareSources compares how the sources are. One that comes later is told of, and those of the start are not.
func compareSources(was, now []sources.SourceStatus, m *moment) {
	if len(was) == 0 {
		return
	}
	for _, s := range now {
		if old := sourceOf(was, s.Name); old.State != s.State || old.Err != s.Err {
			m.add(httpapi.EventSource, &httpapi.SourceEvent{Source: s.Name, State: s.State, Error: s.Err}, new(httpapi.Storm))
		}
	}
}

// sourceOf is the source of a name; the zero value: there is none.
func sourceOf(list []sources.SourceStatus, name string) sources.SourceStatus {
	for _, s := range list {
		if s.Name == name {
			return s
		}
	}
	return sources.SourceStatus{}
}

// compareHeld compares which removals are held. What is held stays declared: what is not held any more has returned if it is
// still there, and is done if not.
func compareHeld(was []sources.SourceStatus, now sight, m *moment) {
	say := func(source string, change httpapi.RemovalChange, names []string, count int) {
		e := &httpapi.RemovalEvent{Source: source, Change: change, Names: names, Count: count}
		m.add(httpapi.EventRemoval, e, new(httpapi.Storm))
	}
	for _, s := range was {
		is := sourceOf(now.status.Sources, s.Name).Held
		if is.Count >= s.Held.Count {
			continue
		}
		gone, back := now.parted(s.Held.Names, is.Names)
		count := s.Held.Count - is.Count
		if len(gone) > 0 {
			say(s.Name, httpapi.RemovalAccepted, gone, max(len(gone), count-len(back)))
		}
		if len(back) > 0 {
			n := len(back)
			if len(gone) == 0 {
				n = max(n, count)
			}
			say(s.Name, httpapi.RemovalReturned, back, n)
		}
	}
	for _, s := range now.status.Sources {
		if s.Held.Count > sourceOf(was, s.Name).Held.Count {
			say(s.Name, httpapi.RemovalHeld, s.Held.Names, s.Held.Count)
		}
	}
}

// parted tells names that are held no more by whether they are declared.
func (s sight) parted(was, now []string) (gone, back []string) {
	for _, name := range was {
		if slices.Contains(now, name) {
			continue
		}
		if s.declares(name) {
			back = append(back, name)
		} else {
			gone = append(gone, name)
		}
	}
	return gone, back
}

// declares reports whether an object is declared.
func (s sight) declares(name string) bool {
	service, backend, isBackend := strings.Cut(name, "/")
	if s.desired == nil {
		return false
	}
	at := s.desired.Service(service)
	return at != nil && (!isBackend || at.Backend(backend) != nil)
}
