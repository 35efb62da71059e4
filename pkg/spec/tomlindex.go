package spec

import "strings"

// tomlIndexes knows which parts of a tomlScanner's current key are elements of arrays. Without it "url" in the second
// [[sources]] would be taken for that of the first.
type tomlIndexes struct {
	of     []tomlIndex    // of the key being read
	header []tomlIndex    // of the current [table]
	arrays map[string]int // how many elements an array of tables has so far, by its path with indexes
}

// tomlIndex says that an index follows so many parts of a key.
type tomlIndex struct{ after, index int }

// tell tells of the key being read, by its name and, if it is in an array, also by its place there.
func (s *tomlScanner) tell(explicit bool) {
	s.see(s.at, s.line, explicit)
	if len(s.indexes.of) > 0 {
		s.see(s.indexes.within(s.at), s.line, explicit)
	}
}

// within puts the indexes into a key.
func (t *tomlIndexes) within(at path) path {
	out := make(path, 0, len(at)+len(t.of))
	done := 0
	for _, i := range t.of {
		out = append(append(out, at[done:i.after]...), indexKey(i.index))
		done = i.after
	}
	return append(out, at[done:]...)
}

// name is what an array goes by.
func (t *tomlIndexes) name(at path) string { return strings.Join(t.within(at), "\x00") }

func (t *tomlIndexes) add(after, index int) { t.of = append(t.of, tomlIndex{after, index}) }

func (t *tomlIndexes) inTable()  { t.of = append(t.of[:0], t.header...) }
func (t *tomlIndexes) inHeader() { t.of = t.of[:0] }

// enter leads into the last element of the array of tables at a key, if there is one.
func (t *tomlIndexes) enter(at path) {
	if len(t.arrays) == 0 {
		return
	}
	if n := t.arrays[t.name(at)]; n > 0 {
		t.add(len(at), n-1)
	}
}

// endHeader ends the header of a table, or of a further element of an array of tables.
func (t *tomlIndexes) endHeader(s *tomlScanner, element bool) {
	if element {
		if t.arrays == nil {
			t.arrays = make(map[string]int)
		}
		name := t.name(s.at)
		t.add(len(s.at), t.arrays[name])
		t.arrays[name]++
		s.tell(true)
	}
	t.header = append(t.header[:0], t.of...)
}

// leave returns what puts the indexes back to those of now.
func (t *tomlIndexes) leave() func() {
	n := len(t.of)
	return func() { t.of = t.of[:n] }
}

// array skips an array, and tells of its elements.
func (s *tomlScanner) array(nesting int) bool {
	at, n := len(s.at), 0
	leave := s.indexes.leave()
	defer leave()
	return s.sequence(']', nesting+1, func() bool {
		s.at = s.at[:at] // an inline table leaves its last key
		if s.see != nil {
			leave()
			s.indexes.add(at, n)
			n++
			s.tell(true)
		}
		return s.count(1) && s.value(nesting+1)
	})
}
