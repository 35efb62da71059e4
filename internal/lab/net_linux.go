package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A Net is a small network for traffic: a client, a director and its backends, each in a network
// namespace.
//
//	client ──── eth0 · client   director   lan · eth0 ──┬── backend 1
//	       10.0.1.2    10.0.1.1            10.1.0.254   ├── backend 2
//	     fd00:1::2     fd00:1::1         fd00:2::254    └── ...
//
// Backend i, counted from 1, is 10.1.0.i and fd00:2::i. The services' addresses are 10.0.0.0/24 and
// fd00::/64: all of them are local to the director and routed to it by the client, so 10.0.0.1 needs
// no setting up, nor does any other. Backends reach everything through the director (as nat needs),
// and the services' addresses are local to them as well (as dr and tunnel need; tunl0 is up). The
// director forwards, and takes back answers that come from the services' addresses.
type Net struct {
	// The names of the namespaces.
	Client, Director string
	Backends         []string
}

// VIP returns the nth IPv4 address for services: 10.0.0.n.
func (*Net) VIP(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}) }

// VIP6 returns the nth IPv6 address for services: fd00::n, n in hexadecimal.
func (*Net) VIP6(n int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("fd00::%x", n)) }

// BackendAddr returns the IPv4 address of Backends[i]: 10.1.0.(i+1).
func (*Net) BackendAddr(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 1, 0, byte(i + 1)}) }

// BackendAddr6 returns the IPv6 address of Backends[i]: fd00:2::(i+1), in hexadecimal.
func (*Net) BackendAddr6(i int) netip.Addr {
	return netip.MustParseAddr(fmt.Sprintf("fd00:2::%x", i+1))
}

// ClientAddr returns the client's IPv4 address.
func (*Net) ClientAddr() netip.Addr { return netip.MustParseAddr("10.0.1.2") }

// ClientAddr6 returns the client's IPv6 address.
func (*Net) ClientAddr6() netip.Addr { return netip.MustParseAddr("fd00:1::2") }

// NewNet makes a Net with so many backends (at most 250), which goes when the test ends.
func NewNet(t testing.TB, backends int) *Net {
	t.Helper()
	n, err := OpenNet(fmt.Sprintf("net%d-", namespaces.Add(1)), backends)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// OpenNet makes a Net as NewNet does, for programs other than tests. The names of its namespaces are
// prefix followed by client, director, and backend1 and so on; the caller closes it.
func OpenNet(prefix string, backends int) (*Net, error) {
	if backends < 0 || backends > 250 {
		return nil, fmt.Errorf("%d backends: there is room for 250", backends)
	}
	n := &Net{}
	if err := n.build(prefix, backends); err != nil {
		return nil, fmt.Errorf("make network: %w", errors.Join(err, n.Close()))
	}
	return n, nil
}

// Close deletes the namespaces and kills what runs in them.
func (n *Net) Close() error {
	var errs []error
	for _, ns := range append([]string{n.Client, n.Director}, n.Backends...) {
		if ns != "" {
			errs = append(errs, DeleteNamespace(ns))
		}
	}
	return errors.Join(errs...)
}

// settings are made in each namespace before it has interfaces.
var settings = []string{
	// The director gets answers of dr and tunnel backends from an address of its own; a tunnelled
	// packet comes in at tunl0 from a source that is reached through eth0.
	"ipv4/conf/all/accept_local=1",
	"ipv4/conf/all/rp_filter=0",
	"ipv4/conf/default/rp_filter=0",
	"ipv4/conf/all/send_redirects=0",
	"ipv4/conf/default/send_redirects=0",
	"ipv6/conf/default/accept_dad=0", // which would take a second
}

func (n *Net) build(prefix string, backends int) error {
	add := func(role string) (string, error) {
		name := prefix + role
		if err := AddNamespace(name); err != nil {
			return "", err
		}
		return name, sysctl(name, settings...)
	}
	var err error
	if n.Client, err = add("client"); err != nil {
		return err
	}
	if n.Director, err = add("director"); err != nil {
		return err
	}
	for i := range backends {
		ns, err := add(fmt.Sprintf("backend%d", i+1))
		n.Backends = append(n.Backends, ns)
		if err != nil {
			return err
		}
	}

	if err := n.buildDirector(); err != nil {
		return err
	}
	err = ip(n.Client, `
		link set eth0 up
		addr add 10.0.1.2/24 dev eth0
		addr add fd00:1::2/64 dev eth0 nodad
		route add default via 10.0.1.1
		route add default via fd00:1::1`)
	if err != nil {
		return err
	}
	for i, ns := range n.Backends {
		if err := n.buildBackend(i, ns); err != nil {
			return err
		}
	}
	return nil
}

func (n *Net) buildDirector() error {
	script := fmt.Sprintf(`
		link add client type veth peer name eth0 netns %s
		link set client up
		addr add 10.0.1.1/24 dev client
		addr add fd00:1::1/64 dev client nodad
		link add lan type bridge forward_delay 0 mcast_snooping 0
		link set lan up
		addr add 10.1.0.254/24 dev lan
		addr add fd00:2::254/64 dev lan nodad
		route add local 10.0.0.0/24 dev lo
		route add local fd00::/64 dev lo`, n.Client)
	for i, ns := range n.Backends {
		script += fmt.Sprintf(`
		link add backend%[1]d type veth peer name eth0 netns %[2]s
		link set backend%[1]d master lan up`, i+1, ns)
	}
	if err := sysctl(n.Director, "ipv4/ip_forward=1", "ipv6/conf/all/forwarding=1"); err != nil {
		return err
	}
	return ip(n.Director, script)
}

func (n *Net) buildBackend(i int, ns string) error {
	return ip(ns, fmt.Sprintf(`
		link set eth0 up
		addr add %s/24 dev eth0
		addr add %s/64 dev eth0 nodad
		route add default via 10.1.0.254
		route add default via fd00:2::254
		route add local 10.0.0.0/24 dev lo
		route add local fd00::/64 dev lo
		link set tunl0 up`, n.BackendAddr(i), n.BackendAddr6(i)))
}

// ip gives lines to ip(8) in a namespace.
func ip(ns, lines string) error {
	c := exec.Command("ip", "-batch", "-")
	c.Stdin = strings.NewReader(strings.TrimSpace(lines) + "\n")
	_, err := run(ns, c)
	return err
}

// sysctl writes settings, each name=value with the name beneath /proc/sys/net, in a namespace.
func sysctl(ns string, settings ...string) error {
	return Do(ns, func() error {
		for _, s := range settings {
			name, value, _ := strings.Cut(s, "=")
			if err := os.WriteFile("/proc/sys/net/"+name, []byte(value), 0o644); err != nil {
				return err
			}
		}
		return nil
	})
}
