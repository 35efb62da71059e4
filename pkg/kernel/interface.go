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
// not.
func InterfaceAddr(name string) (netip.Addr, error) {
	iface, err := net.InterfaceByName(name)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("interface %s: it does not exist; there are: %s", name, interfaceNames())
	}
	addrs, err := iface.Addrs()
	if err != nil {
		return netip.Addr{}, fmt.Errorf("interface %s: read its addresses: %w", name, err)
	}
	addr, err := firstGlobal(addrs)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("interface %s: %w", name, err)
	}
	return addr, nil
}

// firstGlobal picks from the addresses of an interface.
func firstGlobal(addrs []net.Addr) (netip.Addr, error) {
	var v6 netip.Addr
	var others []string
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue // an address that is not an IP one
		}
		switch addr := p.Addr().Unmap(); {
		case !addr.IsGlobalUnicast():
			others = append(others, addr.String())
		case addr.Is4():
			return addr, nil
		case !v6.IsValid():
			v6 = addr
		}
	}
	switch {
	case v6.IsValid():
		return v6, nil
	case len(others) == 0:
		return netip.Addr{}, errors.New("it has no address")
	}
	return netip.Addr{}, fmt.Errorf("it has no global unicast address, only %s", strings.Join(others, ", "))
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
