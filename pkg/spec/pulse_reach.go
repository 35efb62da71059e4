package spec

import "fmt"

// kind returns the type of the pulse, or why there can be no such. What [defaults] says of it gives way where there is no
// port to connect to; what the object says itself is meant.
func (p *pulseLayers) kind(s *Service, b *Backend) (kind, why string) {
	_, named := p.all.args["port"]
	zero := b != nil && b.Port == 0 && !named
	switch {
	case !p.all.kind.set && (s.datagrams() || zero):
		return PulseNone, ""
	case !p.all.kind.set:
		return PulseTCP, ""
	}
	kind = p.all.kind.value
	switch own := p.layers[0].pulse; {
	case !connects(kind) || named || !s.datagrams() && !zero:
		return kind, ""
	case own == nil || !own.kind.set:
		return PulseNone, ""
	case !p.sound("protocol", "") || p.lacksPort(s) || b != nil && !p.faulty.soundBackend(p.name, b.Name, "port", ""):
		return PulseNone, ""
	case s.datagrams():
		return "", noPort(kind, fmt.Sprintf("a service of %s has none", s.Protocol))
	}
	return "", noPort(kind, "that of the backend is 0")
}

// crosses reports whether a backend is to be checked from an address of the other family, which cannot work. With a host
// of its own the pulse is judged by that.
func (c *completer) crosses(p *Pulse, b *Backend) bool {
	return p != nil && p.Args.Source.IsValid() && !p.Args.Host.IsValid() && b.Host.IsValid() && p.Args.Source.Is4() != b.Host.Is4()
}

func (p *pulseLayers) faultSource(pulse *Pulse, b *Backend) {
	source := pulse.Args.Source
	p.faultf([]string{"args", "source"}, "%s is %s and backend %s %s", source, familyOf(source), keyString(b.Name), familyOf(b.Host))
}

// lacksPort reports whether the service's port is missing or wrong, which has been reported.
func (c *completer) lacksPort(s *Service) bool {
	return s.Fwmark == 0 && s.Port == 0 && s.Persistent == 0 || !c.sound("port", "fwmark", "")
}

// noPort says that a pulse has nothing to connect to.
func noPort(kind, why string) string {
	return fmt.Sprintf("%s needs a port to connect to, and %s: name one, args = { port = 8080 }, or write type = \"none\"",
		kind, why)
}
