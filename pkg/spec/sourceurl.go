package spec

import (
	"fmt"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// sourceURL expects the address of a source.
func (c *checker) sourceURL(v any) opt[string] {
	c.describes(func(s *Schema) { s.MinLength, s.MaxLength, s.Not = 1, maxPath, &Schema{Enum: []string{"-"}} })
	s, ok := c.text(v, `a URL such as "https://config.example/gorb.json" or the name of a file`)
	if !ok {
		return opt[string]{}
	}
	if why := badSource(s); why != "" {
		c.addf("%s", why)
		return opt[string]{}
	}
	return some(s)
}

// kindOf returns how a source is read, by its address.
func kindOf(address string) SourceKind {
	scheme, _, found := strings.Cut(address, "://")
	switch scheme = strings.ToLower(scheme); {
	case found && scheme == "consul":
		return ConsulSource
	case found && (scheme == "http" || scheme == "https"):
		return URLSource
	}
	return FileSource
}

// badSource says why an address is not that of a source; "" where it is. It does not repeat what may be secret.
func badSource(address string) string {
	switch {
	case address == "":
		return "it is empty"
	case address == "-":
		return `"-", standard input, is for the command line only`
	case len(address) > maxPath:
		return fmt.Sprintf("%d bytes are over %d", len(address), maxPath)
	}
	kind := kindOf(address)
	if kind == FileSource {
		return badFileSource(address)
	}
	if hasCredential(address) {
		key := "bearer_token_file or header_files"
		if kind == ConsulSource {
			key = "token_file"
		}
		return "there is a credential in the URL, where every log shows it; put it into a file, and name that in " + key
	}
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return fmt.Sprintf("%s is not a URL", quote(address))
	case u.Hostname() == "":
		return fmt.Sprintf("%s has no host", quote(address))
	case !validPort(u.Port()):
		return fmt.Sprintf("%s has no port from 1 to 65535", quote(address))
	case u.Fragment != "" || strings.HasSuffix(address, "#"):
		return fmt.Sprintf("%s has a #, which is not sent to a server", quote(address))
	case kind == ConsulSource && u.RawQuery != "":
		return fmt.Sprintf("%s has a ?; datacenter, namespace and stale are keys of their own", quote(address))
	case kind == ConsulSource && strings.Trim(u.Path, "/") == "":
		return fmt.Sprintf("%s has no path; it names a key, or a prefix if it ends in /", quote(address))
	}
	return ""
}

// badFileSource says why an address without a known scheme is not the name of a file.
func badFileSource(address string) string {
	if scheme, _, found := strings.Cut(address, "://"); found {
		if scheme == "file" {
			return "a file is named without file://"
		}
		return fmt.Sprintf("%s is not a scheme that gorb reads (https, http, consul); a file is named without one", quote(scheme))
	}
	for _, scheme := range []string{"http", "https", "consul", "file"} {
		if strings.HasPrefix(strings.ToLower(address), scheme+":") {
			return fmt.Sprintf("a URL begins with %s://", scheme)
		}
	}
	return ""
}

func validPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return s == "" || err == nil && n > 0
}

// secretKeys are keys of a query that carry a credential.
var secretKeys = []string{
	"token", "access_token", "private_token", "api_key", "apikey", "password", "passwd", "secret", "sig", "signature",
}

// hasCredential reports whether a URL has a user in it, or a key that is known to carry a credential. It is asked of
// text that may not be a URL at all.
func hasCredential(address string) bool {
	_, rest, _ := strings.Cut(address, "://")
	authority := rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority = rest[:i]
	}
	if strings.Contains(authority, "@") {
		return true
	}
	_, query, _ := strings.Cut(rest, "?")
	for pair := range strings.FieldsFuncSeq(query, func(r rune) bool { return r == '&' || r == ';' || r == '#' }) {
		key, _, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(key); err == nil {
			key = plain
		}
		if slices.Contains(secretKeys, strings.ToLower(key)) {
			return true
		}
	}
	return false
}

// redact returns an address that a message may repeat.
func redact(address string) string {
	if scheme, _, found := strings.Cut(address, "://"); found && hasCredential(address) {
		return scheme + "://…"
	}
	return address
}

// headerName returns the canonical name of a header that a source may set, or why there is none.
func headerName(s string) (name, why string) {
	for i := range len(s) {
		if !isBareKey(s[i]) && !strings.ContainsRune("!#$%&'*+.^`|~", rune(s[i])) { // a token of RFC 9110 section 5.6.2
			return "", fmt.Sprintf("%s is not the name of a header", quote(s))
		}
	}
	name = textproto.CanonicalMIMEHeaderKey(s)
	switch name {
	case "":
		return "", `"" is not the name of a header`
	case "Host", "Content-Length", "Transfer-Encoding", "Connection", "If-None-Match", "If-Modified-Since":
		return "", fmt.Sprintf("header %s is gorb's own to set", name)
	}
	return name, ""
}
