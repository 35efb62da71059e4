package spec

import (
	"strconv"
	"strings"
)

// pulse expects the table of a health check.
func (c *checker) pulse(v any) *declaredPulse {
	p := new(declaredPulse)
	walkTable(c, v, pulseFields, p)
	if v == nil {
		return nil
	}
	return p
}

// argNumber expects a number, or a string of digits, which is the form that worked in GORB.
func (c *checker) argNumber(v any, lo, hi int64) opt[int64] {
	if s, ok := v.(string); ok {
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			c.wrongType(v, "a whole number")
			return opt[int64]{}
		}
		v = int64(n)
	}
	return whole[int64](c, v, lo, hi)
}

// argMethod expects the method of an HTTP request: a token of RFC 9110 section 5.6.2.
func (c *checker) argMethod(v any) opt[string] {
	s, ok := c.text(v, `an HTTP method such as "GET"`)
	if !ok {
		return opt[string]{}
	}
	for i := range len(s) {
		if !isBareKey(s[i]) && !strings.ContainsRune("!#$%&'*+.^`|~", rune(s[i])) {
			ok = false
		}
	}
	if !ok || s == "" {
		c.addf("%s is not an HTTP method such as \"GET\"", quote(s))
		return opt[string]{}
	}
	return some(s)
}

// argPath expects the path of an HTTP request.
func (c *checker) argPath(v any) opt[string] {
	s, ok := c.text(v, `a path such as "/health"`)
	if ok && !strings.HasPrefix(s, "/") {
		c.addf("%s does not begin with \"/\"", quote(s))
		ok = false
	}
	return opt[string]{s, ok}
}
