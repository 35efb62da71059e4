package spec

import (
	"net/netip"
	"slices"
	"strings"
)

// completer makes a Service of what was declared of it, and reports what is missing and what does not go together.
type completer struct {
	*report
	defaults *declaredDefaults
	declared *declaredService
	name     string
	faulty   faulty
	masks    map[string]netmask // of services whose family is not known yet
	doubts   *report            // nil: nobody wants to know
	asked    []asked            // the hosts that are checked for who may not ask for any
	portless bool               // that a backend has no port to check was reported
	crossed  bool               // that a backend is checked from the other family was reported
}

// sound reports whether the given keys of the service can be judged; "" is any that is missing.
func (c *completer) sound(keys ...string) bool { return c.faulty.sound(c.name, keys...) }

// addf reports a problem at a key of the service.
func (c *completer) addf(keys path, format string, args ...any) {
	c.kindf(KindCombination, keys, format, args...)
}

// kindf is addf for a problem of another kind.
func (c *completer) kindf(kind ProblemKind, keys path, format string, args ...any) {
	c.report.kindf(kind, append(path{"services", c.name}, keys...), format, args...)
}

func (c *completer) service() Service {
	d, base := c.declared, &c.defaults.service
	s := Service{
		Name:       c.name,
		HostName:   d.hostName.or(""),
		Method:     d.method.over(base.method).or(defaultMethod),
		Persistent: d.persistent.over(base.persistent).or(0),
		Engine:     d.engine.or(""),
		Drain:      d.drain.over(base.drain).or(DefaultDrain),
		RemoveDown: d.onDown.over(base.onDown).or("drain") == "remove",
	}
	if d.fwmark.set {
		c.markIdentity(&s)
	} else {
		c.addressIdentity(&s)
	}
	if d.hostName.set && !d.host.set && c.sound("host", "fwmark", "") {
		c.addf(path{"host_name"}, noHostOfName)
	}
	c.netmask(&s)
	c.flags(&s)
	s.Pulse = c.servicePulse(&s)
	s.Backends = slices.Grow(s.Backends, len(d.backends))
	for _, name := range sortedKeys(d.backends) {
		if d.backends[name].disabled.value {
			continue
		}
		s.Backends = append(s.Backends, c.backend(&s, name, d.backends[name]))
	}
	c.distinct(&s)
	return s
}

// markIdentity completes a service that a firewall mark identifies.
func (c *completer) markIdentity(s *Service) {
	d := c.declared
	s.Fwmark = d.fwmark.value
	s.Family = d.family.or(IPv4)
	var excluded []string
	for _, key := range []struct {
		name string
		set  bool
	}{{"host", d.host.set}, {"port", d.port.set}, {"protocol", d.protocol.set}} {
		if key.set {
			excluded = append(excluded, key.name)
		}
	}
	if len(excluded) > 0 {
		c.addf(path{"fwmark"}, "fwmark %d excludes %s: a service is known by its mark or by its address",
			s.Fwmark, strings.Join(excluded, ", "))
	}
}

// addressIdentity completes a service that protocol, address and port identify.
func (c *completer) addressIdentity(s *Service) {
	d := c.declared
	s.Host = d.host.value
	s.Port = d.port.value
	s.Protocol = d.protocol.over(c.defaults.service.protocol).or(TCP)
	if s.Host.IsValid() {
		s.Family = familyOf(s.Host)
	}
	if d.family.set {
		c.addf(path{"family"}, "%q goes with fwmark only; the family of an address service is that of its host",
			d.family.value)
	}
	switch {
	case !d.port.set && c.sound("port", "fwmark", ""):
		c.kindf(KindMissing, path{"port"}, "missing; a service needs a port or a fwmark")
	case d.port.set && s.Port == 0 && s.Persistent == 0 && c.sound("persistent", ""):
		c.kindf(KindMissing, path{"port"}, "0, every port, needs persistent")
	}
}

func familyOf(a netip.Addr) Family {
	if a.Is4() {
		return IPv4
	}
	return IPv6
}

// flags completes the flags and checks that they fit the method and the protocol.
func (c *completer) flags(s *Service) {
	declared := c.declared.flags.over(c.defaults.service.flags).or("")
	flags, misfit := parseFlags(declared, s.Method)
	s.Flags = flags
	if !c.sound("method", "") {
		misfit = nil
	}
	for _, name := range misfit {
		needs, _, _ := strings.Cut(name, "-")
		c.flagsf("%q needs method %s, and the method is %s", name, needs, s.Method)
	}
	if flags&OnePacket != 0 && s.Fwmark == 0 && s.Protocol != UDP && c.sound("protocol", "fwmark", "") {
		c.flagsf("%q needs protocol udp or a fwmark, and the protocol is %s", "ops", s.Protocol)
	}
}

// flagsf reports a problem with the flags where they are declared.
func (c *completer) flagsf(format string, args ...any) {
	if c.declared.flags.set {
		c.addf(path{"flags"}, format, args...)
		return
	}
	c.report.addf(path{"defaults", "service", "flags"}, format+", in service %s", append(args, keyString(c.name))...)
}
