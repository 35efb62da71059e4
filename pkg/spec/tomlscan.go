package spec

import (
	"fmt"
	"strconv"
	"strings"
)

// tomlScanner reads TOML lexically: it knows keys, tables, brackets, strings and comments, and nothing of values.
// It serves three ends. Before parsing it keeps from the parser what the parser cannot bear: that recurses without
// limit, and a Go stack that overflows ends the process. After parsing it says on which line a key stands. And the
// reader is made of it.
//
// At the first thing that it does not understand it stops; what follows is then never parsed (see parseTOML).
type tomlScanner struct {
	text  string
	pos   int
	line  int     // of pos
	see   visitor // nil: nobody wants to know
	limit *pending

	header    path        // of the current [table]
	at        path        // the key being read, header included
	indexes   tomlIndexes // only kept for see
	last      path        // the key before it
	items     int
	pathBytes int
}

// document scans the whole text and reports whether it got through.
func (s *tomlScanner) document() bool {
	for {
		s.blank()
		switch {
		case s.pos == len(s.text):
			return true
		case s.text[s.pos] == '[':
			if !s.table() {
				return false
			}
		default:
			s.at = append(s.at[:0], s.header...)
			s.indexes.inTable()
			if !s.assignment(0) {
				return false
			}
		}
	}
}

// table reads the header of a table or of an array of tables.
func (s *tomlScanner) table() bool {
	s.pos++
	closing := "]"
	if s.take('[') {
		closing = "]]"
	}
	s.at = s.at[:0]
	s.indexes.inHeader()
	if !s.key(0) || !strings.HasPrefix(s.text[s.pos:], closing) {
		return false
	}
	s.pos += len(closing)
	s.header = append(s.header[:0], s.at...)
	if s.see != nil {
		s.indexes.endHeader(s, closing == "]]")
	}
	return true
}

// assignment reads "key = value", at a nesting of brackets.
func (s *tomlScanner) assignment(nesting int) bool {
	if !s.key(nesting) || !s.take('=') {
		return false
	}
	return s.value(nesting)
}

// key reads a dotted key, appends it to s.at and tells of it and of the tables that it implies.
func (s *tomlScanner) key(nesting int) bool {
	for {
		part, ok := s.keyPart()
		if !ok {
			return false
		}
		s.at = append(s.at, part)
		if !s.deep(nesting) {
			return false
		}
		more := s.take('.')
		if s.see != nil {
			s.tell(!more)
			if more {
				s.indexes.enter(s.at)
			}
		}
		if !more {
			return s.countKey()
		}
	}
}

// keyPart reads one part of a key, bare or quoted, and the space around it.
func (s *tomlScanner) keyPart() (string, bool) {
	s.space()
	start := s.pos
	if s.pos < len(s.text) && (s.text[s.pos] == '"' || s.text[s.pos] == '\'') {
		if !s.quoted(s.text[start : start+1]) {
			return "", false
		}
		part, ok := s.text[start+1:s.pos-1], true
		if s.text[start] == '"' {
			part, ok = unescape(part)
		}
		s.space()
		return part, ok
	}
	for s.pos < len(s.text) && isBareKey(s.text[s.pos]) {
		s.pos++
	}
	part := s.text[start:s.pos]
	s.space()
	return part, part != ""
}

// value skips a value.
func (s *tomlScanner) value(nesting int) bool {
	s.space()
	if s.pos == len(s.text) {
		return false
	}
	switch s.text[s.pos] {
	case '[':
		return s.array(nesting)
	case '{':
		table := len(s.at)
		ok := s.sequence('}', nesting+1, func() bool {
			s.at = s.at[:table]
			return s.assignment(nesting + 1)
		})
		s.at = s.at[:table] // an array may have more of them
		return ok
	case '"', '\'':
		quote := s.text[s.pos : s.pos+1]
		if triple := strings.Repeat(quote, 3); strings.HasPrefix(s.text[s.pos:], triple) {
			quote = triple
		}
		return s.quoted(quote)
	}
	start := s.pos
	if i := strings.IndexAny(s.text[s.pos:], ",]}#\n"); i >= 0 {
		s.pos += i
	} else {
		s.pos = len(s.text)
	}
	return s.pos > start
}

// sequence reads what stands between brackets, separated by commas.
func (s *tomlScanner) sequence(end byte, nesting int, element func() bool) bool {
	s.pos++
	if !s.deep(nesting) {
		return false
	}
	for {
		s.blank()
		if s.take(end) {
			return true
		}
		if !element() {
			return false
		}
		s.blank()
		if !s.take(',') {
			return s.take(end)
		}
	}
}

// quoted skips a string, which may run over lines where three quotes delimit it.
func (s *tomlScanner) quoted(quote string) bool {
	for i := s.pos + len(quote); i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '\\' && quote[0] == '"':
			i++
			if i < len(s.text) && s.text[i] == '\n' {
				s.line++
			}
		case c == '\n':
			if len(quote) == 1 {
				return false
			}
			s.line++
		case strings.HasPrefix(s.text[i:], quote):
			i += len(quote)
			// A string between three quotes may end with one or two of them.
			for n := 0; len(quote) == 3 && n < 2 && i < len(s.text) && s.text[i] == quote[0]; n++ {
				i++
			}
			s.pos = i
			return true
		}
	}
	return false
}

// blank skips space, newlines and comments.
func (s *tomlScanner) blank() {
	for s.pos < len(s.text) {
		switch s.text[s.pos] {
		case '\n':
			s.line++
		case ' ', '\t', '\r':
		case '#':
			i := strings.IndexByte(s.text[s.pos:], '\n')
			if i < 0 {
				s.pos = len(s.text)
				return
			}
			s.pos += i
			continue
		default:
			return
		}
		s.pos++
	}
}

// space skips space within a line.
func (s *tomlScanner) space() {
	for s.pos < len(s.text) && (s.text[s.pos] == ' ' || s.text[s.pos] == '\t') {
		s.pos++
	}
}

// take skips c if it comes next.
func (s *tomlScanner) take(c byte) bool {
	if s.pos == len(s.text) || s.text[s.pos] != c {
		return false
	}
	s.pos++
	return true
}

// deep reports whether the current key and nesting are within maxDepth.
func (s *tomlScanner) deep(nesting int) bool {
	if len(s.at)+nesting <= maxDepth {
		return true
	}
	return s.exceed("nested over %d deep", maxDepth)
}

// countKey counts the tables and the key that s.at adds to the document, as far as the key before it tells.
func (s *tomlScanner) countKey() bool {
	known := 0
	for known < min(len(s.at), len(s.last)) && s.at[known] == s.last[known] {
		known++
	}
	for _, part := range s.at {
		s.pathBytes += len(part) + 1
	}
	s.last = append(s.last[:0], s.at...)
	if s.pathBytes > maxPathBytes {
		return s.exceed("the full paths of all keys come to over %d MiB", maxPathBytes>>20)
	}
	return s.count(len(s.at) - known)
}

// count counts n more items, and reports whether the document may have them.
func (s *tomlScanner) count(n int) bool {
	if s.items += n; s.items > maxItems {
		return s.exceed("over %d keys and values", maxItems)
	}
	return true
}

func (s *tomlScanner) exceed(format string, args ...any) bool {
	s.limit = &pending{line: s.line, kind: KindLimit, message: fmt.Sprintf(format, args...)}
	return false
}

// unescape resolves the escapes of a basic string, and reports whether they are TOML's: some of Go's, and "\e".
func unescape(s string) (string, bool) {
	if strings.IndexByte(s, '\\') < 0 {
		return s, true
	}
	var b strings.Builder
	for s != "" {
		plain, rest, escaped := strings.Cut(s, `\`)
		b.WriteString(plain)
		if !escaped {
			break
		}
		if rest == "" || strings.IndexByte(`btnfre"\xuU`, rest[0]) < 0 {
			return "", false
		}
		if rest[0] == 'e' {
			b.WriteByte(0x1b)
			s = rest[1:]
			continue
		}
		r, _, tail, err := strconv.UnquoteChar(s[len(plain):], '"')
		if err != nil {
			return "", false
		}
		b.WriteRune(r) // Go reads "\x80" as a byte, TOML as U+0080
		s = tail
	}
	return b.String(), true
}
