package spec

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode"
)

// checker walks the tree of a document and reads its values. Every method that reads one reports what is wrong with
// it, and then returns a value that is not set.
type checker struct {
	*report
	at      path
	remote  bool            // the document is not the operator's own file
	retyped func(path) bool // says whether a table's name is also given a plain value; nil: it never is
	draft   *draft          // what it would take is written down here, and no value is read; nil: it reads
}

// addf reports that a value is none that the key can have.
func (c *checker) addf(format string, args ...any) { c.kindf(KindValue, format, args...) }

func (c *checker) kindf(kind ProblemKind, format string, args ...any) {
	c.report.kindf(kind, c.at, format, args...)
}

// table expects a table.
func (c *checker) table(v any) (map[string]any, bool) {
	table, ok := v.(map[string]any)
	switch {
	case !ok:
		c.wrongShape(v, aTable)
	case c.retyped != nil && len(c.at) > 0 && c.retyped(c.at):
		c.kindf(KindTwice, "the key is defined twice, as a table and as a plain value")
	}
	return table, ok
}

// list expects an array. Who asks what it takes is given an array of one, for the readers of elements.
func (c *checker) list(v any, wanted string) ([]any, bool) {
	if c.describes(func(s *Schema) { s.Type, s.Items = Types{"array"}, new(Schema) }) {
		c.draft.at = c.draft.at.Items
		return []any{nil}, true
	}
	switch v := v.(type) {
	case []any:
		return v, true
	case []map[string]any: // the TOML parser's array of tables
		list := make([]any, len(v))
		for i := range v {
			list[i] = v[i]
		}
		return list, true
	}
	c.wrongShape(v, wanted)
	return nil, false
}

// texts expects an array of strings, each of which read takes.
func (c *checker) texts(v any, wanted string, most int, read func(v any) opt[string]) opt[[]string] {
	c.describes(func(s *Schema) { s.MaxItems = most })
	list, ok := c.list(v, wanted)
	if !ok {
		return opt[[]string]{}
	}
	if len(list) > most {
		c.kindf(KindOver, "%d is over %d of them", len(list), most)
		return opt[[]string]{}
	}
	all := make([]string, 0, len(list))
	for i, v := range list {
		c.at = append(c.at, indexKey(i))
		if s := read(v); s.set {
			all = append(all, s.value)
		}
		c.at = c.at[:len(c.at)-1]
	}
	return some(all)
}

// percent expects a share such as "50%".
func (c *checker) percent(v any) opt[int] {
	if c.describes(func(s *Schema) { s.text(percentPattern, 0, 0) }) {
		return opt[int]{}
	}
	if n, ok := v.(int64); ok {
		c.kindf(KindType, "%d is a number without a unit, wanted a share such as \"%d%%\"", n, n)
		return opt[int]{}
	}
	s, ok := c.text(v, `a share such as "50%"`)
	if !ok {
		return opt[int]{}
	}
	digits, ok := strings.CutSuffix(s, "%")
	n, err := strconv.ParseUint(digits, 10, 32)
	switch {
	case !ok || err != nil:
		c.addf("%s is not a share such as \"50%%\"", quote(s))
	case n > 100:
		c.kindf(KindOver, "%s is over 100%%", quote(s))
	default:
		return some(int(n))
	}
	return opt[int]{}
}

// text expects a string without control characters, which no setting has a use for.
func (c *checker) text(v any, wanted string) (string, bool) {
	if c.describes(func(s *Schema) { s.Type = Types{"string"} }) {
		return "", false
	}
	s, ok := v.(string)
	if !ok {
		c.wrongType(v, wanted)
		return "", false
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		what := quote(s)
		if c.atSecret() {
			what = "it"
		}
		c.addf("%s has a control character in it", what)
		return "", false
	}
	return s, true
}

// whole expects a whole number from lo to hi.
func whole[T ~uint8 | ~uint16 | ~uint32 | ~int64](c *checker, v any, lo, hi int64) opt[T] {
	if c.describes(func(s *Schema) { s.Type = Types{"integer"}; s.between(lo, hi) }) {
		return opt[T]{}
	}
	switch v := v.(type) {
	case int64:
		switch {
		case v < lo:
			c.kindf(KindUnder, "%d is under %d", v, lo)
		case v > hi:
			c.kindf(KindOver, "%d is over %d", v, hi)
		default:
			return some(T(v))
		}
	case json.Number: // a fraction, or a number beyond int64
		switch s := v.String(); {
		case strings.ContainsAny(s, ".eE"):
			c.wrongType(v, "a whole number")
		case strings.HasPrefix(s, "-"):
			c.kindf(KindUnder, "%s is under %d", shorten(s), lo)
		default:
			c.kindf(KindOver, "%s is over %d", shorten(s), hi)
		}
	default:
		c.wrongType(v, "a whole number")
	}
	return opt[T]{}
}

// boolean expects true or false.
func (c *checker) boolean(v any) opt[bool] {
	if c.describes(func(s *Schema) { s.Type = Types{"boolean"} }) {
		return opt[bool]{}
	}
	b, ok := v.(bool)
	if !ok {
		c.wrongType(v, "true or false")
	}
	return opt[bool]{b, ok}
}
