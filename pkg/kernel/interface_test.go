package kernel

import (
	"net"
	"net/netip"
	"strings"
	"testing"
)

func TestFirstGlobal(t *testing.T) {
	except := map[netip.Addr]bool{netip.MustParseAddr("10.9.9.9"): true, netip.MustParseAddr("2001:db8::9"): true}
	for _, tt := range []struct{ name, addrs, want string }{
		{"virtual ones never", "10.9.9.9/24 2001:db8::9/128 2001:db8::5/128", "2001:db8::5"},
		{"virtual ones alone", "10.9.9.9/32", "it has no global unicast address of its own, only 10.9.9.9"},
		{"IPv4 before IPv6", "2001:db8::1/64 10.0.0.1/8 10.0.0.2/8", "10.0.0.1"},
		{"the first IPv6", "fe80::1/64 2001:db8::2/64 2001:db8::1/64", "2001:db8::2"},
		{"private ones are global", "fd00::1/64", "fd00::1"},
		{"loopback and link-local ones are not", "127.0.0.1/8 169.254.0.1/16 ::1/128 fe80::1/64", "it has no global unicast address of its own, only 127.0.0.1, 169.254.0.1, ::1, fe80::1"},
		{"that of one host after that of a network", "10.0.0.1/32 10.0.0.5/24 10.0.0.6/24", "10.0.0.5"},
		{"and so with IPv6, where the newest is first", "2001:db8::1/128 2001:db8::5/64 fe80::1/64", "2001:db8::5"},
		{"IPv4 of one host before IPv6, as in clouds", "10.0.0.1/32 10.0.0.2/32 2001:db8::5/64", "10.0.0.1"},
		{"that of one host where there is no other", "fe80::1/64 2001:db8::1/128 2001:db8::2/128", "2001:db8::1"},
		{"none", "", "it has no address"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var addrs []net.Addr
			for a := range strings.FieldsSeq(tt.addrs) {
				ip, n, err := net.ParseCIDR(a)
				if err != nil {
					t.Fatal(err)
				}
				addrs = append(addrs, &net.IPNet{IP: ip, Mask: n.Mask}) // IPv4 in 16 bytes, as package net has it
			}
			got, err := firstGlobal(addrs, except)
			if err != nil && err.Error() != tt.want || err == nil && got.String() != tt.want {
				t.Errorf("got %v, %v, want %s", got, err, tt.want)
			}
		})
	}
}

// TestPrefixOf: an address is of the family that its mask is of.
func TestPrefixOf(t *testing.T) {
	ip := net.ParseIP("10.0.0.1")
	for _, tt := range []struct {
		addr net.Addr
		want string
	}{
		{&net.IPNet{IP: ip, Mask: net.CIDRMask(24, 32)}, "10.0.0.1/24"},
		{&net.IPNet{IP: ip.To4(), Mask: net.CIDRMask(24, 32)}, "10.0.0.1/24"},
		{&net.IPNet{IP: ip, Mask: net.CIDRMask(128, 128)}, "::ffff:10.0.0.1/128"},
		{&net.IPNet{IP: net.IPv6loopback, Mask: net.CIDRMask(24, 32)}, ""},
		{&net.IPNet{}, ""},
		{&net.UnixAddr{Name: "x"}, ""},
	} {
		got, ok := prefixOf(tt.addr)
		if ok != (tt.want != "") || ok && got.String() != tt.want {
			t.Errorf("%#v: got %s, %v, want %s", tt.addr, got, ok, tt.want)
		}
	}
}

func TestInterfaceAddr(t *testing.T) {
	_, err := InterfaceAddr("nosuch0", nil)
	if err == nil || !strings.HasPrefix(err.Error(), "interface nosuch0: it does not exist; there are: ") {
		t.Errorf("an interface that is not there: %v", err)
	}
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		addr, err := InterfaceAddr(i.Name, nil)
		if err == nil && !addr.IsGlobalUnicast() || err != nil && !strings.HasPrefix(err.Error(), "interface "+i.Name+": it has no") {
			t.Errorf("%s: %v, %v", i.Name, addr, err)
		}
	}
}
