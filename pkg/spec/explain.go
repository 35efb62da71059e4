package spec

import (
	"fmt"
	"slices"
	"strings"
)

// Field is one field of an object, and where its value comes from.
type Field struct {
	Path  string  // within the object: "port", "pulse.args.path", "backends.a"
	Value string  // as it is written in TOML: 80, "tcp", "5m"; "": it has none any more
	From  Place   // who set it, or took it away
	Hid   []Given // what lower layers said, the highest first
}

// Given is a value that a higher layer hid.
type Given struct {
	Value string
	From  Place
}

// Place is where a value is written.
type Place struct {
	Source string // the document or override, as it is called in problems; "default" where nobody wrote it
	Line   int    // 0: none
	In     string // the table, where it is not the object's own: "defaults.service", "services.web" for a backend
}

// builtIn is the Source of a default that nobody wrote.
const builtIn = "default"

// Explain tells of each field of a service, or of a backend of it, who set its value and what that hid. Of a service's
// backends there is a summary each. An object that is not there has a first field "disabled", and no values where an
// override hides it. The texts are read again for this: nothing is remembered of a field but its value.
func (d *Desired) Explain(service, backend string) ([]Field, error) {
	if !slices.ContainsFunc(d.layers, func(doc *Document) bool { return doc.mentions(service, "") }) {
		return nil, d.noService(service)
	}
	own := d.story(service, "")
	if backend == "" {
		return own.fields(d.service(service)), nil
	}
	if !slices.ContainsFunc(d.layers, func(doc *Document) bool { return doc.mentions(service, backend) }) {
		return nil, d.noBackend(service, backend)
	}
	s := d.service(service)
	fields := d.story(service, backend).fieldsOfBackend(s, backend)
	switch {
	case s == nil:
		fields = disabledWith(fields, own.fields(nil), service)
	case s.backend(backend) != nil:
		fields = inherit(fields, own.fields(s), service, s.backend(backend))
	}
	return fields, nil
}

// disabledWith says of a backend that it is not there because its service is not, unless it says so of itself.
func disabledWith(fields, service []Field, name string) []Field {
	disabled := func(f Field) bool { return f.Path == "disabled" }
	i := slices.IndexFunc(service, disabled)
	if own := slices.IndexFunc(fields, disabled); i < 0 || own >= 0 && fields[own].Value == "true" {
		return fields
	}
	fields = slices.DeleteFunc(fields, disabled)
	return slices.Insert(fields, 0, service[i].in(path{"services", name}.String()))
}

// mentions reports whether a document, or an override, makes a service or, unless it is "", a backend of it.
func (d *Document) mentions(service, backend string) bool {
	s := d.declared.services[service]
	if c := d.override; c != nil && c.name() == service {
		if c.backend != nil && backend == c.backendName() {
			return c.kind == Set
		}
		s = c.service
		if s != nil && c.kind == Patch && backend == "" {
			return false
		}
	}
	return s != nil && (backend == "" || s.backends[backend] != nil)
}

// Backend returns a backend and its service, or says that there is none, and which was perhaps meant.
func (d *Desired) Backend(service, name string) (*Service, *Backend, error) {
	s := d.service(service)
	if s == nil {
		return nil, nil, d.noService(service)
	}
	for i := range s.Backends {
		if s.Backends[i].Name == name {
			return s, &s.Backends[i], nil
		}
	}
	return nil, nil, d.noBackend(service, name)
}

func (d *Desired) noService(name string) error {
	var known []string
	for i := range d.Services {
		known = append(known, d.Services[i].Name)
	}
	return unknown("there is no service", name, known)
}

func (d *Desired) noBackend(service, name string) error {
	var known []string
	if s := d.service(service); s != nil {
		for _, b := range s.Backends {
			known = append(known, b.Name)
		}
	}
	return unknown("service "+keyString(service)+" has no backend", name, known)
}

func unknown(what, name string, known []string) error {
	if near, ok := nearest(name, known); ok {
		return fmt.Errorf("%s %s, did you mean %q?", what, quote(name), near)
	}
	return fmt.Errorf("%s %s", what, quote(name))
}

// inherit adds what a backend has of its service: the port and the pulse, where it declares none.
func inherit(fields, service []Field, name string, b *Backend) []Field {
	for _, f := range service {
		port := f.Path == "port" && !slices.ContainsFunc(fields, func(f Field) bool {
			return f.Path == "port" && f.From.Source != builtIn
		})
		if !port && (b.Pulse != nil || !strings.HasPrefix(f.Path, "pulse.")) {
			continue
		}
		f = f.in(path{"services", name}.String())
		i := slices.IndexFunc(fields, func(g Field) bool { return g.Path == f.Path })
		if i < 0 {
			fields = append(fields, f)
			continue
		}
		if f.Value != "" {
			fields[i].Value, fields[i].From = f.Value, f.From
		}
		fields[i].Hid = append(fields[i].Hid, f.Hid...)
	}
	sortFields(fields)
	return fields
}

// in returns the field as one of another table.
func (f Field) in(table string) Field {
	name := func(p *Place) {
		if p.In == "" && p.Source != builtIn {
			p.In = table
		}
	}
	name(&f.From)
	f.Hid = slices.Clone(f.Hid)
	for i := range f.Hid {
		name(&f.Hid[i].From)
	}
	return f
}

// first are the fields that are told of first; backends come last, and what is between by name.
var first = []string{"disabled", "host", "host_name", "port", "protocol", "fwmark", "family", "weight", "method"}

func sortFields(fields []Field) {
	rank := func(f Field) int {
		switch i := slices.Index(first, f.Path); {
		case i >= 0:
			return i
		case strings.HasPrefix(f.Path, "backends."):
			return len(first) + 1
		}
		return len(first)
	}
	slices.SortFunc(fields, func(a, b Field) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return strings.Compare(a.Path, b.Path)
	})
}
