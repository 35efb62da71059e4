package spec

import (
	"fmt"
	"net/netip"
	"slices"
)

// Probe is what all checks share, [probe]. It comes only from local files.
type Probe struct {
	MaxExec   int // programs at once (default 64)
	MaxChecks int // checks at once (default 10000)
	// Allow are the addresses that documents from elsewhere may have checked in place of a backend's; nil: those of all
	// backends.
	Allow []netip.Prefix
}

// How many checks there may be at once where nobody says.
const (
	defaultMaxExec   = 64
	defaultMaxChecks = 10_000
)

type declaredProbe struct {
	maxExec, maxChecks opt[uint32]
	allow              opt[[]netip.Prefix]
}

// maxAllow is how many prefixes there may be.
const maxAllow = 1000

var probeFields = fields[declaredProbe]{
	"max_exec":   func(c *checker, v any, p *declaredProbe) { p.maxExec = whole[uint32](c, v, 1, 10_000) },
	"max_checks": func(c *checker, v any, p *declaredProbe) { p.maxChecks = whole[uint32](c, v, 1, 1_000_000) },
	"allow":      func(c *checker, v any, p *declaredProbe) { p.allow = c.prefixes(v) },
}

// prefixes expects an array of prefixes, or of addresses, which stand for themselves.
func (c *checker) prefixes(v any) opt[[]netip.Prefix] {
	var all []netip.Prefix
	texts := c.texts(v, `an array of prefixes such as ["10.0.0.0/8"]`, maxAllow, func(v any) opt[string] {
		c.describes(func(s *Schema) { s.Pattern = prefixPattern })
		s, ok := c.text(v, `a prefix such as "10.0.0.0/8"`)
		if !ok {
			return opt[string]{}
		}
		p, err := netip.ParsePrefix(s)
		if a, notAddress := netip.ParseAddr(s); err != nil && notAddress == nil && a.Zone() == "" {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		switch {
		case err != nil:
			c.addf("%s is not a prefix such as \"10.0.0.0/8\"", quote(s))
		case p.Addr().Is4In6():
			c.addf("%s is an IPv4 address in IPv6 form; write it as IPv4", quote(s))
		case p != p.Masked():
			c.addf("%s has bits beyond the prefix; write \"%s\"", quote(s), p.Masked())
		default:
			all = append(all, p)
			return some(s)
		}
		return opt[string]{}
	})
	return opt[[]netip.Prefix]{all, texts.set}
}

func (p declaredProbe) over(under declaredProbe) declaredProbe {
	return declaredProbe{
		maxExec:   p.maxExec.over(under.maxExec),
		maxChecks: p.maxChecks.over(under.maxChecks),
		allow:     p.allow.over(under.allow),
	}
}

func (p declaredProbe) complete() Probe {
	probe := Probe{MaxExec: int(p.maxExec.or(defaultMaxExec)), MaxChecks: int(p.maxChecks.or(defaultMaxChecks))}
	if p.allow.set {
		probe.Allow = append([]netip.Prefix{}, p.allow.value...) // an empty one allows nothing
	}
	return probe
}

// asked is an address that a document from elsewhere, or an override, wants checked in place of a backend's.
type asked struct {
	at   path
	host netip.Addr
	own  netip.Addr // of the backend; invalid: it is a service's
}

// hosts are addresses of backends.
type hosts map[netip.Addr]bool

// add adds those of a service that may be there.
func (h hosts) add(s *declaredService) {
	if s == nil {
		return
	}
	for _, b := range s.backends {
		h[b.host.value] = true
	}
}

// checkAsked returns the Desired, or reports the hosts that may not be checked for who asks for that: who can write to a
// web server, to Consul or the API is not to make a port scanner of the machine. A backend's own address is checked
// without being asked for.
func (d *Desired) checkAsked() (*Desired, error) {
	if len(d.asked) == 0 {
		return d, nil
	}
	known := make(hosts)
	for i := range d.Services {
		for _, b := range d.Services[i].Backends {
			known[b.Host] = true
		}
	}
	var faults report
	for _, a := range d.asked {
		if why := a.refused(d.Probe, known); why != "" {
			faults.kindf(KindPlace, a.at, "%s", why)
		}
	}
	if faults.empty() {
		return d, nil
	}
	return nil, faults.problems(d.layers)
}

// refused says why a host may not be checked; "" where it may.
func (a asked) refused(p Probe, known hosts) string {
	within := func(p netip.Prefix) bool { return p.Contains(a.host) }
	switch {
	case a.host == a.own || slices.ContainsFunc(p.Allow, within):
		return ""
	case p.Allow != nil:
		return fmt.Sprintf("%s is not within [probe] allow, and this document is no local file", a.host)
	case !known[a.host]:
		return fmt.Sprintf("%s is no backend's address, and this document is no local file: "+
			"one that is may say [probe] allow = [\"%s\"]", a.host, netip.PrefixFrom(a.host, a.host.BitLen()))
	}
	return ""
}
