package kernel

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Which attributes a message carries. A write carries all that can be set, as the kernel resets what is missing.
var (
	addrKey    = attrsOf(svcFamily, svcProtocol, svcAddr, svcPort)
	markKey    = attrsOf(svcFamily, svcMark)
	setService = attrsOf(svcScheduler, svcFlags, svcTimeout, svcNetmask)
	destKey    = attrsOf(dstAddr, dstPort, dstFamily)
	setDest    = attrsOf(dstForward, dstWeight, dstUpper, dstLower)
	setTunnel  = attrsOf(dstTunnelType, dstTunnelPort, dstTunnelFlags)
)

// knownFlags are all that a Service can say, and the kernel's own.
const knownFlags = Persistent | hashed | OnePacket | Sched1 | Sched2 | Sched3

// commands are those of the operations.
var commands = [...]uint8{
	AddService: cmdNewService, EditService: cmdSetService, DeleteService: cmdDelService,
	AddDest: cmdNewDest, EditDest: cmdSetDest, DeleteDest: cmdDelDest,
}

// appendOp appends an operation, which refuse has let pass, as a message.
func (c *codec) appendOp(b []byte, family, flags uint16, seq uint32, op Op) []byte {
	start := len(b)
	b = beginMessage(b, family, flags, seq, commands[op.Kind])
	switch op.Kind {
	case AddService, EditService:
		b = c.appendService(b, op.Key, &op.Service)
	default:
		b = c.appendService(b, op.Key, nil)
	}
	switch op.Kind {
	case AddDest, EditDest:
		b = c.appendDest(b, op.DestKey, &op.Dest)
	case DeleteDest:
		b = c.appendDest(b, op.DestKey, nil)
	}
	endMessage(b, start)
	return b
}

// appendService appends a service; without s its key alone.
func (c *codec) appendService(b []byte, k ServiceKey, s *Service) []byte {
	a := &c.svc
	*a = serviceAttrs{family: uint16(k.Family), mark: k.Mark}
	which := markKey
	if k.Mark == 0 {
		a.protocol, a.addr, a.port = uint16(k.Protocol), addrBytes(k.Addr.Addr()), k.Addr.Port()
		which = addrKey
	}
	if s != nil {
		a.scheduler, a.timeout, a.engine = s.Scheduler, s.Timeout, s.Engine
		binary.NativeEndian.PutUint32(a.flags[:4], uint32(s.Flags))
		binary.NativeEndian.PutUint32(a.flags[4:], ^uint32(0)) // all of them: none is to stay as it was
		netmaskOrder(k.Family).PutUint32(a.netmask[:], s.Netmask)
		which |= setService
		if s.Engine != "" {
			which |= attrsOf(svcEngine)
		}
	}
	start := len(b)
	return endAttr(serviceFields.append(beginAttr(b), a, which), start, attrService)
}

// appendDest appends a destination; without d its key alone.
func (c *codec) appendDest(b []byte, k DestKey, d *Dest) []byte {
	a := &c.dst
	*a = destAttrs{family: uint16(FamilyOf(k.Addr.Addr())), addr: addrBytes(k.Addr.Addr()), port: k.Addr.Port()}
	which := destKey
	if d != nil {
		a.forward, a.weight, a.upper, a.lower = uint32(d.Forward), d.Weight, d.Upper, d.Lower
		which |= setDest
		if d.Forward == Tunnel {
			a.tunnelType, a.tunnelPort, a.tunnelFlags = uint8(d.Encap.Type), d.Encap.Port, uint16(d.Encap.Flags)
			which |= setTunnel
		}
	}
	start := len(b)
	return endAttr(destFields.append(beginAttr(b), a, which), start, attrDest)
}

// addrBytes gives an address as union nf_inet_addr (include/uapi/linux/netfilter.h).
func addrBytes(a netip.Addr) (b [16]byte) {
	if a.Is4() {
		v4 := a.As4()
		copy(b[:], v4[:])
		return b
	}
	return a.As16()
}

// addrOf is the reverse of addrBytes.
func addrOf(f Family, b [16]byte) netip.Addr {
	if f == IPv4 {
		return netip.AddrFrom4([4]byte(b[:4]))
	}
	return netip.AddrFrom16(b)
}

// netmaskOrder is the byte order of a netmask: that of IPv4 is an address, that of IPv6 a number.
func netmaskOrder(f Family) binary.ByteOrder {
	if f == IPv4 {
		return binary.BigEndian
	}
	return binary.NativeEndian
}

// object returns the attribute of a message that holds its object, and says in unknown if there are others.
func object(m message, number uint16) (value []byte, unknown string, err error) {
	b, err := m.attributes()
	if err != nil {
		return nil, "", err
	}
	for len(b) >= attrSize {
		n, v, rest, err := nextAttr(b)
		switch {
		case err != nil:
			return nil, "", err
		case n == number:
			value = v
		case unknown == "":
			unknown = unknownAttr(n)
		}
		b = rest
	}
	if value == nil {
		return nil, "", errGarbled
	}
	return value, unknown, nil
}

// service reads a service from a message, without its destinations.
func (c *codec) service(m message) (k ServiceKey, v VirtualService, stats Stats, err error) {
	b, outside, err := object(m, attrService)
	if err != nil {
		return k, v, stats, err
	}
	a := &c.svc
	*a = serviceAttrs{}
	had, unknown, err := serviceFields.decode(b, a, c)
	if err != nil {
		return k, v, stats, err
	}
	// The kernel keeps 16 bits of a protocol, 8 of which no header could hold.
	k = ServiceKey{Family: Family(min(a.family, 255)), Mark: a.mark}
	if a.mark == 0 {
		k.Protocol = Protocol(min(a.protocol, 255))
		k.Addr = netip.AddrPortFrom(addrOf(k.Family, a.addr), a.port)
	}
	flags := Flags(binary.NativeEndian.Uint32(a.flags[:4]))
	v.Service = Service{
		Scheduler: a.scheduler,
		Flags:     flags,
		Timeout:   a.timeout,
		Netmask:   netmaskOrder(k.Family).Uint32(a.netmask[:]),
		Engine:    a.engine,
	}.normal()
	v.Unknown = cmp.Or(unknown, outside, unknownBits("flags", uint32(flags&^knownFlags)), unwritableKey(k))
	return k, v, newest(had, svcStats64, a.stats, a.stats64), nil
}

// dest reads a destination of a service of family f from a message.
func (c *codec) dest(m message, f Family) (r RealServer, stats Stats, err error) {
	b, outside, err := object(m, attrDest)
	if err != nil {
		return r, stats, err
	}
	a := &c.dst
	*a = destAttrs{family: uint16(f)} // kernels before 3.18 do not say it
	had, unknown, err := destFields.decode(b, a, c)
	if err != nil {
		return r, stats, err
	}
	r.DestKey = DestKey{netip.AddrPortFrom(addrOf(Family(min(a.family, 255)), a.addr), a.port)}
	r.Dest = Dest{
		Forward: Forward(min(a.forward, 255)),
		Encap:   Encap{EncapType(a.tunnelType), EncapFlags(a.tunnelFlags), a.tunnelPort},
		Weight:  a.weight,
		Upper:   a.upper,
		Lower:   a.lower,
	}.normal()
	r.Conns = Conns{Active: a.active, Inactive: a.inactive, Persistent: a.persistent}
	r.Unknown = cmp.Or(unknown, outside, r.unknown(), unwritableDest(f, r))
	return r, newest(had, dstStats64, a.stats, a.stats64), nil
}

// unknown says which value of a destination this package has no word for.
func (d Dest) unknown() string {
	switch {
	case d.Forward > Bypass:
		return fmt.Sprintf("it has the forwarding method %d, which this gorb does not know", d.Forward)
	case d.Encap.Type > GRE:
		return fmt.Sprintf("it has the tunnel type %d, which this gorb does not know", d.Encap.Type)
	}
	return unknownBits("tunnel flags", uint32(d.Encap.Flags&^(Checksum|RemoteChecksum)))
}

func unknownBits(what string, bits uint32) string {
	if bits == 0 {
		return ""
	}
	return fmt.Sprintf("it has the %s %#x, which this gorb does not know", what, bits)
}

// newest returns the statistics of 64 bits where the kernel gives them (since 4.1).
func newest(had attrSet, number uint, stats, stats64 Stats) Stats {
	if had.has(number) {
		return stats64
	}
	return stats
}

// family reads a family from a message. What else it says of it is passed over.
func (c *codec) family(m message) (f family, err error) {
	b, err := m.attributes()
	if err == nil {
		_, _, err = familyFields.decode(b, &f, c)
	}
	return f, err
}
