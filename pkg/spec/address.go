package spec

import (
	"fmt"
	"net/netip"
	"strings"
	"unicode"
)

// address expects a unicast IP address.
func (c *checker) address(v any) opt[netip.Addr] { return c.addressThat(v, notUnicast) }

// serviceHost expects an IP address of any kind: the kernel takes them all (ip_vs_add_service), and doubtHost warns of
// those that serve nobody.
func (c *checker) serviceHost(v any) opt[netip.Addr] { return c.addressThat(v, malformed) }

// addressThat expects an address that unfit has nothing against.
func (c *checker) addressThat(v any, unfit func(netip.Addr) string) opt[netip.Addr] {
	s, ok := c.text(v, "an IP address")
	if !ok {
		return opt[netip.Addr]{}
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		c.addf("%s", notAddress(s))
		return opt[netip.Addr]{}
	}
	if why := unfit(a); why != "" {
		c.addf("%s %s", quote(s), why)
		return opt[netip.Addr]{}
	}
	return some(a)
}

// notAddress says why a string is not an address, as far as one can tell what was meant.
func notAddress(s string) string {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return fmt.Sprintf("%s has a port in it; write host = %q, port = %d", quote(s), ap.Addr(), ap.Port())
	}
	if p, err := netip.ParsePrefix(s); err == nil {
		return fmt.Sprintf("%s is a prefix; write %q", quote(s), p.Addr())
	}
	if strings.ContainsFunc(s, unicode.IsLetter) && !strings.ContainsAny(s, ":/ ") {
		return quote(s) + " is a name; gorb wants an address, because a name's may change while the kernel keeps the old one"
	}
	return quote(s) + " is not an IP address"
}

// malformed says how an address is to be written instead; "" where it is well as it is.
func malformed(a netip.Addr) string {
	switch {
	case a.Is4In6():
		return fmt.Sprintf("is an IPv4 address in IPv6 form; write %q", a.Unmap())
	case a.Zone() != "":
		return "has a zone, which IPVS knows nothing of"
	}
	return ""
}

// notUnicast says why an address cannot be that of a backend; "" where it can. The kernel takes local addresses and
// unicast ones (ip_vs_new_dest).
func notUnicast(a netip.Addr) string {
	if why := malformed(a); why != "" {
		return why
	}
	if why := notOneHost(a); why != "" {
		return why
	}
	if isLinkLocal(a) {
		return "is a link-local address, which IPVS cannot forward to"
	}
	return ""
}

func isLinkLocal(a netip.Addr) bool { return a.Is6() && a.IsLinkLocalUnicast() }

// notOneHost says why an address is not that of one host; "" where it may be.
func notOneHost(a netip.Addr) string {
	switch {
	case a.IsUnspecified():
		return "is the unspecified address"
	case a.IsMulticast():
		return "is a multicast address"
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "is the broadcast address"
	}
	return ""
}
