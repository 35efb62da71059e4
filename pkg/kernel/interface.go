package kernel

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// InterfaceAddr returns the first global unicast address of a network interface of the process's own namespace, in
// the system's order, IPv4 before IPv6. Private addresses are global in this sense; loopback and link-local ones are
// not. An address of one host alone, /32 or /128, stands after the others of its family: gorb and its like put such ones
// on an interface, and of IPv6 the newest is the system's first. It counts where there is no other, as machines in
// clouds and ends of tunnels have it. Those in except, which may be nil, never count.
func InterfaceAddr(name string, except map[netip.Addr]bool) (netip.Addr, error) {
	iface, err := net.InterfaceByName(name)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("interface %s: it does not exist; there are: %s", name, interfaceNames())
	}
	addrs, err := iface.Addrs()
	if err != nil {
		return netip.Addr{}, fmt.Errorf("interface %s: read its addresses: %w", name, err)
	}
	addr, err := firstGlobal(addrs, except)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("interface %s: %w", name, err)
	}
	return addr, nil
}

// firstGlobal picks from the addresses of an interface.
func firstGlobal(addrs []net.Addr, except map[netip.Addr]bool) (netip.Addr, error) {
	var best netip.Prefix
	var others []string
	for _, a := range addrs {
		p, ok := prefixOf(a)
		switch {
		case !ok: // an address that is not an IP one
		case !p.Addr().IsGlobalUnicast() || except[p.Addr()]:
			others = append(others, p.Addr().String())
		case !best.IsValid() || rank(p) < rank(best):
			best = p
		}
	}
	switch {
	case best.IsValid():
		return best.Addr(), nil
	case len(others) == 0:
		return netip.Addr{}, errors.New("it has no address")
	}
	return netip.Addr{}, fmt.Errorf("it has no global unicast address of its own, only %s", strings.Join(others, ", "))
}

// rank is the lower, the sooner an address is taken.
func rank(p netip.Prefix) int {
	n := 0
	if p.Addr().Is6() {
		n += 2
	}
	if p.IsSingleIP() {
		n++
	}
	return n
}

// prefixOf gives the address of an interface another form. Its family is that of its mask: the bytes of ::ffff:10.0.0.1
// are also a way to write 10.0.0.1, which is another address.
func prefixOf(a net.Addr) (netip.Prefix, bool) {
	n, ok := a.(*net.IPNet)
	if !ok {
		return netip.Prefix{}, false
	}
	ip, ok := netip.AddrFromSlice(n.IP)
	ones, bits := n.Mask.Size()
	if bits == 32 {
		ip = ip.Unmap()
	}
	return netip.PrefixFrom(ip, ones), ok && bits == ip.BitLen()
}

func interfaceNames() string {
	all, err := net.Interfaces()
	if err != nil || len(all) == 0 {
		return "none that can be read"
	}
	names := make([]string, len(all))
	for i, iface := range all {
		names[i] = iface.Name
	}
	return strings.Join(names, ", ")
}
