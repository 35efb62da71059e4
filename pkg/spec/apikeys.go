package spec

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// declaredPerson is what an element of [[api.tokens]], [[api.users]] or [[api.tls.clients]] says.
type declaredPerson struct {
	name         opt[string]
	role         opt[Role]
	hash         opt[string]
	file         opt[string]
	passwordHash opt[string]
}

var tokenFields = fields[declaredPerson]{
	"name": func(c *checker, v any, p *declaredPerson) { p.name = c.personName(v) },
	"role": func(c *checker, v any, p *declaredPerson) { p.role = c.role(v) },
	"hash": func(c *checker, v any, p *declaredPerson) { p.hash = c.tokenHash(v) },
	"file": func(c *checker, v any, p *declaredPerson) { p.file = c.aFile(v) },
}

var userFields = fields[declaredPerson]{
	"name":          func(c *checker, v any, p *declaredPerson) { p.name = c.userName(v) },
	"role":          func(c *checker, v any, p *declaredPerson) { p.role = c.role(v) },
	"password_hash": func(c *checker, v any, p *declaredPerson) { p.passwordHash = c.passwordHash(v) },
}

var clientFields = fields[declaredPerson]{
	"name": func(c *checker, v any, p *declaredPerson) { p.name = c.personName(v) },
	"role": func(c *checker, v any, p *declaredPerson) { p.role = c.role(v) },
}

// people expects an array of tables, of which no two have the same name. The function makes what one is of its table,
// and reports what is missing in it.
func people[T any](c *checker, v any, known fields[declaredPerson],
	read func(*checker, declaredPerson, map[string]any) T,
) opt[[]T] {
	at := c.at.String()
	c.describes(func(s *Schema) { s.MaxItems = maxPeople })
	list, ok := c.list(v, "an array of tables, [["+at+"]]")
	if ok && len(list) > maxPeople {
		c.kindf(KindOver, "%d is over %d of them", len(list), maxPeople)
		ok = false
	}
	if !ok {
		return opt[[]T]{}
	}
	all := make([]T, 0, len(list))
	names, hashes := make(map[string]int, len(list)), make(map[string]int)
	for i, v := range list {
		c.at = append(c.at, indexKey(i))
		var p declaredPerson
		walkTable(c, v, known, &p)
		c.describes(func(s *Schema) { s.Required = []string{"name", "role"} })
		if table, ok := v.(map[string]any); ok {
			c.needs(table, "name", "it is who is in the audit")
			c.needs(table, "role", "read, write or admin")
			all = append(all, read(c, p, table))
		}
		c.twice("name "+quote(p.name.value), p.name, at, names, i)
		// Who of the two it was could not be said. The hash is not repeated, as nothing secret is.
		c.twice("the hash", p.hash, at, hashes, i)
		c.at = c.at[:len(c.at)-1]
	}
	return some(all)
}

// needs reports a key that is not in a table.
func (c *checker) needs(table map[string]any, key, why string) {
	if _, there := table[key]; !there {
		c.kindf(KindMissing, "%s is missing: %s", key, why)
	}
}

// twice reports what an element says that one before it said.
func (c *checker) twice(what string, value opt[string], at string, seen map[string]int, i int) {
	if !value.set {
		return
	}
	if first, twice := seen[value.value]; twice {
		c.kindf(KindTwice, "%s is that of %s[%d] already", what, at, first)
		return
	}
	seen[value.value] = i
}

func (c *checker) token(p declaredPerson, table map[string]any) APIToken {
	_, hash := table["hash"]
	_, file := table["file"]
	switch {
	case hash && file:
		c.kindf(KindCombination, "there are a hash and a file; of the two there can be one")
	case !hash && !file:
		c.kindf(KindMissing, "hash is missing, or a file of hashes; %s", makesToken)
	}
	return APIToken{Name: p.name.value, Role: p.role.value, Hash: p.hash.value, File: p.file.value}
}

const makesToken = "`gorb token new` makes a token and its hash"

func (c *checker) user(p declaredPerson, table map[string]any) APIUser {
	c.needs(table, "password_hash", makesPassword)
	return APIUser{Name: p.name.value, Role: p.role.value, PasswordHash: p.passwordHash.value}
}

const makesPassword = "`htpasswd -nB NAME` makes one"

func (c *checker) client(p declaredPerson, _ map[string]any) APIClient {
	return APIClient{Name: p.name.value, Role: p.role.value}
}

func (c *checker) role(v any) opt[Role] { return oneOf(c, v, RoleRead, RoleWrite, RoleAdmin) }

// personName expects what somebody is called in the audit, and in a certificate.
func (c *checker) personName(v any) opt[string] {
	c.describes(func(s *Schema) { s.MinLength, s.MaxLength = 1, 256 })
	s, ok := c.text(v, "a name")
	if ok && (strings.TrimSpace(s) != s || s == "" || len(s) > 256) {
		c.addf("%s: a name is 1 to 256 bytes, without space around it", quote(s))
		ok = false
	}
	return opt[string]{s, ok}
}

// userName is personName for basic authentication, which ends the name at the first colon (RFC 7617, section 2).
func (c *checker) userName(v any) opt[string] {
	name := c.personName(v)
	if name.set && strings.Contains(name.value, ":") {
		c.addf("%s has a colon, which ends a user's name", quote(name.value))
		return opt[string]{}
	}
	return name
}

var tokenHashForm = regexp.MustCompile(`^sha256:[0-9a-fA-F]{64}$`)

// tokenHash expects the hash of a token. What is there may be the token itself, so it is not repeated.
func (c *checker) tokenHash(v any) opt[string] {
	c.describes(func(s *Schema) { s.Pattern = tokenHashForm.String() })
	s, ok := c.secret(v, `a hash, "sha256:" and 64 hexadecimal digits`)
	if ok && !tokenHashForm.MatchString(s) {
		c.addf("it is not \"sha256:\" and 64 hexadecimal digits; %s", makesToken)
		ok = false
	}
	return opt[string]{strings.ToLower(s), ok}
}

// bcryptForm is a hash of bcrypt: version, cost, salt and hash.
var bcryptForm = regexp.MustCompile(`^\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}$`)

// What a password may cost: bcrypt's least, and some seconds of a processor for each request.
const (
	minCost = 4
	maxCost = 16
)

// passwordHash expects a hash of bcrypt, which is not repeated: it may be the password.
func (c *checker) passwordHash(v any) opt[string] {
	c.describes(func(s *Schema) { s.Pattern = bcryptForm.String() })
	s, ok := c.secret(v, "a hash of bcrypt")
	if !ok {
		return opt[string]{}
	}
	m := bcryptForm.FindStringSubmatch(s)
	if m == nil {
		c.addf("it is not a hash of bcrypt, such as begins with $2y$10$; %s", makesPassword)
		return opt[string]{}
	}
	switch cost, _ := strconv.Atoi(m[1]); {
	case cost < minCost:
		c.kindf(KindUnder, "its cost %d is under %d", cost, minCost)
	case cost > maxCost:
		c.kindf(KindOver, "its cost %d is over %d: each request would take seconds", cost, maxCost)
	default:
		return some(s)
	}
	return opt[string]{}
}

// secret is text for what no message may repeat.
func (c *checker) secret(v any, wanted string) (string, bool) {
	switch s := v.(type) {
	case string:
		if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
			c.addf("it is not %s", wanted)
			return "", false
		}
	case int64, float64, bool, fmt.Stringer: // a json.Number is a Stringer
		c.kindf(KindType, "it is no string, wanted %s", wanted)
		return "", false
	}
	return c.text(v, wanted)
}

// apiHost expects a name of this host.
func (c *checker) apiHost(v any) opt[string] {
	name := c.hostName(v)
	name.value = strings.ToLower(strings.TrimSuffix(name.value, "."))
	return name
}

// origin expects what a browser sends as the Origin of a page (RFC 6454, section 6.2): compared as it is, so it has to be
// written as browsers write it.
func (c *checker) origin(v any) opt[string] {
	c.describes(func(s *Schema) { s.Pattern = `^https?://[^/?#]+$` })
	s, ok := c.text(v, `an origin such as "https://ops.example"`)
	if !ok {
		return opt[string]{}
	}
	if why := badOrigin(s); why != "" {
		c.addf("%s", why)
		return opt[string]{}
	}
	return some(s)
}

// badOrigin says why no page has an origin; "" where one may.
func badOrigin(s string) string {
	if s == "*" {
		return `"*" would let every page that an operator opens use the API; name the origins`
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.Opaque != "" || u.Hostname() == "" ||
		!validPort(u.Port()) || !isOriginHost(u.Hostname()) || u.RawQuery != "" || strings.ContainsAny(s, "?#") ||
		strings.HasSuffix(u.Host, ":") {
		return quote(s) + ` is not an origin such as "https://ops.example" or "http://10.0.0.7:8080"`
	}
	port := u.Port()
	if port == map[string]string{"http": "80", "https": "443"}[u.Scheme] {
		port = ""
	}
	host := strings.ToLower(u.Hostname())
	if a, err := netip.ParseAddr(host); err == nil && a.Is6() {
		host = "[" + a.String() + "]"
	}
	want := u.Scheme + "://" + host
	if port != "" {
		want += ":" + port
	}
	if want != s {
		return fmt.Sprintf("%s is not how browsers write it; write %q", quote(s), want)
	}
	return ""
}

// isOriginHost reports whether s may be the host of an origin: a name, as it is in ASCII, or an address.
func isOriginHost(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Zone() == "" || IsHostName(s)
}
