package kernel

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gorb-io/gorb/internal/lab"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func TestAudience(t *testing.T) {
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 1}
	ether := netlink.LinkAttrs{EncapType: "ether", HardwareAddr: mac, Flags: net.FlagUp}
	named := func(name string, change func(*netlink.LinkAttrs)) *netlink.LinkAttrs {
		l := ether
		l.Name = name
		if change != nil {
			change(&l)
		}
		return &l
	}
	v := view{links: map[int]*netlink.LinkAttrs{
		1: named("lo", func(l *netlink.LinkAttrs) { l.EncapType, l.RawFlags = "loopback", unix.IFF_LOOPBACK }),
		2: named("eth0", nil),
		3: named("eth1", nil),
		4: named("gorb0", func(l *netlink.LinkAttrs) { l.RawFlags = unix.IFF_NOARP }),
		5: named("down0", func(l *netlink.LinkAttrs) { l.Flags = 0 }),
		6: named("tun0", func(l *netlink.LinkAttrs) { l.EncapType, l.HardwareAddr = "none", nil }),
	}}
	for link, prefixes := range map[int][]string{
		1: {"127.0.0.1/8", "10.0.0.3/32"},
		2: {"10.0.0.11/24", "10.0.0.12/24", "10.0.0.1/32", "192.0.2.1/32", "fd00::11/64", "fd00::1/128"},
		3: {"10.1.0.1/16"},
		4: {"10.0.0.2/32", "203.0.113.1/32", "fd00::2/128"},
		5: {"10.0.0.13/24", "10.0.0.4/32"},
		6: {"10.0.0.14/24"},
	} {
		for _, p := range prefixes {
			v.addresses = append(v.addresses, placed{link, netip.MustParsePrefix(p)})
		}
	}
	for _, tt := range []struct {
		name       string
		link, addr string
		want       string
	}{
		{"on an ethernet", "eth0", "10.0.0.1", "[eth0]"},
		{"on an ethernet, in no network", "eth0", "192.0.2.1", "[eth0]"},
		{"on an ethernet, IPv6", "eth0", "fd00::1", "[eth0]"},
		{"on a dummy, in a network", "gorb0", "10.0.0.2", "[eth0]"},
		{"on lo, in a network", "lo", "10.0.0.3", "[eth0]"},
		{"on an interface that is down, in a network", "down0", "10.0.0.4", "[eth0]"},
		{"on a dummy, routed here", "gorb0", "203.0.113.1", "[]"},
		{"on a dummy, IPv6", "gorb0", "fd00::2", "[]"},
		{"gone", "eth0", "10.0.0.9", "[]"},
		{"gone from here", "gorb0", "10.0.0.1", "[]"},
		{"gone with its interface", "eth9", "10.0.0.1", "[]"},
	} {
		names := []string{}
		for _, l := range v.audiences()(at(tt.link, tt.addr)) {
			names = append(names, l.Name)
		}
		if got := fmt.Sprint(names); got != tt.want {
			t.Errorf("%s: %s on %s: got %s, want %s", tt.name, tt.addr, tt.link, got, tt.want)
		}
	}
}

// testAnnouncements moves addresses from one director to another, under the eyes of a neighbour that talks to them: it
// must find the new place by itself, minutes before its own entry would end.
func testAnnouncements(t *testing.T) {
	neighbour := lab.Namespace(t)
	ipBatch(t, neighbour, `
		link add lan up type bridge forward_delay 0 mcast_snooping 0
		addr add 10.0.0.254/24 dev lan
		addr add fd00::254/64 dev lan nodad`)
	type director struct {
		*Host
		mac       string
		announced chan error
	}
	var directors [2]director
	for i := range directors {
		ns := lab.Namespace(t)
		mac := fmt.Sprintf("02:00:00:00:00:%02x", i+1)
		ipBatch(t, neighbour, fmt.Sprintf(`
			link add port%d type veth peer name eth0 netns %s address %s
			link set port%d master lan up`, i, ns, mac, i))
		ipBatch(t, ns, fmt.Sprintf(`
			link set eth0 up
			addr add 10.0.0.1%d/24 dev eth0
			addr add fd00::1%d/64 dev eth0 nodad`, i, i))
		lab.Exec(t, ns, "sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
		h := openHost(t, ns)
		announced := make(chan error, 1)
		h.Announced = func(_ []Address, errs []error) { announced <- errors.Join(errs...) }
		applyHost(t, h, addLink("gorb0"))
		directors[i] = director{h, mac, announced}
	}
	entry := func(addr string) string { return lab.Exec(t, neighbour, "ip", "neigh", "show", addr) }
	talk := func(addr string) error {
		return lab.Do(neighbour, func() error {
			c, err := net.Dial("udp", net.JoinHostPort(addr, "9"))
			if err != nil {
				return err
			}
			defer c.Close()
			_, err = c.Write([]byte("hello"))
			return err
		})
	}
	// heard waits until the neighbour takes an address for a director's.
	heard := func(a Address, d director) string {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			e := entry(a.Addr.String())
			if strings.Contains(e, "lladdr "+d.mac) {
				return e
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: the neighbour did not hear of %s: %q", a, d.mac, e)
			}
		}
	}
	for _, a := range []Address{at("eth0", "10.0.0.1"), at("gorb0", "10.0.0.2"), at("eth0", "fd00::1")} {
		put, take := HostOp{Kind: AddAddress, Address: a}, HostOp{Kind: DeleteAddress, Address: a}
		applyHost(t, directors[0], put)
		if err := <-directors[0].announced; err != nil {
			t.Error(err)
		}
		if err := talk(a.Addr.String()); err != nil {
			t.Fatal(err)
		}
		heard(a, directors[0])

		applyHost(t, directors[0], take)
		applyHost(t, directors[1], put)
		e := heard(a, directors[1])
		if a.Addr.Is6() && !strings.Contains(e, "router") {
			t.Errorf("%s: the neighbour does not take it for a router's: %s", a, e)
		}
		if err := <-directors[1].announced; err != nil {
			t.Error(err)
		}
	}
}

// testManyAnnouncements puts a thousand addresses on one interface and ends, as `gorb apply` does: each was announced.
func testManyAnnouncements(t *testing.T) {
	ns := lab.Namespace(t)
	lab.Exec(t, ns, "ip", "link", "add", "eth1", "up", "type", "veth", "peer", "name", "eth2")
	lab.Exec(t, ns, "ip", "link", "set", "eth2", "up")
	h := openHost(t, ns)
	announced := make(chan []error, 1)
	h.Announced = func(_ []Address, errs []error) { announced <- errs }
	var ops []HostOp
	for i := range 1000 {
		ops = append(ops, putAddr("eth1", fmt.Sprintf("10.0.%d.%d", i/250, i%250+1)))
	}
	applyHost(t, h, ops...)
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	errs := <-announced
	if err := errors.Join(errs...); err != nil || len(errs) != len(ops) {
		t.Errorf("of %d: %v", len(errs), err)
	}
	var links []struct {
		Stats struct {
			TX struct{ Packets int } `json:"tx"`
		} `json:"stats64"`
	}
	if err := json.Unmarshal([]byte(lab.Exec(t, ns, "ip", "-s", "-j", "link", "show", "dev", "eth1")), &links); err != nil {
		t.Fatal(err)
	}
	if n := links[0].Stats.TX.Packets; n < 2*len(ops) {
		t.Errorf("%d frames left, want two for each address", n)
	}
}

// testAnnouncementNoCapability shows that the address is there all the same.
func testAnnouncementNoCapability(t *testing.T) {
	ns := lab.Namespace(t)
	lab.Exec(t, ns, "ip", "link", "add", "eth1", "up", "type", "veth", "peer", "name", "eth2")
	h := openHost(t, ns)
	applyHost(t, h, putAddr("eth1", "10.0.0.1"), putAddr("eth1", "fd00::1"))
	err := lab.Without(unix.CAP_NET_RAW, func() error {
		addrs := []Address{at("eth1", "10.0.0.1"), at("eth1", "fd00::1")}
		for i, err := range h.announceOnce(addrs, nil) {
			want := fmt.Sprintf("tell the neighbours at eth1 of %s: needs CAP_NET_RAW: ", addrs[i].Addr)
			if !errors.Is(err, unix.EPERM) || !strings.HasPrefix(err.Error(), want) {
				return fmt.Errorf("got %w\nwant %s", err, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
