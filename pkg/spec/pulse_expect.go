package spec

import (
	"encoding/json"
	"fmt"
	"regexp/syntax"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// expectation is the arg that means one thing to tcp, what the answer begins with, and another to http, its status. The
// type that it was written for goes with it, so that a layer which changes the type does not make a status the beginning
// of an answer.
type expectation struct {
	value any    // string or int64
	kind  string // "": no type was said where it was written, nor below
}

// argExpect expects a status, several of them, or what an answer begins with. Which a string has to be, the type tells.
func (c *checker) argExpect(v any) opt[any] {
	if c.describes((*Schema).draftExpect) {
		return opt[any]{}
	}
	switch v := v.(type) {
	case string:
		if v == "" || len(v) > maxArg {
			c.addf("%d bytes are not 1 to %d", len(v), maxArg)
			return opt[any]{}
		}
		return some[any](expectation{value: v})
	case []any:
		return c.argStatuses(v)
	case int64, json.Number:
		status := whole[int64](c, v, 100, 599)
		return opt[any]{expectation{status.value, PulseHTTP}, status.set}
	}
	c.wrongType(v, `a status such as 200, "200-299,404" or [200, 404], or a string`)
	return opt[any]{}
}

// argStatuses expects an array of statuses and ranges.
func (c *checker) argStatuses(list []any) opt[any] {
	var parts []string
	bad := false
	for i, v := range list {
		c.at = append(c.at, indexKey(i))
		switch v := v.(type) {
		case string:
			parts = append(parts, v)
		case int64:
			parts = append(parts, strconv.FormatInt(v, 10))
		default:
			c.wrongType(v, `a status such as 200 or "200-299"`)
			bad = true
		}
		c.at = c.at[:len(c.at)-1]
	}
	if bad {
		return opt[any]{}
	}
	all := strings.Join(parts, ",")
	if _, why := parseStatuses(all); why != "" {
		c.addf("%s", why)
		return opt[any]{}
	}
	return some[any](expectation{all, PulseHTTP})
}

// maxStatuses is how many statuses and ranges may be expected.
const maxStatuses = 100

// parseStatuses reads "200-299,404", or says why it cannot.
func parseStatuses(s string) (all []StatusRange, why string) {
	parts := strings.Split(s, ",")
	if len(parts) > maxStatuses {
		return nil, fmt.Sprintf("%d statuses are over %d", len(parts), maxStatuses)
	}
	for _, part := range parts {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		lo, err1 := strconv.ParseUint(strings.TrimSpace(from), 10, 16)
		hi, err2 := strconv.ParseUint(strings.TrimSpace(to), 10, 16)
		switch {
		case err1 != nil || err2 != nil:
			return nil, fmt.Sprintf("%s is not a status such as 200, or several: \"200-299,404\"", quote(part))
		case lo < 100 || hi > 599:
			return nil, fmt.Sprintf("%s is not within 100 to 599", quote(part))
		case lo > hi:
			return nil, fmt.Sprintf("%s ends before it begins", quote(part))
		}
		all = append(all, StatusRange{uint16(lo), uint16(hi)})
	}
	return all, ""
}

// wrong says why the expectation is none of its type.
func (e expectation) wrong() string {
	switch e.kind {
	case PulseHTTP, PulseHTTPS:
		_, why := parseStatuses(fmt.Sprint(e.value))
		return why
	case PulseTCP:
		s, _ := e.value.(string)
		_, why := unescapeBytes(s)
		return why
	}
	return ""
}

// as returns the expectation for a pulse of a type, or why it has none: another type was on the writer's mind. While no type
// is written at all it was GORB's default, which had no use for a status.
func (e expectation) as(kind string, typed bool) (_ expectation, why string) {
	_, notStatuses := parseStatuses(fmt.Sprint(e.value))
	switch {
	case e.kind != "" && isWeb(e.kind) != isWeb(kind):
		return e, fmt.Sprintf("it was written for type %s, and this is %s; it has no effect", e.kind, kind)
	case !isWeb(kind) && !typed && notStatuses == "":
		return e, fmt.Sprintf("a status goes with type http or https, and this is %s; it has no effect", kind)
	}
	e.kind = kind
	return e, ""
}

func isWeb(kind string) bool { return kind == PulseHTTP || kind == PulseHTTPS }

func (e expectation) put(a *Args) {
	if isWeb(e.kind) {
		a.Statuses, _ = parseStatuses(fmt.Sprint(e.value))
		return
	}
	s, _ := e.value.(string)
	a.Expect, _ = unescapeBytes(s)
}

// expected is what was put, as a setting.
func expected(a *Args) any {
	if len(a.Statuses) == 0 {
		return escapeBytes(a.Expect)
	}
	if first := a.Statuses[0]; len(a.Statuses) == 1 && first.From == first.To {
		return int64(first.From)
	}
	parts := make([]string, len(a.Statuses))
	for i, r := range a.Statuses {
		parts[i] = strconv.Itoa(int(r.From))
		if r.From != r.To {
			parts[i] += "-" + strconv.Itoa(int(r.To))
		}
	}
	return strings.Join(parts, ",")
}

// argBytes expects bytes: text with the escapes that unescapeBytes knows.
func (c *checker) argBytes(v any) opt[any] {
	if c.describes(func(s *Schema) { s.text("", 1, maxArg) }) {
		return opt[any]{}
	}
	s, ok := v.(string)
	if !ok {
		c.wrongType(v, `a string such as 'PING\r\n'`)
		return opt[any]{}
	}
	_, why := unescapeBytes(s)
	if s == "" || len(s) > maxArg {
		why = fmt.Sprintf("%d bytes are not 1 to %d", len(s), maxArg)
	}
	if s == Hidden {
		why = shownForSecret
	}
	if why != "" {
		c.addf("%s", why)
	}
	return opt[any]{s, why == ""}
}

// escapes are those of one letter.
var escapes = map[byte]byte{'r': '\r', 'n': '\n', 't': '\t', '\\': '\\'}

// unescapeBytes returns the bytes that a text with \r, \n, \t, \\ and \xHH stands for, or says why it stands for none. The
// escapes are for what no document can have in a string, and for who writes one that has none of its own.
func unescapeBytes(s string) (bytes, why string) {
	var b strings.Builder
	for rest := s; ; {
		before, after, found := strings.Cut(rest, `\`)
		b.WriteString(before)
		if !found {
			return b.String(), ""
		}
		n, size := byte(0), 0
		if len(after) > 0 {
			n, size = escapes[after[0]], 1
		}
		if len(after) > 2 && after[0] == 'x' {
			if v, err := strconv.ParseUint(after[1:3], 16, 8); err == nil {
				b.WriteByte(byte(v))
				rest = after[3:]
				continue
			}
		}
		if n == 0 {
			return "", fmt.Sprintf(`%s is no escape; there are \r, \n, \t, \\ and \xHH`, quote(`\`+after))
		}
		b.WriteByte(n)
		rest = after[size:]
	}
}

// escapeBytes returns the text that stands for bytes.
func escapeBytes(bytes string) string {
	var b strings.Builder
	for i := 0; i < len(bytes); {
		r, size := utf8.DecodeRuneInString(bytes[i:])
		switch {
		case r == '\\':
			b.WriteString(`\\`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == utf8.RuneError && size == 1 || unicode.IsControl(r):
			for _, c := range []byte(bytes[i : i+size]) {
				fmt.Fprintf(&b, `\x%02x`, c)
			}
		default:
			b.WriteString(bytes[i : i+size])
		}
		i += size
	}
	return b.String()
}

// How large a regular expression may be: as it is written, and when its repetitions are written out, of which RE2 makes
// instructions.
const (
	maxRegexp      = 1024
	maxRegexpParts = 10_000
)

// argRegexp expects a regular expression of RE2, as Go has it.
func (c *checker) argRegexp(v any) opt[any] {
	if c.describes(func(s *Schema) { s.text("", 1, maxRegexp) }) {
		return opt[any]{}
	}
	s, ok := v.(string)
	if !ok {
		c.wrongType(v, "a regular expression")
		return opt[any]{}
	}
	if s == "" || len(s) > maxRegexp {
		c.addf("%d bytes are not 1 to %d", len(s), maxRegexp)
		return opt[any]{}
	}
	parsed, err := syntax.Parse(s, syntax.Perl)
	if err != nil {
		c.addf("%s is not a regular expression of RE2: %s", quote(s), strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		return opt[any]{}
	}
	if regexpParts(parsed) > maxRegexpParts {
		c.addf("%s repeats too much: written out it has over %d parts", quote(s), maxRegexpParts)
		return opt[any]{}
	}
	return some[any](s)
}

// regexpParts is how large a regular expression is with its repetitions written out. The parser bounds how deep it goes,
// and how far repetitions multiply.
func regexpParts(re *syntax.Regexp) int {
	parts := 1 + len(re.Rune)
	for _, sub := range re.Sub {
		parts += regexpParts(sub)
	}
	if re.Op == syntax.OpRepeat {
		parts *= max(re.Min, re.Max, 1)
	}
	return parts
}
