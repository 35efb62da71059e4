package spec

import (
	"errors"
	"strconv"
	"strings"
)

// tomlReader reads TOML into the tree that the parser would make of it, in a tenth of the time: the parser keeps the
// full path of every key and writes it out several times. What the reader does not understand it leaves to the parser,
// which also is the one to say what is wrong. So the reader may stop anywhere, and accepts nothing that the parser
// does not.
//
// In one thing it is stricter. A key that is defined twice is reported and reading goes on, so that it hides nothing
// else; and the parser lets pass some of what TOML forbids (https://toml.io/en/v1.0.0#table): dotted keys that add to
// the table of a header, a header for the table of dotted keys, and whatever adds to an inline table.
type tomlReader struct {
	tomlScanner
	odd   int // values that were left to the parser
	again redefined

	above     string // the text of the current header
	start     int    // where the statement begins that is being read
	startLine int    // 0: none is
}

// maxOdd is how many values are left to the parser one by one, which is dear. The schema has a use for few of them.
const maxOdd = 1000

// tomlTable is a table that later lines may add to.
type tomlTable struct {
	keys map[string]any
	open map[string]*tomlTable // of the keys, those that are such tables; of an array of tables its last one
	by   tomlDefinition
	line int  // where it is defined or, if it is not, implied
	told bool // it was reported as defined twice: of what else is in it nothing is
}

// tomlDefinition is what defines a table. A table is defined once.
type tomlDefinition uint8

const (
	implied  tomlDefinition = iota // nothing does: it is only part of the path of a header
	byHeader                       // [table]
	byKeys                         // table.key = 1
	byArray                        // [[table]]
)

// document reads the whole text, which is UTF-8, and reports whether it got through.
func (r *tomlReader) document() (map[string]any, bool) {
	if hasControl(r.text) {
		return nil, false
	}
	root := newTable(byHeader, 1)
	table := root
	for {
		r.blank()
		if r.pos == len(r.text) {
			return root.keys, true
		}
		r.start, r.startLine = r.pos, r.line
		ok, header := false, r.text[r.pos] == '['
		if header {
			r.above = ""
			table, ok = r.readHeader(root)
		} else {
			r.at = append(r.at[:0], r.header...)
			ok = r.readAssignment(table, 0)
		}
		if !ok || !r.lineEnds() {
			return nil, false
		}
		if header {
			r.above = r.text[r.start:r.pos]
		}
	}
}

// mistake returns what is wrong with the statement at which the reader stopped, as the parser says it, or nil if the
// parser takes it. The parser is given that statement and the header above it: all of a large document takes it seconds
// and a gigabyte.
func (r *tomlReader) mistake() error {
	switch {
	case r.limit != nil:
		return *r.limit
	case r.startLine == 0:
		return nil
	}
	_, _, err := judgeTOML(r.above + "\n" + r.text[r.start:lineEnd(r.text, r.pos)])
	if p := (pending{}); errors.As(err, &p) && p.line > 1 {
		p.line += r.startLine - 2 // the statement is on its second line
		return p
	}
	return nil
}

// hasControl reports whether a text has a control character that may stand nowhere in TOML. A carriage return may
// before a newline.
func hasControl(text string) bool {
	for i := range len(text) {
		switch c := text[i]; {
		case c >= ' ' && c != 0x7f, c == '\n', c == '\t':
		case c != '\r' || i+1 == len(text) || text[i+1] != '\n':
			return true
		}
	}
	return false
}

// lineEnds reports whether nothing but a comment follows on the line.
func (r *tomlReader) lineEnds() bool {
	r.space()
	return r.pos == len(r.text) || strings.IndexByte("\r\n#", r.text[r.pos]) >= 0
}

// readHeader reads the header of a table and returns the table.
func (r *tomlReader) readHeader(root *tomlTable) (*tomlTable, bool) {
	array := strings.HasPrefix(r.text[r.pos:], "[[")
	if !r.table() {
		return nil, false
	}
	t, last := root, len(r.header)-1
	for i := range last {
		t = r.through(t, r.header[:i+1])
	}
	if array {
		return r.element(t, r.header), true
	}
	return r.headed(t, r.header), true
}

// readAssignment reads "key = value" into a table, at a nesting of brackets.
func (r *tomlReader) readAssignment(t *tomlTable, nesting int) bool {
	start, line := len(r.at), r.line
	if !r.key(nesting) || !r.take('=') {
		return false
	}
	value, ok := r.readValue(nesting)
	if !ok {
		return false
	}
	last := len(r.at) - 1
	for i := start; i < last; i++ {
		t = r.dotted(t, r.at[:i+1], line)
	}
	r.set(t, r.at, value, line)
	return true
}

// readValue reads a value.
func (r *tomlReader) readValue(nesting int) (any, bool) {
	r.space()
	switch rest := r.text[r.pos:]; {
	case strings.HasPrefix(rest, "{"):
		table, at := newTable(byKeys, r.line), len(r.at)
		ok := r.sequence('}', nesting+1, func() bool {
			r.at = r.at[:at]
			return r.readAssignment(table, nesting+1)
		})
		r.at = r.at[:at]
		return table.keys, ok
	case strings.HasPrefix(rest, "["):
		list := []any{}
		ok := r.sequence(']', nesting+1, func() bool {
			if !r.count(1) {
				return false
			}
			v, ok := r.readValue(nesting + 1)
			list = append(list, v)
			return ok
		})
		return list, ok
	}
	start := r.pos
	if !r.value(nesting) {
		return nil, false
	}
	return r.plain(strings.TrimRight(r.text[start:r.pos], " \t\r"))
}

// plain returns what a value stands for that is neither array nor table.
func (r *tomlReader) plain(text string) (any, bool) {
	switch {
	case text == "": // there was a carriage return
		return nil, false
	case text == "true", text == "false":
		return text == "true", true
	case strings.HasPrefix(text, `"""`), strings.HasPrefix(text, "'''"):
	case text[0] == '"':
		return unescape(text[1 : len(text)-1])
	case text[0] == '\'':
		return text[1 : len(text)-1], true
	case text == "0" || isDigits(text) && text[0] != '0':
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n, true
		}
	}
	if r.odd++; r.odd > maxOdd {
		return nil, false
	}
	root, _, err := judgeTOML("v = " + text)
	if err != nil || len(root) != 1 {
		return nil, false
	}
	return root["v"], true
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
