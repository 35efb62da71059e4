package kernel

import (
	"fmt"
	"net/netip"
)

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

// String is ipvsadm's word, or the kernel's where ipvsadm has none.
func (f Forward) String() string {
	names := [...]string{Masq: "masq", Local: "local", Tunnel: "tunnel", Route: "route", Bypass: "bypass"}
	if int(f) < len(names) {
		return names[f]
	}
	return fmt.Sprintf("forward(%d)", uint8(f))
}

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
