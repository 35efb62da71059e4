package probe

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestNotItself has a check of a port where nobody listens leave from that very port: TCP connects it to itself.
func TestNotItself(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	to, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	is := to.(*unix.SockaddrInet4)
	p, err := newPlace(netip.AddrPortFrom(netip.AddrFrom4(is.Addr), uint16(is.Port)), netip.Addr{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.begin(fd, to, silence); err != nil {
		t.Fatal(err)
	}
	s := newSocket(fd, p.addr)
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := p.refused(s.await(ctx, fd, to)); err != unix.ECONNREFUSED {
		t.Errorf("%v, want %v", err, unix.ECONNREFUSED)
	}
}

// TestSockaddr has addresses with a zone, which is a name or a number.
func TestSockaddr(t *testing.T) {
	for text, zone := range map[string]uint32{"[fe80::1%lo]:80": 1, "[fe80::1%7]:80": 7, "[fe80::1]:80": 0} {
		got, err := sockaddr(netip.MustParseAddrPort(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := got.(*unix.SockaddrInet6); got.ZoneId != zone || got.Port != 80 {
			t.Errorf("%s: zone %d and port %d, want %d and 80", text, got.ZoneId, got.Port, zone)
		}
	}
	if _, err := sockaddr(netip.MustParseAddrPort("[fe80::1%nothing]:80")); err == nil {
		t.Error("a zone that is not there")
	}
}
