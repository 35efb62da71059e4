package spec

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

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
		c.kindf(KindType, "null is no value, wanted %s; %s", wanted, instead)
	default:
		what := describe(v)
		if c.atSecret() {
			what = shapeOf(v)
		}
		c.kindf(KindType, "%s, wanted %s", what, wanted)
	}
}

// wrongShape reports a value where a table or an array is wanted. It is not repeated: what should be in one of its keys,
// a secret among that, may be in it.
func (c *checker) wrongShape(v any, wanted string) {
	switch v.(type) {
	case reported, nil:
		c.wrongType(v, wanted)
	default:
		c.kindf(KindType, "%s, wanted %s", shapeOf(v), wanted)
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

// shapeOf is what describe says without the value.
func shapeOf(v any) string { return afterLast(describe(v), " is ") }

// afterLast is what comes after the last separator in a text, or all of it.
func afterLast(s, sep string) string {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[i+len(sep):]
	}
	return s
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
