package kernel

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Neighbours are told several times, as a frame may be lost: three times is MAX_NEIGHBOR_ADVERTISEMENT of RFC 4861
// section 10, and one more than ANNOUNCE_NUM of RFC 5227 section 1.1. One second is RETRANS_TIMER of the former.
const (
	announceTimes = 3
	announceEvery = time.Second
	// announceWait is how long an interface may take for a frame.
	announceWait = 2 * time.Second
)

// announce tells the neighbours, in the background, that addresses are here.
func (h *Host) announce(addrs []Address) {
	if len(addrs) == 0 {
		return
	}
	h.announces.Go(func() {
		errs := h.announceOnce(addrs, nil)
		if h.Announced != nil {
			h.Announced(addrs, errs)
		}
		for range announceTimes - 1 {
			if !h.sleep(announceEvery) {
				return
			}
			h.announceOnce(addrs, h.closing)
		}
	})
}

// sleep reports whether it lasted; Close ends it.
func (h *Host) sleep(d time.Duration) bool {
	select {
	case <-h.closing:
		return false
	case <-time.After(d):
		return true
	}
}

// announceOnce tells the neighbours once, and returns an error or nil for each address. An address that has gone since
// is left out: it may by now be another machine's. It ends early when stop is closed; nil never is.
func (h *Host) announceOnce(addrs []Address, stop <-chan struct{}) []error {
	errs := make([]error, len(addrs))
	v, err := h.view()
	if err == nil {
		err = h.inside(func() error {
			h.tell(v, addrs, errs, stop)
			return nil
		})
	}
	if err != nil {
		for i := range errs {
			errs[i] = announceError(addrs[i], "its neighbours", err)
		}
	}
	return errs
}

// tell announces addresses at the interfaces of the thread's network namespace, with one socket for each interface: to
// close one takes the kernel as long as it takes every processor to pass by (synchronize_net of net/core/dev.c).
func (h *Host) tell(v view, addrs []Address, errs []error, stop <-chan struct{}) {
	announcers := map[int]*announcer{}
	defer func() {
		for _, s := range announcers {
			s.close()
		}
	}()
	audience := v.audiences()
	for i, a := range addrs {
		select {
		case <-stop:
			return
		default:
		}
		for _, l := range audience(a) {
			if announcers[l.Index] == nil {
				announcers[l.Index] = newAnnouncer(l)
			}
			if err := announcers[l.Index].announce(a.Addr); err != nil {
				errs[i] = errors.Join(errs[i], announceError(a, "the neighbours at "+l.Name, err))
			}
		}
	}
}

// announceError says who was not told of an address, and why.
func announceError(a Address, who string, err error) error {
	why := err.Error()
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		why = "needs CAP_NET_RAW: " + why
	}
	return &announcementError{fmt.Sprintf("tell %s of %s: %s", who, a.Addr, why), err}
}

type announcementError struct {
	text string
	err  error
}

func (e *announcementError) Error() string { return e.text }
func (e *announcementError) Unwrap() error { return e.err }

// audiences returns a function that finds the interfaces at which an address is to be announced: its own, if that has
// neighbours. For an IPv4 address that is held by one without, such as lo or a dummy, the kernel answers at every
// interface (arp_ignore 0 of Documentation/networking/ip-sysctl.rst), so it is announced at those in whose network it
// is; for an IPv6 address it answers at its own interface alone (ndisc_recv_ns of net/ipv6/ndisc.c). Any other address
// is routed here, and one that is not there is announced nowhere.
func (v view) audiences() func(Address) []*netlink.LinkAttrs {
	own := make(map[Address]*netlink.LinkAttrs, len(v.addresses))
	type network struct {
		netip.Prefix
		link *netlink.LinkAttrs
	}
	var networks []network
	for _, p := range v.addresses {
		l := v.links[p.link]
		if l == nil {
			continue
		}
		own[Address{l.Name, p.prefix.Addr()}] = l
		if !p.prefix.IsSingleIP() && hasNeighbours(l) {
			networks = append(networks, network{p.prefix, l})
		}
	}
	return func(a Address) []*netlink.LinkAttrs {
		l := own[a]
		switch {
		case l == nil:
			return nil
		case hasNeighbours(l):
			return []*netlink.LinkAttrs{l}
		case a.Addr.Is6():
			return nil
		}
		var at []*netlink.LinkAttrs
		for _, n := range networks {
			if n.Contains(a.Addr) && !slices.Contains(at, n.link) {
				at = append(at, n.link)
			}
		}
		return at
	}
}

// hasNeighbours reports whether an interface is an Ethernet, up, on which addresses are looked up. A dummy interface
// has IFF_NOARP.
func hasNeighbours(l *netlink.LinkAttrs) bool {
	return l.EncapType == "ether" && len(l.HardwareAddr) == 6 && l.Flags&net.FlagUp != 0 &&
		l.RawFlags&(unix.IFF_NOARP|unix.IFF_LOOPBACK) == 0
}
