package kernel

import (
	"net"
	"strings"
	"testing"
)

func TestFirstGlobal(t *testing.T) {
	for _, tt := range []struct{ name, addrs, want string }{
		{"IPv4 before IPv6", "2001:db8::1/64 10.0.0.1/8 10.0.0.2/8", "10.0.0.1"},
		{"the first IPv6", "fe80::1/64 2001:db8::2/64 2001:db8::1/64", "2001:db8::2"},
		{"private ones are global", "fd00::1/64", "fd00::1"},
		{"loopback and link-local ones are not", "127.0.0.1/8 169.254.0.1/16 ::1/128 fe80::1/64", "it has no global unicast address, only 127.0.0.1, 169.254.0.1, ::1, fe80::1"},
		{"none", "", "it has no address"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var addrs []net.Addr
			for a := range strings.FieldsSeq(tt.addrs) {
				ip, n, err := net.ParseCIDR(a)
				if err != nil {
					t.Fatal(err)
				}
				addrs = append(addrs, &net.IPNet{IP: ip, Mask: n.Mask})
			}
			got, err := firstGlobal(addrs)
			if err != nil && err.Error() != tt.want || err == nil && got.String() != tt.want {
				t.Errorf("got %v, %v, want %s", got, err, tt.want)
			}
		})
	}
}

func TestInterfaceAddr(t *testing.T) {
	_, err := InterfaceAddr("nosuch0")
	if err == nil || !strings.HasPrefix(err.Error(), "interface nosuch0: it does not exist; there are: ") {
		t.Errorf("an interface that is not there: %v", err)
	}
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		addr, err := InterfaceAddr(i.Name)
		if err == nil && !addr.IsGlobalUnicast() || err != nil && !strings.HasPrefix(err.Error(), "interface "+i.Name+": it has no") {
			t.Errorf("%s: %v, %v", i.Name, addr, err)
		}
	}
}
