package spec

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// listen expects "host:port", where the host may be left out.
func (c *checker) listen(v any) opt[string] {
	c.describes(func(s *Schema) { s.Pattern = `:[0-9]+$` })
	s, ok := c.text(v, `host and port such as ":4672"`)
	if !ok {
		return opt[string]{}
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		c.addf("%s is not host and port such as \":4672\"", quote(s))
		return opt[string]{}
	}
	if n, err := strconv.ParseUint(port, 10, 32); err != nil || n > 65535 {
		c.addf("%s has no port from 0 to 65535", quote(s))
		return opt[string]{}
	}
	if _, err := netip.ParseAddr(host); err != nil && host != "" && !isHostname(host) {
		c.addf("%s has no address or name before the port", quote(s))
		return opt[string]{}
	}
	return some(s)
}

// listenOrNot is listen, or "" for nowhere.
func (c *checker) listenOrNot(v any) opt[string] {
	if v == "" {
		return some("")
	}
	listen := c.listen(v)
	c.describes(func(s *Schema) { s.Pattern = `^$|` + s.Pattern })
	return listen
}

// doubt warns of a daemon whose insides others may look at: what is in its memory, secrets among that, shows there.
func (g Gorb) doubt(r *report) {
	host, _, err := net.SplitHostPort(g.DebugListen)
	if a, bad := netip.ParseAddr(host); err != nil || host == "localhost" || bad == nil && a.IsLoopback() {
		return
	}
	r.addf(path{"gorb", "debug_listen"}, "whoever reaches %s sees what the daemon has in its memory, without "+
		"credentials; \"127.0.0.1:6060\" is for this host alone", g.DebugListen)
}

// isHostname reports whether s looks like a host's name. Whether there is such a host is not known here.
func isHostname(s string) bool {
	for i := range len(s) {
		if !isBareKey(s[i]) && s[i] != '.' {
			return false
		}
	}
	return s != ""
}

// iface expects the name of a network interface, as the kernel allows it (dev_valid_name).
func (c *checker) iface(v any) opt[string] {
	c.describes(func(s *Schema) { s.Pattern = `^[^/: ]{1,15}$` })
	s, ok := c.text(v, `an interface such as "eth0"`)
	if !ok {
		return opt[string]{}
	}
	if s == "" || len(s) > 15 || s == "." || s == ".." || strings.ContainsAny(s, "/: \t") {
		c.addf("%s is not the name of an interface (1 to 15 characters without / : and space)", quote(s))
		return opt[string]{}
	}
	return some(s)
}

// vip expects an interface, or a table of its name and whether to create it.
func (c *checker) vip(v any) declaredVIP {
	var d declaredVIP
	if c.draft != nil {
		c.draftEither(func() { c.iface(nil) }, func() { walkTable(c, nil, vipFields, nil) })
		return d
	}
	switch v.(type) {
	case string:
		d = declaredVIP{name: c.iface(v), create: some(false)}
	case map[string]any:
		walkTable(c, v, vipFields, &d)
	default:
		c.wrongType(v, `an interface such as "eth0" or a table such as { name = "gorb0", create = true }`)
	}
	return d
}

var vipFields = fields[declaredVIP]{
	"name":   func(c *checker, v any, d *declaredVIP) { d.name = c.iface(v) },
	"create": func(c *checker, v any, d *declaredVIP) { d.create = c.boolean(v) },
}

// complete reports an interface that is to be made and cannot be.
func (d declaredVIP) complete(r *report, f faulty) VIPInterface {
	at := path{"gorb", "vip_interface"}
	v := VIPInterface{Name: d.name.or(""), Create: d.create.or(false)}
	switch {
	case !f.clean(at, []string{"name", "create", ""}):
	case v.Name == "" && d.create.set:
		r.kindf(KindMissing, append(at, "name"), "missing; the interface needs one")
	case v.Create && strings.Contains(v.Name, "%"): // dev_alloc_name would put a number for it
		r.addf(append(at, "name"), "%s has a %% in it, which gorb cannot make", quote(v.Name))
	}
	return v
}

// stateDir expects an absolute path, or nothing for memory only. It is Linux's notion of absolute on any system, so
// that a configuration checks alike in a pipeline on another.
func (c *checker) stateDir(v any) opt[string] {
	c.describes(func(s *Schema) { s.Pattern = rootedPattern })
	s, ok := c.text(v, `a directory such as "/var/lib/gorb"`)
	if ok && s != "" && !strings.HasPrefix(s, "/") {
		c.addf("%s is not an absolute path; \"\" keeps the state in memory", quote(s))
		ok = false
	}
	return opt[string]{s, ok}
}

// maxSocket is how long the path of a unix socket may be (sun_path, less the NUL).
const maxSocket = 107

// socket expects the absolute path of a unix socket, or nothing for none.
func (c *checker) socket(v any) opt[string] {
	c.describes(func(s *Schema) { s.Pattern, s.MaxLength = rootedPattern, maxSocket })
	s, ok := c.text(v, `a path such as "/run/gorb/gorb.sock"`)
	switch {
	case !ok:
		return opt[string]{}
	case s != "" && !strings.HasPrefix(s, "/"):
		c.addf("%s is not an absolute path; \"\" is no socket", quote(s))
		return opt[string]{}
	case len(s) > maxSocket:
		c.kindf(KindOver, "%s has %d bytes, and the path of a socket has at most %d", quote(s), len(s), maxSocket)
		return opt[string]{}
	}
	return some(s)
}
