package kernel

import (
	"encoding/binary"
	"net/netip"

	"github.com/moby/ipvs"
)

// toService gives a service in the words of moby/ipvs. It sends all attributes, and the mask for all flags.
func toService(k ServiceKey, s Service) *ipvs.Service {
	m := &ipvs.Service{
		AddressFamily: uint16(k.Family),
		FWMark:        k.Mark,
		SchedName:     s.Scheduler,
		Flags:         uint32(s.Flags),
		Timeout:       s.Timeout,
		Netmask:       swapNetmask(k.Family, s.Netmask),
	}
	if k.Mark == 0 {
		m.Protocol = uint16(k.Protocol)
		m.Address = k.Addr.Addr().AsSlice()
		m.Port = k.Addr.Port()
	}
	return m
}

// toDest gives a destination in the words of moby/ipvs.
func toDest(k DestKey, d Dest) *ipvs.Destination {
	return &ipvs.Destination{
		Address:         k.Addr.Addr().AsSlice(),
		Port:            k.Addr.Port(),
		Weight:          int(d.Weight),
		ConnectionFlags: uint32(d.Forward),
		UpperThreshold:  d.Upper,
		LowerThreshold:  d.Lower,
	}
}

// fromService takes a service, without its destinations, from the words of moby/ipvs, which does not read the
// persistence engine: a service that has one looks like one that has none, and an edit takes it away.
func fromService(m *ipvs.Service) (ServiceKey, VirtualService) {
	k := ServiceKey{Family: Family(m.AddressFamily), Mark: m.FWMark}
	if m.FWMark == 0 {
		k.Protocol = Protocol(min(m.Protocol, 255)) // the kernel keeps 16 bits of what no header could hold
		addr, _ := netip.AddrFromSlice(m.Address)
		k.Addr = netip.AddrPortFrom(addr, m.Port)
	}
	v := VirtualService{Service: Service{
		Scheduler: m.SchedName,
		Flags:     Flags(m.Flags),
		Timeout:   m.Timeout,
		Netmask:   swapNetmask(k.Family, m.Netmask),
	}.normal()}
	v.Unknown = unwritableKey(k)
	return k, v
}

// addDests takes the destinations of a service from the words of moby/ipvs, in dump order.
//
// moby/ipvs reads 16 bits of a weight, the low ones on a little-endian machine, though the kernel holds 31; weights
// over 65535 can only be another tool's. It does not read the kind of a tunnel at all: any is reported as Tunnel.
func addDests(k ServiceKey, v *VirtualService, dests []*ipvs.Destination) {
	v.Dests = make([]RealServer, 0, len(dests))
	seen := make(map[DestKey]bool, len(dests))
	for _, m := range dests {
		addr, _ := netip.AddrFromSlice(m.Address)
		d := RealServer{
			DestKey: DestKey{netip.AddrPortFrom(addr, m.Port)},
			Dest: Dest{
				Forward: Forward(m.ConnectionFlags & ipvs.ConnectionFlagFwdMask),
				Weight:  uint32(m.Weight),
				Upper:   m.UpperThreshold,
				Lower:   m.LowerThreshold,
			},
			Conns: Conns{Active: uint32(m.ActiveConnections), Inactive: uint32(m.InactiveConnections)},
		}
		if seen[d.DestKey] {
			continue
		}
		seen[d.DestKey] = true
		v.Dests = append(v.Dests, d)
		if v.Unknown == "" {
			v.Unknown = unwritableDest(k.Family, d)
		}
	}
}

// swapNetmask turns a Service.Netmask into the kernel's form and back. For IPv4 that is four bytes in network order,
// which moby/ipvs passes as a number in the machine's order; for IPv6 the prefix length as it is.
func swapNetmask(f Family, mask uint32) uint32 {
	if f == IPv6 {
		return mask
	}
	return binary.NativeEndian.Uint32(binary.BigEndian.AppendUint32(nil, mask))
}
