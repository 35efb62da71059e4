package spec

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// checker walks the tree of a document and reads its values. Every method that reads one reports what is wrong with
// it, and then returns a value that is not set.
type checker struct {
	*report
	at      path
	remote  bool            // the document is not the operator's own file
	retyped func(path) bool // says whether a table's name is also given a plain value; nil: it never is
}

func (c *checker) addf(format string, args ...any) { c.report.addf(c.at, format, args...) }

// reported stands for a value that something was found wrong with before its type was looked at.
type reported struct{}

// wrongType reports a value of another type than is wanted.
func (c *checker) wrongType(v any, wanted string) {
	switch v.(type) {
	case reported:
	case nil:
		instead := "leave the key out for its default"
		if wanted == aTable {
			instead = "leave the key out, or write {} for an empty one"
		}
		c.addf("null is no value, wanted %s; %s", wanted, instead)
	default:
		c.addf("%s, wanted %s", describe(v), wanted)
	}
}

// aTable is what most of a document is made of, in an operator's words.
const aTable = "a table"

// describe says what a value is, in an operator's words.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return quote(v) + " is a string"
	case bool:
		return fmt.Sprintf("%t is a boolean", v)
	case int64:
		return fmt.Sprintf("%d is a number", v)
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return fmt.Sprintf("%f is not a finite number", v)
		}
		s := strconv.FormatFloat(v, 'g', -1, 64)
		if v == math.Trunc(v) && !strings.Contains(s, "e") { // 80.0, not 1e+06
			s += ".0"
		}
		return s + " is a number with a fraction"
	case json.Number:
		return shorten(v.String()) + " is " + numberKind(v.String())
	case time.Time:
		return "a date"
	case map[string]any:
		return aTable
	}
	return "an array"
}

// numberKind says what a number is that is no int64, by how it is written.
func numberKind(s string) string {
	switch {
	case strings.ContainsAny(s, "nN"): // .inf or .nan
		return "not a finite number"
	case strings.Contains(s, "."):
		return "a number with a fraction"
	case strings.ContainsAny(s, "eE"):
		return "a number with an exponent"
	}
	return "a number"
}

// quote repeats a string in a message.
func quote(s string) string { return strconv.Quote(shorten(s)) }

// table expects a table.
func (c *checker) table(v any) (map[string]any, bool) {
	table, ok := v.(map[string]any)
	switch {
	case !ok:
		c.wrongType(v, aTable)
	case c.retyped != nil && len(c.at) > 0 && c.retyped(c.at):
		c.addf("the key is defined twice, as a table and as a plain value")
	}
	return table, ok
}

// list expects an array.
func (c *checker) list(v any, wanted string) ([]any, bool) {
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
	c.wrongType(v, wanted)
	return nil, false
}

// texts expects an array of strings, each of which read takes.
func (c *checker) texts(v any, wanted string, most int, read func(v any) opt[string]) opt[[]string] {
	list, ok := c.list(v, wanted)
	if !ok {
		return opt[[]string]{}
	}
	if len(list) > most {
		c.addf("%d is over %d of them", len(list), most)
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
	if n, ok := v.(int64); ok {
		c.addf("%d is a number without a unit, wanted a share such as \"%d%%\"", n, n)
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
		c.addf("%s is over 100%%", quote(s))
	default:
		return some(int(n))
	}
	return opt[int]{}
}

// text expects a string without control characters, which no setting has a use for.
func (c *checker) text(v any, wanted string) (string, bool) {
	s, ok := v.(string)
	if !ok {
		c.wrongType(v, wanted)
		return "", false
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		c.addf("%s has a control character in it", quote(s))
		return "", false
	}
	return s, true
}

// whole expects a whole number from lo to hi.
func whole[T ~uint8 | ~uint16 | ~uint32 | ~int64](c *checker, v any, lo, hi int64) opt[T] {
	switch v := v.(type) {
	case int64:
		switch {
		case v < lo:
			c.addf("%d is under %d", v, lo)
		case v > hi:
			c.addf("%d is over %d", v, hi)
		default:
			return some(T(v))
		}
	case json.Number: // a fraction, or a number beyond int64
		switch s := v.String(); {
		case strings.ContainsAny(s, ".eE"):
			c.wrongType(v, "a whole number")
		case strings.HasPrefix(s, "-"):
			c.addf("%s is under %d", shorten(s), lo)
		default:
			c.addf("%s is over %d", shorten(s), hi)
		}
	default:
		c.wrongType(v, "a whole number")
	}
	return opt[T]{}
}

// boolean expects true or false.
func (c *checker) boolean(v any) opt[bool] {
	b, ok := v.(bool)
	if !ok {
		c.wrongType(v, "true or false")
	}
	return opt[bool]{b, ok}
}

// oneOf expects one of a few words.
func oneOf[T ~string](c *checker, v any, words ...T) opt[T] {
	s, ok := v.(string)
	if ok && slices.Contains(words, T(s)) {
		return some(T(s))
	}
	known := make([]string, len(words))
	for i, w := range words {
		known[i] = string(w)
	}
	if !ok {
		c.wrongType(v, "one of "+strings.Join(known, ", "))
	} else {
		c.notOneOf(s, known)
	}
	return opt[T]{}
}

func among(s string, words []string) bool { return slices.Contains(words, s) }

// notOneOf reports a word that is not known.
func (c *checker) notOneOf(s string, known []string) {
	if c.full() {
		c.more++
		return
	}
	if near, ok := nearest(s, known); ok {
		c.addf("%s is not known, did you mean %q?", quote(s), near)
		return
	}
	c.addf("%s is not known; known are %s", quote(s), strings.Join(known, ", "))
}

// unknownKey reports the key that the walk is at.
func (c *checker) unknownKey(key string, known []string) {
	if c.full() {
		c.more++
		return
	}
	near, ok := nearest(key, known)
	message := fmt.Sprintf("there is no such key, did you mean %q?", near)
	switch {
	case !ok:
		message = "there is no such key; there are " + strings.Join(known, ", ")
	case strings.EqualFold(key, near):
		message = fmt.Sprintf("there is no such key; it is written %q, case matters", near)
	}
	c.report.add(pending{path: c.at, unknown: true, message: message})
}
