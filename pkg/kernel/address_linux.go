package kernel

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// view is what route netlink says of interfaces and addresses.
type view struct {
	links     map[int]*netlink.LinkAttrs // by index
	addresses []placed
}

// placed is an address with the network it is in, on an interface.
type placed struct {
	link   int // its index
	prefix netip.Prefix
}

// view reads all interfaces and all addresses, in two requests.
func (h *Host) view() (view, error) {
	links, err := wholeDump(h.rtnl.LinkList)
	if err != nil {
		return view{}, err
	}
	addrs, err := wholeDump(func() ([]netlink.Addr, error) { return h.rtnl.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return view{}, err
	}
	v := view{links: make(map[int]*netlink.LinkAttrs, len(links)), addresses: make([]placed, 0, len(addrs))}
	for _, l := range links {
		v.links[l.Attrs().Index] = l.Attrs()
	}
	for _, a := range addrs {
		if a.IPNet == nil {
			continue
		}
		if prefix, ok := prefixOf(a.IPNet); ok {
			v.addresses = append(v.addresses, placed{a.LinkIndex, prefix})
		}
	}
	return v, nil
}

// wholeDump reads a list again when it changed while it was read, which the kernel says (NLM_F_DUMP_INTR): an absence
// in such a list means nothing.
func wholeDump[T any](list func() ([]T, error)) ([]T, error) {
	const tries = 5
	for range tries {
		all, err := list()
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			return all, noAnswer(err)
		}
	}
	return nil, fmt.Errorf("they changed during each of %d readings", tries)
}

// state gives the view in the words of HostState.
func (v view) state() (links map[string]bool, addresses map[Address]bool) {
	links = make(map[string]bool, len(v.links))
	for _, l := range v.links {
		links[l.Name] = l.Flags&net.FlagUp != 0
	}
	addresses = make(map[Address]bool, len(v.addresses))
	for _, a := range v.addresses {
		if l, ok := v.links[a.link]; ok {
			addresses[Address{l.Name, a.prefix.Addr()}] = true
		}
	}
	return links, addresses
}

// link returns an interface, nil if it is not there. It takes no alternative name of one.
func (h *Host) link(name string) (netlink.Link, error) {
	l, err := h.rtnl.LinkByName(name)
	if errors.As(err, &netlink.LinkNotFoundError{}) || errors.Is(err, syscall.ENODEV) {
		return nil, nil
	}
	if err == nil && l.Attrs().Name != name {
		return nil, nil
	}
	return l, err
}

// missingLink is the error of an operation on an interface that is not there.
func (h *Host) missingLink(name string) error {
	v, err := h.view()
	if err != nil {
		return fmt.Errorf("there is no interface %s (%w)", name, syscall.ENODEV)
	}
	links, _ := v.state()
	return &missingLink{name, slices.Sorted(maps.Keys(links))}
}

// addLink makes an interface of kind dummy that is up.
func (h *Host) addLink(name string) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	attrs.Flags = net.FlagUp
	return h.rtnl.LinkAdd(&netlink.Dummy{LinkAttrs: attrs})
}

// raiseLink sets an interface up. One of another kind is somebody else's: it may hold addresses, but is not touched.
func (h *Host) raiseLink(name string) error {
	l, err := h.link(name)
	switch {
	case err != nil:
		return err
	case l == nil:
		return h.missingLink(name)
	case l.Type() != "dummy":
		return notDummy(l.Type(), "set up")
	}
	return h.rtnl.LinkSetUp(l)
}

func (h *Host) deleteLink(name string) error {
	l, err := h.link(name)
	switch {
	case err != nil || l == nil:
		return err
	case l.Type() != "dummy":
		return notDummy(l.Type(), "delete")
	}
	if err := h.rtnl.LinkDel(l); !errors.Is(err, syscall.ENODEV) {
		return err
	}
	return nil
}

func (h *Host) addAddress(a Address) error {
	l, err := h.link(a.Interface)
	if err != nil {
		return err
	}
	if l == nil {
		return h.missingLink(a.Interface)
	}
	err = h.rtnl.AddrAdd(l, hostAddr(a.Addr))
	if errors.Is(err, syscall.ENODEV) {
		return h.missingLink(a.Interface)
	}
	return err
}

// deleteAddress deletes the address of one host alone: the same address with a network is somebody else's.
func (h *Host) deleteAddress(a Address) error {
	l, err := h.link(a.Interface)
	if err != nil || l == nil {
		return err
	}
	err = h.rtnl.AddrDel(l, hostAddr(a.Addr))
	if errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.ENODEV) {
		return nil
	}
	return err
}

// hostAddr is /32, or /128 without a search for duplicates (see nodad).
func hostAddr(a netip.Addr) *netlink.Addr {
	addr := &netlink.Addr{IPNet: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())}}
	if a.Is6() {
		addr.Flags = unix.IFA_F_NODAD
	}
	return addr
}
