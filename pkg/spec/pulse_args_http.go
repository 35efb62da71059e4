package spec

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"unicode"
)

// argMethod expects the method of an HTTP request: a token of RFC 9110 section 5.6.2.
func (c *checker) argMethod(v any) opt[any] {
	c.describes(func(s *Schema) { s.Pattern, s.MaxLength = tokenPattern, 32 })
	s, ok := c.text(v, `an HTTP method such as "GET"`)
	if !ok {
		return opt[any]{}
	}
	for i := range len(s) {
		if !isBareKey(s[i]) && !strings.ContainsRune("!#$%&'*+.^`|~", rune(s[i])) {
			ok = false
		}
	}
	switch {
	case !ok || s == "" || len(s) > 32:
		c.addf("%s is not an HTTP method such as \"GET\"", quote(s))
		return opt[any]{}
	case s == "CONNECT":
		c.addf("CONNECT asks for a tunnel, and no server for how it is")
		return opt[any]{}
	}
	return some[any](s)
}

// maxArg bounds the args that are one line, and maxBody those that are more, in bytes.
const (
	maxArg  = 4096
	maxBody = 64 << 10
)

// argPath expects the path of an HTTP request, and its query. The first slash may be left out, as in GORB, whose URLs put
// it there.
func (c *checker) argPath(v any) opt[any] {
	c.describes(func(s *Schema) { s.Pattern, s.MaxLength = `^[^#]*$`, maxArg })
	s, ok := c.text(v, `a path such as "/health"`)
	if !ok {
		return opt[any]{}
	}
	given := s
	if !strings.HasPrefix(s, "/") {
		s = "/" + s
	}
	_, query, _ := strings.Cut(s, "?")
	_, err := url.ParseRequestURI(s)
	switch {
	case isURL(given):
		c.addf("%s is a URL, wanted a path such as \"/health\"; args.host and args.port say where it is", quote(redact(HidePath(given))))
	case len(s) > maxArg:
		c.kindf(KindOver, "%d bytes are over %d", len(s), maxArg)
	case strings.Contains(s, "#"):
		c.addf("%s has a fragment, which no server gets to see; %%23 is a literal #", quote(HidePath(given)))
	case strings.Contains(s, "="+Hidden):
		c.addf("%s", shownForSecret)
	case strings.ContainsFunc(query, unicode.IsSpace):
		c.addf("%s has a space in its query; %%20 stands for it", quote(HidePath(given)))
	case err != nil:
		c.addf("%s is not a path: a %% is followed by two hexadecimal digits", quote(HidePath(given)))
	default:
		return some[any](s)
	}
	return opt[any]{}
}

// isURL reports whether somebody took a path for a URL.
func isURL(path string) bool {
	return strings.HasPrefix(path, "http://") || strings.HasPrefix(path, "https://")
}

// argHostHeader expects what goes into the Host header: a name or an address, with a port or without.
func (c *checker) argHostHeader(v any) opt[any] {
	c.describes(func(s *Schema) { s.Pattern, s.MaxLength = `^[A-Za-z0-9_.:\[\]-]+$`, 259 })
	s, ok := c.text(v, `a host such as "www.example"`)
	at, err := url.Parse("http://" + s + "/")
	if ok && (s == "" || len(s) > 259 || strings.ContainsFunc(s, notInHost) || err != nil || at.Host != s) {
		c.addf("%s is not a host such as \"www.example\"", quote(s))
		ok = false
	}
	return opt[any]{s, ok}
}

func notInHost(r rune) bool {
	return r > 127 || !isBareKey(byte(r)) && !strings.ContainsRune(".:[]", r)
}

// argServerName expects the name that a server is to prove.
func (c *checker) argServerName(v any) opt[any] {
	c.describes(func(s *Schema) { s.MinLength = 1 })
	s, ok := c.text(v, `a name such as "www.example"`)
	if _, err := netip.ParseAddr(s); ok && err != nil && (!isHostname(s) || len(s) > 253) {
		c.addf("%s is not a name such as \"www.example\"", quote(s))
		ok = false
	}
	return opt[any]{s, ok}
}

// argBody expects text of any kind.
func (c *checker) argBody(v any) opt[any] {
	if c.describes(func(s *Schema) { s.text("", 1, maxBody) }) {
		return opt[any]{}
	}
	s, ok := v.(string)
	switch {
	case !ok:
		c.wrongType(v, "a string")
	case s == "":
		c.addf("\"\" is nothing; leave the key out")
	case s == Hidden:
		c.addf("%s", shownForSecret)
	case len(s) > maxBody:
		c.kindf(KindOver, "%d bytes are over %d", len(s), maxBody)
	default:
		return some[any](s)
	}
	return opt[any]{}
}

// argHeaders expects a table of headers.
func (c *checker) argHeaders(v any) opt[any] {
	if c.draftTexts(tokenPattern, maxHeaders, func(s *Schema) { s.text("", 0, maxArg) }) {
		return opt[any]{}
	}
	table, ok := c.table(v)
	if !ok {
		return opt[any]{}
	}
	if len(table) > maxHeaders {
		c.kindf(KindOver, "%d is over %d of them", len(table), maxHeaders)
		return opt[any]{}
	}
	headers := make(map[string]string, len(table))
	for _, key := range sortedKeys(table) {
		c.at = append(c.at, key)
		name, why := headerName(key)
		switch {
		case strings.EqualFold(key, "host"):
			why = "the header Host is the arg host_header"
		case name == "Expect" || name == "Trailer" || name == "Upgrade":
			why = fmt.Sprintf("header %s is about the connection, which is gorb's own", name)
		}
		if _, twice := headers[name]; twice && why == "" {
			why = "header " + name + " is there already; case does not matter"
		}
		s, ok := c.text(table[key], "a string")
		switch {
		case why != "":
			c.addf("%s", why)
		case ok && len(s) > maxArg:
			c.kindf(KindOver, "%d bytes are over %d", len(s), maxArg)
		case ok && s == Hidden:
			c.addf("%s", shownForSecret)
		case ok:
			headers[name] = s
		}
		c.at = c.at[:len(c.at)-1]
	}
	return some[any](headers)
}
