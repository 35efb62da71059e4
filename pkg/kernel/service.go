package kernel

import (
	"cmp"
	"fmt"
	"net/netip"
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
