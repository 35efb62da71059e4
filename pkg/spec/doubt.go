package spec

import "fmt"

// doubt warns of what is allowed and likely a mistake.
func (s *Service) doubt(r *report) {
	s.doubtHost(r)
	if len(s.Backends) == 0 {
		r.addf(path{"services", s.Name}, "the service has no backends, so it refuses every connection")
		return
	}
	s.doubtPersistence(r)
	s.doubtBackends(r)
	if s.Method == noScheduler {
		r.addf(path{"services", s.Name, "method"}, "with none the service refuses every new connection")
		return
	}
	if s.drained() {
		r.addf(path{"services", s.Name}, "all backends have weight 0, so the service refuses new connections")
	}
	s.doubtHash(r)
	if s.Method == "mh" && len(s.Backends) > mhSlots {
		r.addf(path{"services", s.Name, "method"},
			"mh has %d slots in kernels as they are usually built, and there are %d backends; "+
				"beyond the slots it goes on with the old ones and says nothing", mhSlots, len(s.Backends))
	}
}

// mhSlots is the size of mh's table where the kernel is built with the default, CONFIG_IP_VS_MH_TAB_INDEX=12. With more
// backends ip_vs_mh_reassign fails, which nobody is told.
const mhSlots = 4093

// doubtHost warns of an address to which nobody sends what IPVS serves: it looks at packets for one host (PACKET_HOST,
// ip_vs_in_hook).
func (s *Service) doubtHost(r *report) {
	at := path{"services", s.Name, "host"}
	if why := notOneHost(s.Host); why != "" {
		r.addf(at, "%s %s, and IPVS serves only what is sent to one host", s.Host, why)
	}
	if isLinkLocal(s.Host) {
		r.addf(at, "%s is a link-local address, and IPVS does not tell on which link", s.Host)
	}
}

// doubtPersistence warns of a netmask and of an engine that have nothing to do: they are asked for persistent services
// only, and sip looks only into packets of UDP (ip_vs_sched_persist, ip_vs_sip_fill_param).
func (s *Service) doubtPersistence(r *report) {
	if s.Persistent == 0 && (s.Netmask != 0 || s.OneClient) {
		r.addf(path{"services", s.Name, "persistence_netmask"},
			"it has no effect without persistent: it groups clients that come back")
	}
	at := path{"services", s.Name, "pe"}
	switch {
	case s.Engine == "":
	case s.Persistent == 0:
		r.addf(at, "%s has no effect without persistent", s.Engine)
	case s.Fwmark == 0 && s.Protocol != UDP:
		r.addf(at, "%s finds calls in udp only; a client of %s comes back by its address, as without it", s.Engine, s.Protocol)
	}
}

// doubtBackends warns of weights that others misread, of which the kernel has 31 bits, and of ports that are not what
// they seem.
func (s *Service) doubtBackends(r *report) {
	for _, b := range s.Backends {
		at := func(key string) path { return path{"services", s.Name, "backends", b.Name, key} }
		switch {
		case s.Fwmark != 0 && b.Method != NAT && b.Port != 0:
			r.addf(at("port"), "%d has no effect: method %s leaves the port as the client asked", b.Port, b.Method)
		case b.Port == 0 && s.Port != 0:
			r.addf(at("port"), "0 is the port that the client asked for, which is always %d here", s.Port)
		}
		if b.Weight > 65535 {
			r.addf(at("weight"), "%d is over 65535: programs that keep 16 bits of a weight read it as %d",
				b.Weight, uint16(b.Weight))
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
// and drains. It is "" where nothing does.
func (s *Service) whenZero() string {
	checked := false
	for i := range s.Backends {
		b := &s.Backends[i]
		if b.Weight == 0 {
			return "as " + keyString(b.Name) + " is"
		}
		checked = checked || s.PulseOf(b).Type != PulseNone
	}
	if checked {
		return "as its pulse makes one that is down"
	}
	if s.Drain > 0 {
		return fmt.Sprintf("as one that leaves is until it has drained (at most %s)", formatDuration(s.Drain))
	}
	return ""
}
