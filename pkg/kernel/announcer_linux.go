package kernel

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ethernet"
	"github.com/mdlayher/ndp"
	"github.com/vishvananda/netlink"
)

// announcer announces addresses at one interface, over sockets that it opens when they are first needed and keeps until
// close. Once the interface has taken no frame for announceWait, it is not waited for again.
type announcer struct {
	at     *net.Interface
	arp    *arp.Client
	ndp    *ndp.Conn
	router bool  // what the advertisements say
	stuck  error // that the interface takes no frames; nil
}

func newAnnouncer(l *netlink.LinkAttrs) *announcer {
	return &announcer{at: &net.Interface{Index: l.Index, MTU: l.MTU, Name: l.Name, HardwareAddr: l.HardwareAddr, Flags: l.Flags}}
}

// close gives up the sockets: what was sent is sent.
func (n *announcer) close() {
	if n.arp != nil {
		_ = n.arp.Close()
	}
	if n.ndp != nil {
		_ = n.ndp.Close()
	}
}

// announce announces an address.
func (n *announcer) announce(a netip.Addr) (err error) {
	if n.stuck != nil {
		return n.stuck
	}
	if a.Is4() {
		err = n.sendARP(a)
	} else {
		err = n.advertise(a)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		n.stuck = err
	}
	return err
}

// sendARP sends the two forms of an ARP announcement: the request of RFC 5227 section 3, and the reply of RFC 5944
// section 4.6, as there are neighbours that heed only one of them.
func (n *announcer) sendARP(a netip.Addr) (err error) {
	if n.arp == nil {
		if n.arp, err = arp.Dial(n.at); err != nil {
			return err
		}
	}
	if err := n.arp.SetWriteDeadline(time.Now().Add(announceWait)); err != nil {
		return err
	}
	for _, form := range []struct {
		op     arp.Operation
		target net.HardwareAddr
	}{
		{arp.OperationRequest, make(net.HardwareAddr, 6)},
		{arp.OperationReply, n.at.HardwareAddr},
	} {
		p, err := arp.NewPacket(form.op, n.at.HardwareAddr, a, form.target, a)
		if err != nil {
			return err
		}
		if err := n.arp.WriteTo(p, ethernet.Broadcast); err != nil {
			return err
		}
	}
	return nil
}

// advertise sends an unsolicited neighbour advertisement, RFC 4861 section 7.2.6. A machine that forwards must say so
// there, as its neighbours would otherwise take it off their routers (section 7.2.5).
func (n *announcer) advertise(a netip.Addr) (err error) {
	if n.ndp == nil {
		forwarding, err := os.ReadFile("/proc/sys/net/ipv6/conf/" + n.at.Name + "/forwarding")
		if err != nil {
			return err
		}
		n.router = strings.TrimSpace(string(forwarding)) != "0"
		if n.ndp, _, err = ndp.Listen(n.at, ndp.Unspecified); err != nil { // the kernel chooses an address
			return err
		}
	}
	if err := n.ndp.SetWriteDeadline(time.Now().Add(announceWait)); err != nil {
		return err
	}
	return n.ndp.WriteTo(&ndp.NeighborAdvertisement{
		Router:        n.router,
		Override:      true,
		TargetAddress: a,
		Options:       []ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Target, Addr: n.at.HardwareAddr}},
	}, nil, netip.IPv6LinkLocalAllNodes())
}
