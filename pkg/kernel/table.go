package kernel

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Family is an address family. Its values are Linux's AF_INET and AF_INET6.
type Family uint8

// The two families that IPVS knows.
const (
	IPv4 Family = 2
	IPv6 Family = 10
)

// FamilyOf returns the family of an address, which must be valid and not an IPv4-mapped one.
func FamilyOf(a netip.Addr) Family {
	if a.Is4() {
		return IPv4
	}
	return IPv6
}

func (f Family) String() string {
	switch f {
	case IPv4:
		return "ipv4"
	case IPv6:
		return "ipv6"
	}
	return fmt.Sprintf("family(%d)", uint8(f))
}

// Protocol is a transport protocol by its IANA number; zero for a firewall-mark service.
type Protocol uint8

// The protocols that IPVS schedules (ip_vs_proto_*.c).
const (
	TCP  Protocol = 6
	UDP  Protocol = 17
	SCTP Protocol = 132
)

func (p Protocol) String() string {
	switch p {
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	case SCTP:
		return "sctp"
	}
	return fmt.Sprintf("protocol(%d)", uint8(p))
}

// Flags are the flags of a service (include/uapi/linux/ip_vs.h), without HASHED (0x2), which is the kernel's own.
type Flags uint32

// The flags that can be set. Sched1 to Sched3 mean what the scheduler makes of them: for sh and mh, Sched1 is
// "fallback" and Sched2 is "port".
const (
	Persistent Flags = 0x0001
	OnePacket  Flags = 0x0004
	Sched1     Flags = 0x0008
	Sched2     Flags = 0x0010
	Sched3     Flags = 0x0020
)

// hashed is IP_VS_SVC_F_HASHED, which the kernel sets on every service and reports in every dump.
const hashed Flags = 0x0002

// ServiceKey identifies a virtual service: by family, protocol, address and port, or by family and firewall mark.
type ServiceKey struct {
	Family   Family
	Protocol Protocol       // zero for a mark
	Addr     netip.AddrPort // the zero value for a mark
	Mark     uint32         // zero for an address
}

// String gives the key as an operator writes it: "tcp 10.0.0.1:80", "fwmark 7 ipv4".
func (k ServiceKey) String() string {
	if k.Mark != 0 {
		return fmt.Sprintf("fwmark %d %s", k.Mark, k.Family)
	}
	return fmt.Sprintf("%s %s", k.Protocol, k.Addr)
}

// Compare orders keys: marks after addresses, then by protocol, address, port, mark and family.
func (k ServiceKey) Compare(o ServiceKey) int {
	return cmp.Or(
		cmp.Compare(k.Mark, o.Mark),
		cmp.Compare(k.Protocol, o.Protocol),
		k.Addr.Compare(o.Addr),
		cmp.Compare(k.Family, o.Family),
	)
}

// Service is what can be edited of a virtual service.
type Service struct {
	Scheduler string // the kernel's name, such as "wrr"
	Flags     Flags
	Timeout   uint32 // of persistence, in seconds; zero unless Flags has Persistent
	// Netmask groups persistent clients: for IPv4 the mask as a number (255.255.255.0 is 0xffffff00), for IPv6 the
	// prefix length, 1 to 128. FullNetmask is "every client alone".
	Netmask uint32
	Engine  string // of persistence: "sip", or "" for none
}

// FullNetmask returns the netmask that tells every client of a family from every other.
func FullNetmask(f Family) uint32 {
	if f == IPv4 {
		return 0xffffffff
	}
	return 128
}

// normal returns the service as it is compared: without the kernel's own flag, and without a timeout that means
// nothing.
func (s Service) normal() Service {
	s.Flags &^= hashed
	if s.Flags&Persistent == 0 {
		s.Timeout = 0
	}
	return s
}

// Forward is a forwarding method: IP_VS_CONN_F_FWD_MASK of include/uapi/linux/ip_vs.h.
type Forward uint8

// The forwarding methods. The kernel finds local ones by itself at transmit, but stores and reports what was set.
const (
	Masq   Forward = 0
	Local  Forward = 1
	Tunnel Forward = 2
	Route  Forward = 3
	Bypass Forward = 4
)

// DestKey identifies a real server within its service.
type DestKey struct {
	Addr netip.AddrPort
}

func (k DestKey) String() string { return k.Addr.String() }

// Compare is the canonical order of the destinations of a service: by address, then port. sh depends on the order
// of the kernel's list, so every director adds in this one.
func (k DestKey) Compare(o DestKey) int { return k.Addr.Compare(o.Addr) }

// EncapType is the kind of a tunnel: IP_VS_CONN_F_TUNNEL_TYPE_* of include/uapi/linux/ip_vs.h.
type EncapType uint8

// The kinds of tunnels.
const (
	IPIP EncapType = 0 // IP in IP
	GUE  EncapType = 1 // generic UDP encapsulation
	GRE  EncapType = 2 // generic routing encapsulation
)

func (t EncapType) String() string {
	switch t {
	case IPIP:
		return "ipip"
	case GUE:
		return "gue"
	case GRE:
		return "gre"
	}
	return fmt.Sprintf("tunnel(%d)", uint8(t))
}

// EncapFlags are IP_VS_TUNNEL_ENCAP_FLAG_* of include/uapi/linux/ip_vs.h.
type EncapFlags uint16

// The flags of a tunnel: no checksum (GUE and GRE), a checksum (GUE and GRE), or a remote checksum (GUE).
const (
	NoChecksum     EncapFlags = 0
	Checksum       EncapFlags = 1
	RemoteChecksum EncapFlags = 2
)

// Encap says how packets travel to a destination with the forwarding method Tunnel. It is zero for the others, and plain
// IP in IP where it is zero.
type Encap struct {
	Type  EncapType
	Flags EncapFlags
	Port  uint16 // the UDP port of GUE; zero for the others
}

// Dest is what can be edited of a real server.
type Dest struct {
	Forward Forward
	Encap   Encap
	Weight  uint32 // 0 to 2147483647
	Upper   uint32 // upper connection threshold; zero for none
	Lower   uint32 // lower connection threshold; zero for three quarters of Upper
}

// normal returns the destination as it is compared: without the attributes of a tunnel that it is not. The kernel keeps
// and reports whatever another tool once set.
func (d Dest) normal() Dest {
	switch {
	case d.Forward != Tunnel, d.Encap.Type == IPIP:
		d.Encap = Encap{}
	case d.Encap.Type == GRE:
		d.Encap.Port = 0
	}
	return d
}

// Conns counts the connections of a destination. For TCP, Active are those in state ESTABLISHED and Inactive all
// others, half-open ones and those in TIME_WAIT among them; for UDP Active is always zero. Persistent are the templates of
// persistent clients, which are no connections.
type Conns struct {
	Active     uint32
	Inactive   uint32
	Persistent uint32
}

// Stats counts what a service or a destination has carried since it was made or zeroed, and how much it carries in a
// second, as the kernel estimates it (every 2 s, over about 8 s).
type Stats struct {
	Conns, InPackets, OutPackets, InBytes, OutBytes                uint64
	ConnRate, InPacketRate, OutPacketRate, InByteRate, OutByteRate uint64
}

// ServiceStats are the statistics of a service and of its destinations.
type ServiceStats struct {
	Stats
	Dests map[DestKey]Stats
}

// Statistics are those of a table. They are read beside it, since only those who look want them.
type Statistics map[ServiceKey]ServiceStats

// RealServer is a destination in a table.
type RealServer struct {
	DestKey
	Dest
	Conns Conns // observed; zero in a wanted table
	// Unknown says why gorb must not edit this observed destination: it has something that this package cannot say, and
	// that an edit would reset without a word. It is "" otherwise, and in a wanted table always.
	Unknown string
}

// VirtualService is a service and its destinations. In an observed table they stand in the kernel's dump order (the
// reverse of the order in which they were added), in a wanted table in canonical order.
type VirtualService struct {
	Service
	Dests []RealServer
	// Unknown says why gorb must not edit this observed service: it has something that this package cannot say, and that
	// an edit would reset without a word (docs/kernel.md, "Editing"). It is "" otherwise, and in a wanted table always.
	Unknown string
}

// Dest returns the destination with the given key.
func (v VirtualService) Dest(k DestKey) (RealServer, bool) {
	if i := v.index(k); i >= 0 {
		return v.Dests[i], true
	}
	return RealServer{}, false
}

// index returns where the destination with the given key stands, or -1.
func (v VirtualService) index(k DestKey) int {
	return slices.IndexFunc(v.Dests, func(d RealServer) bool { return d.DestKey == k })
}

// Table is an IPVS table, observed or wanted.
type Table map[ServiceKey]VirtualService

// Keys returns the keys of the table in order.
func (t Table) Keys() []ServiceKey {
	keys := make([]ServiceKey, 0, len(t))
	for k := range t {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, ServiceKey.Compare)
	return keys
}

// String gives the table as `ipvsadm -Sn` would print it, services in order and destinations in canonical order.
func (t Table) String() string {
	var b strings.Builder
	for _, k := range t.Keys() {
		v := t[k]
		fmt.Fprintln(&b, Op{Kind: AddService, Key: k, Service: v.Service})
		dests := slices.Clone(v.Dests)
		sortDests(dests)
		for _, d := range dests {
			fmt.Fprintln(&b, Op{Kind: AddDest, Key: k, DestKey: d.DestKey, Dest: d.Dest})
		}
	}
	return b.String()
}

// sortDests puts destinations into canonical order.
func sortDests(dests []RealServer) {
	slices.SortFunc(dests, func(a, b RealServer) int { return a.Compare(b.DestKey) })
}
