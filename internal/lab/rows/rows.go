package rows

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
)

// Service is a virtual service as commands of ipvsadm make it.
type Service struct {
	IPv6     bool
	Mark     uint32 // of the firewall; 0: it has a protocol and an address
	Protocol uint8  // its IANA number
	Addr     netip.AddrPort

	Scheduler string
	Engine    string // of persistence; ""
	Flags     uint32 // IP_VS_SVC_F_*, without HASHED, which the kernel sets
	Timeout   uint32 // of persistence, in seconds; 0: there is none
	Netmask   uint32 // IPv4: the mask in host order; IPv6: the length of the prefix

	Servers []Server // in the order in which they are added
}

// Server is a real server of a Service.
type Server struct {
	Addr         netip.AddrPort
	Forward      uint32 // IP_VS_CONN_F_*
	Weight       uint32
	Upper, Lower uint32 // thresholds; 0: none
	TunnelType   uint8  // IP_VS_CONN_F_TUNNEL_TYPE_*
	TunnelPort   uint16
	TunnelFlags  uint16 // IP_VS_TUNNEL_ENCAP_FLAG_*
}

// The numbers of the flags and of the methods of forwarding.
const (
	persistent = 0x1
	onePacket  = 0x4

	masquerade = 0
	tunnel     = 2
	route      = 3
)

// schedFlags are IP_VS_SVC_F_SCHED1 to 3.
var schedFlags = [3]uint32{0x8, 0x10, 0x20}

// The protocols.
const (
	tcp  = 6
	udp  = 17
	sctp = 132
)

// The greatest numbers that ipvsadm takes, for a timeout and for the rest.
const (
	maxTimeout = 31 * 86400
	maxInt     = 1<<31 - 1
)

// Random returns n or a few more commands that add services and real servers, in all spellings of all options that
// ipvsadm takes, and what they make together. They are what `ipvsadm -R` reads. Everything depends on r alone.
func Random(r *rand.Rand, n int) (commands []string, services []Service) {
	seen := map[string]bool{}
	for len(commands) < n {
		s := Service{IPv6: r.IntN(2) == 0}
		s.identify(r)
		if key := fmt.Sprint(s); seen[key] {
			continue
		} else {
			seen[key] = true
		}
		options := s.fill(r)
		commands = append(commands, command(r, pick(r, "-A ", "--add-service ")+s.key(r), options))
		there := map[netip.AddrPort]bool{}
		for range r.IntN(8) {
			server, options := s.server(r)
			if !there[server.Addr] {
				there[server.Addr] = true
				s.Servers = append(s.Servers, server)
				commands = append(commands, command(r, pick(r, "-a ", "--add-server ")+s.key(r), options))
			}
		}
		services = append(services, s)
	}
	return commands, services
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// command writes options behind a beginning, in any order.
func command(r *rand.Rand, begin string, options []string) string {
	r.Shuffle(len(options), func(i, j int) { options[i], options[j] = options[j], options[i] })
	return begin + " " + strings.Join(options, " ")
}

// identify gives a service what it is known by.
func (s *Service) identify(r *rand.Rand) {
	if r.IntN(4) == 0 {
		s.Mark = pick(r, 1, 1<<31-1, 1<<31, 1<<32-1, r.Uint32N(1<<20)+1)
		return
	}
	s.Protocol = pick[uint8](r, tcp, udp, sctp)
	addr := randomAddr(r, s.IPv6)
	if r.IntN(8) == 0 {
		addr = oddAddr(r, s.IPv6)
	}
	s.Addr = netip.AddrPortFrom(addr, pick(r, 0, 53, 80, 65535, uint16(r.Uint32())))
}

// oddAddr returns an address that the kernel takes for a service, but for the most part not for a server.
func oddAddr(r *rand.Rand, ipv6 bool) netip.Addr {
	if ipv6 {
		return netip.MustParseAddr(pick(r, "::", "::1", "fe80::1", "ff02::1"))
	}
	return netip.MustParseAddr(pick(r, "0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255"))
}

func randomAddr(r *rand.Rand, ipv6 bool) netip.Addr {
	if !ipv6 {
		return netip.AddrFrom4([4]byte{10, byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())})
	}
	a := [16]byte{0x20, 1, 0xd, 0xb8}
	for i := 4; i < 16; i += 2 { // with runs of zeros
		if r.IntN(2) == 0 {
			a[i+1] = byte(r.Uint32())
		}
	}
	return netip.AddrFrom16(a)
}

// key spells what a service is known by.
func (s *Service) key(r *rand.Rand) string {
	switch {
	case s.Mark != 0 && s.IPv6:
		return fmt.Sprintf("%s %d %s", pick(r, "-f", "--fwmark-service"), s.Mark, pick(r, "-6", "--ipv6"))
	case s.Mark != 0:
		return fmt.Sprintf("%s %d", pick(r, "-f", "--fwmark-service"), s.Mark)
	case s.Protocol == tcp:
		return fmt.Sprintf("%s %s", pick(r, "-t", "--tcp-service"), s.Addr)
	case s.Protocol == udp:
		return fmt.Sprintf("%s %s", pick(r, "-u", "--udp-service"), s.Addr)
	}
	return fmt.Sprintf("--sctp-service %s", s.Addr)
}

// fill gives a service the rest of what it has, but for its servers, and spells it.
func (s *Service) fill(r *rand.Rand) (options []string) {
	s.Scheduler, s.Netmask = "wlc", 0xffffffff
	if s.IPv6 {
		s.Netmask = 128
	}
	if r.IntN(8) > 0 {
		s.Scheduler = pick(r, "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "sh", "mh", "mh", "dh", "sed", "nq", "fo", "ovf", "none")
		options = append(options, pick(r, "-s ", "--scheduler ")+s.Scheduler)
	}
	if r.IntN(2) == 0 || s.Mark == 0 && s.Addr.Port() == 0 { // without, ipvsadm refuses port 0
		options = append(options, s.persist(r))
	}
	if r.IntN(2) == 0 {
		options = append(options, pick(r, "-M ", "--netmask ")+s.mask(r))
	}
	if r.IntN(4) == 0 {
		s.Engine = "sip"
		options = append(options, "--pe sip")
	}
	if r.IntN(4) == 0 && (s.Mark != 0 || s.Protocol == udp) { // ipvsadm refuses others
		s.Flags |= onePacket
		options = append(options, pick(r, "-o", "--ops"))
	}
	if flags := s.schedule(r); len(flags) > 0 {
		r.Shuffle(len(flags), func(i, j int) { flags[i], flags[j] = flags[j], flags[i] })
		options = append(options, pick(r, "-b ", "--sched-flags ")+strings.Join(flags, ","))
	}
	return options
}

// persist makes a service persistent.
func (s *Service) persist(r *rand.Rand) string {
	s.Flags |= persistent
	s.Timeout = pick(r, 1, 360, maxTimeout, r.Uint32N(maxTimeout)+1)
	option := pick(r, "-p", "--persistent")
	if s.Timeout != 360 || r.IntN(2) == 0 { // 360 is ipvsadm's default
		option += fmt.Sprintf(" %d", s.Timeout)
	}
	return option
}

// mask gives a service a netmask; one of IPv4 may have gaps.
func (s *Service) mask(r *rand.Rand) string {
	if s.IPv6 {
		s.Netmask = pick(r, 1, 64, 128, r.Uint32N(128)+1)
		return fmt.Sprint(s.Netmask)
	}
	s.Netmask = pick(r, 0, 0xffffffff, 0xffff0000, 0xff00ff00, r.Uint32())
	return netip.AddrFrom4([4]byte{byte(s.Netmask >> 24), byte(s.Netmask >> 16), byte(s.Netmask >> 8), byte(s.Netmask)}).String()
}

// schedule sets flags for the scheduler of a service.
func (s *Service) schedule(r *rand.Rand) (flags []string) {
	names := map[string][]string{"sh": {"sh-fallback", "sh-port"}, "mh": {"mh-fallback", "mh-port"}}[s.Scheduler]
	for i, flag := range schedFlags {
		if r.IntN(3) > 0 {
			continue
		}
		s.Flags |= flag
		name := fmt.Sprintf("flag-%d", i+1)
		if i < len(names) {
			name = pick(r, name, names[i])
		}
		flags = append(flags, name)
	}
	return flags
}

// server returns a real server for a service.
func (s *Service) server(r *rand.Rand) (d Server, options []string) {
	d.Forward, d.Weight = pick[uint32](r, masquerade, route, tunnel, tunnel), 1
	ipv6 := s.IPv6
	switch {
	case d.Forward == masquerade:
		options = append(options, pick(r, "-m", "--masquerading"))
	case d.Forward == tunnel:
		ipv6 = r.IntN(2) == 0
		options = append(append(options, pick(r, "-i", "--ipip")), d.encapsulate(r)...)
	case r.IntN(2) == 0: // the default
		options = append(options, pick(r, "-g", "--gatewaying"))
	}
	addr, port := randomAddr(r, ipv6), pick(r, s.Addr.Port(), 0, 8080, uint16(r.Uint32()))
	spelt := netip.AddrPortFrom(addr, port).String()
	if s.Mark == 0 && (d.Forward != masquerade || port == s.Addr.Port()) {
		port = s.Addr.Port() // as ipvsadm makes it
		spelt = pick(r, spelt, addr.String())
	}
	d.Addr = netip.AddrPortFrom(addr, port)
	options = append(options, pick(r, "-r ", "--real-server ")+spelt)
	if r.IntN(4) > 0 {
		d.Weight = pick(r, 0, 1, 65535, 65536, maxInt, r.Uint32N(maxInt))
		options = append(options, fmt.Sprintf("%s %d", pick(r, "-w", "--weight"), d.Weight))
	}
	if r.IntN(3) == 0 {
		d.Upper = pick(r, 1, maxInt, r.Uint32N(maxInt))
		options = append(options, fmt.Sprintf("%s %d", pick(r, "-x", "--u-threshold"), d.Upper))
	}
	if d.Upper > 0 && r.IntN(2) == 0 {
		d.Lower = pick(r, d.Upper, r.Uint32N(d.Upper))
		options = append(options, fmt.Sprintf("%s %d", pick(r, "-y", "--l-threshold"), d.Lower))
	}
	return d, options
}

// encapsulate chooses the kind of a tunnel: ipip, gue or gre, which are 0 to 2.
func (d *Server) encapsulate(r *rand.Rand) (options []string) {
	const gue, gre = 1, 2
	d.TunnelType = pick[uint8](r, 0, gue, gue, gre)
	if d.TunnelType != 0 || r.IntN(2) == 0 {
		options = append(options, "--tun-type "+[]string{"ipip", "gue", "gre"}[d.TunnelType])
	}
	switch d.TunnelType {
	case gue:
		d.TunnelPort = pick(r, 1, 6080, 65535, uint16(r.Uint32N(65535)+1))
		options = append(options, fmt.Sprintf("--tun-port %d", d.TunnelPort))
		d.TunnelFlags = uint16(r.IntN(3))
	case gre:
		d.TunnelFlags = uint16(r.IntN(2))
	}
	if d.TunnelFlags != 0 || d.TunnelType != 0 && r.IntN(2) == 0 {
		options = append(options, []string{"--tun-nocsum", "--tun-csum", "--tun-remcsum"}[d.TunnelFlags])
	}
	return options
}
