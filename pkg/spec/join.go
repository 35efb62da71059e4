package spec

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// Join makes one layer of several documents that belong together, as those of a directory or of a tree in Consul do. They
// are not laid over one another: what two of them say, a service, a backend of a service or a key of another table, is
// an error that names both places. A part that only has backends of a service does not define the service. Sources and
// includes of all parts count, in the order of the parts.
//
// The name is what the layer is called; problems keep the names and lines of the parts, of which each should have a name
// of its own. The error is Problems, those of the parts among them; the document may be returned beside it, as by Decode.
func Join(name string, parts ...*Document) (*Document, error) {
	j := joiner{
		doc:      &Document{name: name, empty: true, parts: []*Document{}, faulty: faulty{}},
		services: make(map[string]*joinedService),
		settings: make(map[string]said),
		sources:  make(map[string]joinedSource),
	}
	for _, d := range leaves(parts) {
		j.add(d)
	}
	d := j.doc
	for name, s := range j.services {
		if d.declared.services == nil {
			d.declared.services = make(map[string]*declaredService, len(j.services))
		}
		d.declared.services[name] = s.declared
	}
	for _, part := range d.parts {
		d.faults = append(d.faults, part.faults...)
	}
	d.faults = inOrder([]*Document{d}, append(d.faults, j.problems()...))
	if n := len(d.faults); n > maxProblems {
		rest := Problem{Source: d.faults[maxProblems].Source, Message: fmt.Sprintf("and %d more", n-maxProblems)}
		d.faults = append(d.faults[:maxProblems:maxProblems], rest)
	}
	if len(d.faults) > 0 {
		return d, d.faults
	}
	d.faulty = nil
	return d, nil
}

// joiner gathers what parts say.
type joiner struct {
	doc      *Document
	services map[string]*joinedService
	settings map[string]said         // of the tables beside services, by path
	sources  map[string]joinedSource // by name
	clashes  []clash
	more     int // clashes beyond those
}

// joinedService is a service as the parts so far have it.
type joinedService struct {
	declared *declaredService
	own      bool           // declared is not that of a part, and may be changed
	by       int            // the part that defines it; -1: none, they have backends of it
	backends map[string]int // the parts that define them
}

// said is a key that a part has.
type said struct {
	part  int
	table bool // it may be in others as well
}

// joinedSource is where a source is declared.
type joinedSource struct{ part, index int }

// clash is something that two parts say.
type clash struct {
	what          string
	first, second int  // the parts
	before, path  path // in the first, and in the second
}

// clash notes that the newest part says what an earlier one does.
func (j *joiner) clash(first int, what string, at ...string) {
	j.note(clash{what: what, first: first, before: at, path: at})
}

func (j *joiner) note(c clash) {
	if len(j.clashes) == maxProblems {
		j.more++
		return
	}
	c.second = len(j.doc.parts) - 1
	j.doc.faulty[c.path.String()] = true
	j.clashes = append(j.clashes, c)
}

// add adds a part.
func (j *joiner) add(d *Document) {
	j.doc.parts = append(j.doc.parts, d)
	j.doc.remote = j.doc.remote || d.remote
	j.doc.empty = j.doc.empty && d.empty
	j.doc.services = j.doc.services || d.services
	maps.Copy(j.doc.faulty, d.faulty)

	top := d.declared
	top.services = nil
	j.doc.declared = top.over(j.doc.declared)
	j.table(nil, d.tables)
	for i, s := range d.sources {
		if first, twice := j.sources[s.Name]; twice {
			j.note(clash{
				what: fmt.Sprintf("source %s is declared", quote(s.Name)), first: first.part,
				before: path{"sources", indexKey(first.index)}, path: path{"sources", indexKey(i)},
			})
			continue
		}
		j.sources[s.Name] = joinedSource{len(j.doc.parts) - 1, i}
	}
	j.doc.sources = append(j.doc.sources, d.sources...)
	j.doc.includes = append(j.doc.includes, d.includes...)
	for _, name := range sortedKeys(d.declared.services) {
		j.service(name, d.declared.services[name])
	}
}

// table notes the keys of a table that is neither a service nor a backend.
func (j *joiner) table(at path, table map[string]any) {
	for _, key := range sortedKeys(table) {
		at := append(slices.Clone(at), key)
		switch name := at.String(); name {
		case "sources", "include": // they add up
			continue
		case "gorb.env": // each part asks for itself
			continue
		default:
			inner, isTable := table[key].(map[string]any)
			before, known := j.settings[name]
			if known && !(isTable && before.table) {
				j.clash(before.part, "the key is", at...)
				continue
			}
			j.settings[name] = said{len(j.doc.parts) - 1, isTable}
			j.table(at, inner)
		}
	}
}

// service adds what a part has of a service.
func (j *joiner) service(name string, s *declaredService) {
	part := len(j.doc.parts) - 1
	by := part
	if len(s.backends) > 0 && !s.hasFields() {
		by = -1
	}
	have, known := j.services[name]
	if !known {
		have = &joinedService{declared: s, by: by, backends: make(map[string]int, len(s.backends))}
		j.services[name] = have
		for name := range s.backends {
			have.backends[name] = part
		}
		return
	}
	if have.by >= 0 && by >= 0 {
		j.clash(have.by, "the service is defined", "services", name)
	}
	have.by = max(have.by, by)
	have.add(s)
	for _, backend := range sortedKeys(s.backends) {
		if first, twice := have.backends[backend]; twice {
			j.clash(first, "the backend is defined", "services", name, "backends", backend)
			continue
		}
		have.backends[backend] = part
		have.declared.backends[backend] = s.backends[backend]
	}
}

// add lays the fields that a further part has over those so far; only where both have some does it matter which wins,
// and that is an error.
func (have *joinedService) add(s *declaredService) {
	fields, under := *s, *have.declared
	fields.backends, under.backends = nil, nil
	merged := fields.over(&under)
	merged.backends = have.declared.backends
	if !have.own {
		merged.backends = make(map[string]*declaredBackend, len(have.backends)+len(s.backends))
		maps.Copy(merged.backends, have.declared.backends)
		have.own = true
	}
	have.declared = merged
}

// hasFields reports whether a service has anything beside backends.
func (s *declaredService) hasFields() bool {
	fields := *s
	fields.backends = nil
	return !reflect.ValueOf(fields).IsZero()
}

// problems are the clashes, each where the later part has it.
func (j *joiner) problems() Problems {
	wanted := make(map[int][]path) // by part
	for _, c := range j.clashes {
		wanted[c.first] = append(wanted[c.first], c.before)
		wanted[c.second] = append(wanted[c.second], c.path)
	}
	places := make(map[int][]place, len(wanted))
	for part, paths := range wanted {
		places[part] = locate(j.doc.parts[part:part+1], paths)
	}
	next := func(part int) int { // the places are asked for in the order in which they were wanted
		line := places[part][0].line
		places[part] = places[part][1:]
		return line
	}
	var problems Problems
	for _, c := range j.clashes {
		first := Problem{Source: j.doc.parts[c.first].name, Line: next(c.first)}
		problems = append(problems, Problem{
			Source: j.doc.parts[c.second].name, Line: next(c.second), Path: c.path.String(),
			Message: fmt.Sprintf("%s in %s already", c.what, first.place()), Kind: KindTwice,
		})
	}
	if j.more > 0 {
		last := j.doc.parts[len(j.doc.parts)-1]
		problems = append(problems, Problem{Source: last.name, Message: fmt.Sprintf("and %d more", j.more)})
	}
	return problems
}
