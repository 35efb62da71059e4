package spec

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// netmask is what persistence_netmask says: a mask, which is IPv4's, or how many bits of a client's address count.
type netmask struct {
	mask netip.Addr // invalid: it is bits
	bits uint8      // 0 to 128
}

func (n netmask) String() string {
	if n.mask.IsValid() {
		return n.mask.String()
	}
	return strconv.Itoa(int(n.bits))
}

// netmask expects "255.255.255.0", "24", "/24" or 24. A mask may have gaps: ipvsadm and the kernel take any.
func (c *checker) netmask(v any) opt[netmask] {
	const wanted = `a mask such as "255.255.255.0" or a prefix length such as 24`
	if c.describes(func(s *Schema) { s.Type, s.Pattern = Types{"integer", "string"}, maskPattern; s.between(0, 128) }) {
		return opt[netmask]{}
	}
	if n, ok := v.(int64); ok {
		v = strconv.FormatInt(n, 10)
	}
	s, ok := c.text(v, wanted)
	if !ok {
		return opt[netmask]{}
	}
	if a, err := netip.ParseAddr(s); err == nil && a.Is4() {
		return some(netmask{mask: a})
	}
	bits, err := strconv.ParseUint(strings.TrimPrefix(s, "/"), 10, 8)
	if err != nil || bits > 128 {
		c.addf("%s is not %s", quote(s), wanted)
		return opt[netmask]{}
	}
	return some(netmask{bits: uint8(bits)})
}

// apply sets what groups the clients of a service of a family; it says what is wrong with the mask there. A mask that
// tells all clients apart is none.
func (n netmask) apply(s *Service, f Family) string {
	s.Netmask, s.OneClient = 0, false
	if f == IPv6 {
		switch {
		case n.mask.IsValid():
			return fmt.Sprintf("%s is a mask of IPv4, and the service is ipv6; wanted a prefix length from 1 to 128", n)
		case n.bits == 0:
			return "0 is under 1, the least that the kernel takes for ipv6"
		case n.bits < 128:
			s.Netmask = uint32(n.bits)
		}
		return ""
	}
	var mask uint32
	switch {
	case n.mask.IsValid():
		b := n.mask.As4()
		mask = binary.BigEndian.Uint32(b[:])
	case n.bits > 32:
		return fmt.Sprintf("%s is over 32, and the service is ipv4", n)
	default:
		mask = ^uint32(0) << (32 - n.bits) // 0 for 0 bits: Go shifts out
	}
	s.OneClient = mask == 0
	if mask != ^uint32(0) {
		s.Netmask = mask
	}
	return ""
}

// netmask completes what groups persistent clients. The family of a service without host is not known yet: its mask is
// IPv4's until WithHost says otherwise.
func (c *completer) netmask(s *Service) {
	d := c.declared.netmask
	switch {
	case !d.set || !c.sound("host", "fwmark", "family", ""):
	case s.Family == "":
		d.value.apply(s, IPv4)
		c.masks[s.Name] = d.value
	default:
		if why := d.value.apply(s, s.Family); why != "" {
			c.addf(path{"persistence_netmask"}, "%s", why)
		}
	}
}

// formatNetmask returns the setting that stands for what groups the clients of a service; nil where nothing does.
func formatNetmask(s *Service) any {
	switch {
	case s.OneClient:
		return "0.0.0.0"
	case s.Netmask == 0:
		return nil
	case s.Family == IPv6:
		return int64(s.Netmask)
	}
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], s.Netmask)
	return netip.AddrFrom4(b).String()
}
