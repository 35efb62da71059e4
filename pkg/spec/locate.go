package spec

import "slices"

// place is where a path is declared.
type place struct {
	layer int
	line  int // 0: nowhere in that layer
	depth int // how much of the path was found; what is missing is reported at the table that lacks it
}

// locate finds, for each path, the last of the layers, which are leaves, that declares it, or the longest part of it, and
// the line there. It reads the texts again: lines are asked for when something is wrong, and remembering a million of them
// for that costs more than the documents.
func locate(layers []*Document, paths []path) []place {
	places := make([]place, len(paths))
	for layer, d := range layers {
		var root spot
		wanted := false
		for _, p := range paths {
			if d.concerns(p) {
				root.want(p)
				wanted = true
			}
		}
		if !wanted {
			continue
		}
		d.visit(root.see)
		for i, p := range paths {
			depth, line := root.find(p)
			if line > 0 && (depth >= places[i].depth || d.replaces(p)) {
				places[i] = place{layer: layer, line: line, depth: depth}
			}
		}
	}
	return places
}

// leaves returns documents with those that Join made replaced by their parts, which have the texts.
func leaves(docs []*Document) []*Document {
	joined := func(d *Document) bool { return d.parts != nil }
	if !slices.ContainsFunc(docs, joined) {
		return docs
	}
	var all []*Document
	for _, d := range docs {
		if joined(d) {
			all = append(all, d.parts...)
		} else {
			all = append(all, d)
		}
	}
	return all
}

// concerns reports whether the document can say anything of a path. There may be 10,000 overrides, each of one object, and
// 200,000 keys of a tree in Consul, each of one service.
func (d *Document) concerns(p path) bool {
	if d.override != nil {
		return p.within(d.at)
	}
	const named = 2 // {"services", "web"}
	return len(d.at) < named || len(p) < named || p.within(d.at[:named])
}

// replaces reports whether what lower layers say of a path does not count, be it in this document or not.
func (d *Document) replaces(p path) bool {
	c := d.override
	if c == nil || c.kind == Patch || !p.within(d.at) {
		return false
	}
	ofBackends := c.backendName() == "" && len(p) > len(d.at) && p[len(d.at)] == "backends"
	return c.kind == Hide || !ofBackends || len(c.service.backends) > 0
}

// visit calls see with every key of the document, in order. A key is explicit unless it is only part of a longer
// one, as "services" is in [services.web]. The tables that lead to where the document belongs are on its first line.
func (d *Document) visit(see visitor) {
	if n := len(d.at); n > 0 {
		for i := range d.at {
			see(d.at[:i+1], 1, i == n-1)
		}
		whole, inner := slices.Clone(d.at), see
		see = func(p path, line int, explicit bool) {
			whole = append(whole[:n], p...)
			inner(whole, line, explicit)
		}
	}
	if d.text == "" {
		return
	}
	switch d.format {
	case TOML:
		s := tomlScanner{text: d.text, line: 1, see: see}
		s.document()
	case JSON:
		r := jsonReader{text: d.text, line: 1, see: see}
		r.document()
	case YAML:
		visitYAML(d.text, see)
	}
}

// visitor is told of a key; the path is only lent.
type visitor func(p path, line int, explicit bool)

// spot is a node of the tree of wanted paths, and the line where it was seen.
type spot struct {
	line     int
	explicit bool
	keys     map[string]*spot
}

func (s *spot) want(p path) {
	for _, key := range p {
		next := s.keys[key]
		if next == nil {
			next = new(spot)
			if s.keys == nil {
				s.keys = make(map[string]*spot)
			}
			s.keys[key] = next
		}
		s = next
	}
}

// see notes the line of a key if it is wanted. The first mention counts, but [services.web] wins over a
// [services.web.backends.a] before it.
func (s *spot) see(p path, line int, explicit bool) {
	for _, key := range p {
		if s = s.keys[key]; s == nil {
			return
		}
	}
	if s.line == 0 || explicit && !s.explicit {
		s.line, s.explicit = line, explicit
	}
}

// find returns how much of a path was seen, and the line of that.
func (s *spot) find(p path) (depth, line int) {
	for i, key := range p {
		if s = s.keys[key]; s == nil || s.line == 0 {
			break
		}
		depth, line = i+1, s.line
	}
	return depth, line
}
