package spec

import "slices"

// Equal reports whether two services are declared alike, names, backends and pulses included.
func (s *Service) Equal(o *Service) bool {
	return s.Name == o.Name &&
		s.identity() == o.identity() &&
		s.HostName == o.HostName &&
		s.OwnHost == o.OwnHost &&
		s.Method == o.Method &&
		s.Flags == o.Flags &&
		s.Persistent == o.Persistent &&
		s.Netmask == o.Netmask &&
		s.OneClient == o.OneClient &&
		s.Engine == o.Engine &&
		s.Drain == o.Drain &&
		s.Pulse.equal(o.Pulse) &&
		s.RemoveDown == o.RemoveDown &&
		(shares(s.Backends, o.Backends) || slices.EqualFunc(s.Backends, o.Backends, Backend.equal))
}

// shares reports whether two slices are one, so that what is in them need not be looked at.
func shares(a, b []Backend) bool { return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) }

func (b Backend) equal(o Backend) bool {
	return b.Name == o.Name && b.Host == o.Host && b.HostName == o.HostName && b.Port == o.Port && b.Weight == o.Weight && b.Method == o.Method &&
		b.Upper == o.Upper && b.Lower == o.Lower && b.Tunnel == o.Tunnel && b.Pulse.equal(o.Pulse)
}
