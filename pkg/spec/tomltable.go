package spec

import (
	"fmt"
	"slices"
)

func newTable(by tomlDefinition, line int) *tomlTable {
	return &tomlTable{keys: make(map[string]any), by: by, line: line}
}

// add puts an empty table at a key.
func (t *tomlTable) add(key string, by tomlDefinition, line int) *tomlTable {
	next := newTable(by, line)
	t.keys[key] = next.keys
	t.keep(key, next)
	return next
}

// keep says that later lines may add to a table.
func (t *tomlTable) keep(key string, next *tomlTable) {
	if t.open == nil {
		t.open = make(map[string]*tomlTable)
	}
	t.open[key] = next
}

// through returns the table at the end of a path, which is part of a header's.
func (r *tomlReader) through(t *tomlTable, p path) *tomlTable {
	key := p[len(p)-1]
	if next := t.open[key]; next != nil {
		return next
	}
	if _, taken := t.keys[key]; taken {
		return r.aside(t, p, r.line)
	}
	return t.add(key, implied, r.line)
}

// headed returns the table that a header defines.
func (r *tomlReader) headed(t *tomlTable, p path) *tomlTable {
	key := p[len(p)-1]
	next := t.open[key]
	switch {
	case next == nil:
		if _, taken := t.keys[key]; taken {
			return r.aside(t, p, r.line)
		}
		return t.add(key, byHeader, r.line)
	case next.by == implied:
		next.by, next.line = byHeader, r.line
	default:
		r.reportTable(p, r.line, next)
	}
	return next
}

// element returns the table that a header adds to an array of them.
func (r *tomlReader) element(t *tomlTable, p path) *tomlTable {
	key := p[len(p)-1]
	value, taken := t.keys[key]
	list, ok := value.([]map[string]any)
	if taken && !ok {
		return r.aside(t, p, r.line)
	}
	next := newTable(byArray, r.line)
	t.keys[key] = append(list, next.keys)
	t.keep(key, next)
	return next
}

// dotted returns the table at the end of a path, which is part of a key's.
func (r *tomlReader) dotted(t *tomlTable, p path, line int) *tomlTable {
	key := p[len(p)-1]
	next := t.open[key]
	switch {
	case next == nil:
		if _, taken := t.keys[key]; taken {
			return r.aside(t, p, line)
		}
		return t.add(key, byKeys, line)
	case next.by == implied:
		next.by, next.line = byKeys, line
	case next.by != byKeys && !next.told: // told once: each of its keys comes by here
		r.reportTable(p, line, next)
	}
	return next
}

// set gives a key a plain value, an inline table, or an array.
func (r *tomlReader) set(t *tomlTable, p path, value any, line int) {
	key := p[len(p)-1]
	if _, taken := t.keys[key]; !taken {
		t.keys[key] = value
		return
	}
	if !t.told { // a table that is there twice is likely a copy, with the same keys
		r.reportKey(t, p, line, isTable(value))
	}
}

// aside returns a table for what cannot be put at a path, because its key has another value.
func (r *tomlReader) aside(t *tomlTable, p path, line int) *tomlTable {
	r.reportKey(t, p, line, true)
	table := newTable(byHeader, line)
	table.told = true
	return table
}

func isTable(v any) bool {
	_, table := v.(map[string]any)
	return table
}

// redefined is the error of keys that are defined twice. The document is read nonetheless: the first definition counts.
type redefined struct {
	report
	plain map[string][]firstWanted // by the last part of a key
}

// firstWanted is a problem of which the line of the first definition is still to be found.
type firstWanted struct {
	found int // the problem
	from  int // the line of the key's table: another of its array may have the same key before that
}

func (redefined) Error() string { return "keys are defined twice" }

// reportTable reports a table that is defined again.
func (r *tomlReader) reportTable(p path, line int, first *tomlTable) {
	first.told = true
	r.again.addLine(KindTwice, p, line, "the table is defined twice, first on line %d", first.line)
}

// reportKey reports a key that has a value, and is defined again as a table or not.
func (r *tomlReader) reportKey(t *tomlTable, p path, line int, table bool) {
	key := p[len(p)-1]
	what := "the key is defined twice"
	switch was := isTable(t.keys[key]); {
	case was && table:
		what = "the table is defined twice"
	case was != table:
		what = "the key is defined twice, as a table and as a plain value"
	}
	if first := t.open[key]; first != nil {
		r.again.addLine(KindTwice, p, line, "%s, first on line %d", what, first.line)
		return
	}
	if !r.again.full() {
		if r.again.plain == nil {
			r.again.plain = make(map[string][]firstWanted)
		}
		r.again.plain[key] = append(r.again.plain[key], firstWanted{len(r.again.found), t.line})
	}
	r.again.addLine(KindTwice, p, line, "%s", what)
}

// redefinitions returns the error of keys that are defined twice, if there are any. Where the first definition of a
// plain value was, the text is asked again: to remember a million lines for that costs too much.
func (r *tomlReader) redefinitions() error {
	again := &r.again
	if again.empty() {
		return nil
	}
	if len(again.plain) > 0 {
		first := make([]int, len(again.found))
		s := tomlScanner{text: r.text, line: 1, see: func(p path, line int, _ bool) {
			for _, w := range again.plain[p[len(p)-1]] {
				if first[w.found] == 0 && line >= w.from && slices.Equal(p, again.found[w.found].path) {
					first[w.found] = line
				}
			}
		}}
		s.document()
		for i, line := range first {
			if line > 0 {
				again.found[i].message += fmt.Sprintf(", first on line %d", line)
			}
		}
	}
	return r.again
}
