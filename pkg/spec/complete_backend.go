package spec

import "net/netip"

func (c *completer) backend(s *Service, name string, d *declaredBackend) Backend {
	base := &c.defaults.backend
	b := Backend{
		Name:     name,
		Host:     d.host.value,
		HostName: d.hostName.or(""),
		Port:     d.port.or(s.Port),
		Weight:   d.weight.over(base.weight).or(defaultWeight),
		Method:   d.method.over(base.method).or(NAT),
		Upper:    d.upper.over(base.upper).or(0),
		Lower:    d.lower.over(base.lower).or(0),
	}
	if !d.host.set && c.faulty.soundBackend(c.name, name, "host", "") {
		c.kindf(KindMissing, path{"backends", name, "host"}, "missing; a backend needs one")
	}
	c.backendPort(s, &b)
	if c.faulty.soundBackend(c.name, name, "upper_threshold", "lower_threshold", "") {
		c.thresholds(&b)
	}
	if c.faulty.soundBackend(c.name, name, "method", "tunnel_port", "tunnel_checksum", "") {
		c.tunnel(&b, d)
	}
	b.Pulse = c.backendPulse(s, &b, d.pulse)
	return b
}

// backendf reports a problem at a key of a backend.
func (c *completer) backendf(name, key, format string, args ...any) {
	c.addf(path{"backends", name, key}, format, args...)
}

// backendPort reports a port that the method of a backend cannot reach. In a fwmark service, which has none of its own,
// it has no meaning, but is part of what the kernel knows the backend by.
func (c *completer) backendPort(s *Service, b *Backend) {
	switch {
	case b.Method == NAT || b.Port == s.Port || s.Fwmark != 0:
	case !c.sound("port", "fwmark", "") || !c.faulty.soundBackend(c.name, b.Name, "port", "method", ""):
	default:
		kind := KindCombination
		if b.Port == 0 { // to GORB it was missing
			kind = KindMissing
		}
		c.kindf(kind, path{"backends", b.Name, "port"}, "%d is not the service's port %d, and method %s cannot change it",
			b.Port, s.Port, b.Method)
	}
}

// thresholds reports a lower threshold that the kernel refuses with ERANGE (ip_vs_add_dest).
func (c *completer) thresholds(b *Backend) {
	switch {
	case b.Lower <= b.Upper:
	case b.Upper == 0:
		c.backendf(b.Name, "lower_threshold", "%d needs an upper_threshold; without one there is no limit to come back from",
			b.Lower)
	default:
		c.backendf(b.Name, "lower_threshold", "%d is over upper_threshold %d", b.Lower, b.Upper)
	}
}

// tunnel completes what a tunnel has beside its kind. What [defaults.backend] says is for the methods that have it.
func (c *completer) tunnel(b *Backend, d *declaredBackend) {
	encap := d.tunnel.over(c.defaults.backend.tunnel)
	switch {
	case b.Method != GUE && d.tunnel.port.set:
		c.backendf(b.Name, "tunnel_port", "only method gue has one, and this is %s", b.Method)
	case b.Method == GUE && !encap.port.set:
		c.kindf(KindMissing, path{"backends", b.Name, "tunnel_port"}, "missing; method gue needs the UDP port that the backend listens on")
	case b.Method == GUE:
		b.Tunnel.Port = encap.port.value
	}
	switch {
	case b.Method == GUE || b.Method == GRE:
		b.Tunnel.Checksum = encap.checksum.or(NoChecksum)
		if b.Method == GRE && b.Tunnel.Checksum == RemoteChecksum {
			c.backendf(b.Name, "tunnel_checksum", "%q goes with method gue only; gre has %q and %q",
				RemoteChecksum, NoChecksum, SumChecksum)
		}
	case d.tunnel.checksum.set:
		c.backendf(b.Name, "tunnel_checksum", "only methods gue and gre have one, and this is %s", b.Method)
	}
}

// crossesFamilies reports whether packets of one family can travel to a backend of the other: only within a tunnel
// (ip_vs_genl_set_cmd).
func (m Method) crossesFamilies() bool { return m == Tunnel || m == GUE || m == GRE }

// distinct reports backends that the kernel could not tell apart. It keeps one of two backends at one address and
// port, whatever else differs.
func (c *completer) distinct(s *Service) {
	seen := make(map[netip.AddrPort]string, len(s.Backends))
	for _, b := range s.Backends {
		if !b.Host.IsValid() || !c.sound("port") || !c.faulty.soundBackend(c.name, b.Name, "port") {
			continue
		}
		at := netip.AddrPortFrom(b.Host, b.Port)
		if first, twice := seen[at]; twice {
			c.kindf(KindTaken, path{"backends", b.Name}, "%s is backend %s already", at, keyString(first))
			continue
		}
		seen[at] = b.Name
	}
}
