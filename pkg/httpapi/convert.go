package httpapi

import (
	"os"
	"strings"

	"github.com/gorb-io/gorb/pkg/reconcile"
	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// mostProblems is how many problems of a pass a status repeats.
const mostProblems = 10

func newTable(p reconcile.Passes) Table {
	t := Table{
		BootID: p.Place.BootID, Namespace: p.Place.Namespace, LastPass: p.Last, WholePass: p.Whole,
		Problems: []string{}, Failed: len(p.Errs),
	}
	for _, err := range p.Errs[:min(len(p.Errs), mostProblems)] {
		t.Problems = append(t.Problems, err.Error())
	}
	return t
}

// notReady says why a gorb does not keep what all sources declare; nothing: it does. A source that fails and whose last good
// document counts is no reason, nor is what cannot be done in the kernel.
func notReady(s sources.Status, p reconcile.Passes) []string {
	var reasons []string
	if s.Incomplete {
		var missing []string
		for _, source := range s.Sources {
			if source.Good.IsZero() {
				missing = append(missing, source.Name)
			}
		}
		reasons = append(reasons, "not heard yet, so that nothing is removed: "+strings.Join(missing, ", "))
	}
	if p.Whole.IsZero() {
		reasons = append(reasons, "the kernel's table has not been put right yet")
	}
	return reasons
}

func newHeldList(list []sources.HeldObject) HeldList {
	out := HeldList{Held: []HeldObject{}}
	for _, h := range list {
		s := h.Service
		out.Held = append(out.Held, HeldObject{h.Source, s.Protocol, s.Host, s.Port, s.Fwmark, s.Family, h.Backend, h.Since})
	}
	return out
}

func newStatus(s sources.Status, p reconcile.Passes, list []sources.StoredOverride, consul *sources.RegistrarStatus) Status {
	reasons := notReady(s, p)
	out := Status{
		PID: os.Getpid(), Table: newTable(p), Ready: len(reasons) == 0, NotReady: reasons,
		Complete: !s.Incomplete, Refused: s.Refused, Doubted: s.Doubted, Sources: newSources(s.Sources), Overrides: len(list),
		Aside: []Aside{}, Dangling: objects(s.Dangling), Idle: objects(s.Idle),
	}
	if c := consul; c != nil {
		out.Consul = &Consul{c.Address, c.State, c.Since, c.Services, c.Err}
	}
	for _, a := range s.Aside {
		out.Aside = append(out.Aside, Aside{a.Override.Object(), a.Err.Error()})
	}
	return out
}

func objects(list []spec.Override) []string {
	names := []string{}
	for _, o := range list {
		names = append(names, o.Object())
	}
	return names
}

func newSources(list []sources.SourceStatus) []Source {
	out := []Source{}
	for _, s := range list {
		source := Source{
			Name: s.Name, Remote: s.Remote, State: s.State, Since: s.Since, Version: s.Version, Good: s.Good, Error: s.Err,
		}
		if h := s.Held; h.Count > 0 {
			source.Held = &Held{h.Count, h.Of, h.Names, h.Until}
		}
		out = append(out, source)
	}
	return out
}

func newOverride(o sources.StoredOverride) Override {
	return Override{
		Kind: o.Kind, Service: o.Service, Backend: o.Backend, Body: spec.HideSecrets(o.Body), Reason: o.Reason, By: o.By, At: o.At, Until: o.Until,
		Revision: o.Revision,
	}
}

// newOverrides tells of each override whether it has an effect.
func newOverrides(s sources.Status, list []sources.StoredOverride) []Override {
	states := make(map[spec.OverrideKey]Override)
	note := func(about spec.Override, state OverrideState, err string) {
		states[about.Key()] = Override{At: about.At, State: state, Error: err}
	}
	for _, o := range s.Idle {
		note(o, Idle, "")
	}
	for _, o := range s.Dangling {
		note(o, Dangling, "")
	}
	for _, a := range s.Aside {
		note(a.Override, SetAside, a.Err.Error())
	}
	out := []Override{}
	for _, stored := range list {
		o := newOverride(stored)
		o.State = InForce
		if n, ok := states[o.Key()]; ok && n.At.Equal(o.At) { // one of another time has been replaced
			o.State, o.Error = n.State, n.Error
		}
		out = append(out, o)
	}
	return out
}

func newExplanation(service, backend string, fields []spec.Field, list []sources.StoredOverride) Explanation {
	known := make(map[string]*Override)
	for _, stored := range list {
		if stored.Service == service {
			o := newOverride(stored)
			o.Body = nil // its fields are told one by one
			known[stored.Label()] = &o
		}
	}
	place := func(p spec.Place) Place { return Place{p.Source, p.Line, p.In, known[p.Source]} }
	e := Explanation{Service: service, Backend: backend, Fields: []Field{}}
	for _, f := range fields {
		field := Field{Path: f.Path, Value: f.Value, From: place(f.From)}
		for _, g := range f.Hid {
			field.Hid = append(field.Hid, Given{g.Value, place(g.From)})
		}
		e.Fields = append(e.Fields, field)
	}
	return e
}
