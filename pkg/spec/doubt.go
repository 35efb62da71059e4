package spec

import "fmt"

// doubt warns of what is allowed and likely a mistake.
func (s *Service) doubt(r *report) {
	if len(s.Backends) == 0 {
		r.addf(path{"services", s.Name}, "the service has no backends, so it refuses every connection")
		return
	}
	if s.drained() {
		r.addf(path{"services", s.Name}, "all backends have weight 0, so the service refuses new connections")
	}
	s.doubtHash(r)
	for _, b := range s.Backends {
		if s.Family != "" && familyOf(b.Host) != s.Family {
			r.addf(path{"services", s.Name, "backends", b.Name, "host"},
				"gorb cannot yet make a backend of another family than its service's")
		}
	}
}

// drained reports whether every backend is declared with weight 0.
func (s *Service) drained() bool {
	for _, b := range s.Backends {
		if b.Weight > 0 {
			return false
		}
	}
	return true
}

// doubtHash warns of a scheduler that picks by hash and goes on to pick a backend at weight 0: its clients are
// refused while the others are served (ip_vs_sh.c, ip_vs_mh.c, ip_vs_dh.c). rr, wrr and the like skip such a backend.
func (s *Service) doubtHash(r *report) {
	advice := "flags = \"" + s.Method + "-fallback\" sends them to another"
	switch s.Method {
	case "sh", "mh":
		if s.Flags&Flag1 != 0 {
			return
		}
	case "dh":
		advice = "dh has no fallback; sh and mh do"
	default:
		return
	}
	if when := s.whenZero(); when != "" {
		r.addf(path{"services", s.Name, "method"}, "%s refuses the clients of a backend at weight 0, %s; %s",
			s.Method, when, advice)
	}
}

// whenZero says what brings a backend of the service to weight 0: its declaration, a health check, or that it leaves
// and drains. Pulses count where they are declared. It is "" where nothing does.
func (s *Service) whenZero() string {
	checked := s.Pulse
	for _, b := range s.Backends {
		if b.Weight == 0 {
			return "as " + keyString(b.Name) + " is"
		}
		if b.Pulse != nil && b.Pulse.Type != "none" {
			checked = b.Pulse
		}
	}
	if checked != nil && checked.Type != "none" {
		return "as its pulse makes one that is down"
	}
	if s.Drain > 0 {
		return fmt.Sprintf("as one that leaves is until it has drained (at most %s)", formatDuration(s.Drain))
	}
	return ""
}
