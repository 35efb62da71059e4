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
	if c.draft != nil {
		c.draftAddress()
		return opt[netip.Addr]{}
	}
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

// hostName expects the name that host was resolved from.
func (c *checker) hostName(v any) opt[string] {
	c.describes(func(s *Schema) { s.Pattern, s.MaxLength = `^[A-Za-z0-9._-]+$`, 254 })
	s, ok := c.text(v, `a name such as "www.example"`)
	if ok && !IsHostName(s) {
		c.addf("%s is not the name of a host such as \"www.example\"", quote(s))
		ok = false
	}
	return opt[string]{s, ok}
}

const noHostOfName = "there is no host that was resolved from it; host has the address, which is what counts"

// IsHostName reports whether s may be the name of a host and is no address (RFC 1123, section 2.1): up to 253 of
// letters, digits and hyphens, with dots between, and perhaps one at the end. The last label is no number: of such ones
// some resolvers make addresses.
func IsHostName(s string) bool {
	s = strings.TrimSuffix(s, ".")
	if _, err := netip.ParseAddr(s); err == nil || len(s) > 253 {
		return false
	}
	if last := s[strings.LastIndexByte(s, '.')+1:]; strings.Trim(last, "0123456789") == "" {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if !isBareKey(label[i]) || label[i] == '_' {
				return false
			}
		}
	}
	return true
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
