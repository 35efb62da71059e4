package spec

// place is where a path is declared.
type place struct {
	layer int
	line  int // 0: nowhere in that layer
	depth int // how much of the path was found; what is missing is reported at the table that lacks it
}

// locate finds, for each path, the last of the layers that declares it, or the longest part of it, and the line
// there. It reads the texts again: lines are asked for when something is wrong, and remembering a million of them
// for that costs more than the documents.
func locate(layers []*Document, paths []path) []place {
	places := make([]place, len(paths))
	for layer, d := range layers {
		var root spot
		for _, p := range paths {
			root.want(p)
		}
		d.visit(root.see)
		for i, p := range paths {
			if depth, line := root.find(p); depth >= places[i].depth && line > 0 {
				places[i] = place{layer: layer, line: line, depth: depth}
			}
		}
	}
	return places
}

// visit calls see with every key of the document, in order. A key is explicit unless it is only part of a longer
// one, as "services" is in [services.web].
func (d *Document) visit(see visitor) {
	switch d.format {
	case TOML:
		s := tomlScanner{text: d.text, line: 1, see: see}
		s.document()
	case JSON:
		r := jsonReader{text: d.text, line: 1, see: see}
		r.document()
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
