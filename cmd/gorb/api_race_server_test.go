package main

import (
	"net"
	"net/netip"
	"testing"
)

// raceServer is a server of a backend, which is there or not, always at the same address.
type raceServer struct {
	t    testing.TB
	addr netip.AddrPort
	l    net.Listener // nil: it is away
}

func newRaceServer(t testing.TB) *raceServer {
	s := &raceServer{t: t}
	s.be(true)
	t.Cleanup(func() { s.be(false) })
	return s
}

func (s *raceServer) up() bool { return s.l != nil }

// be has it be there, or not.
func (s *raceServer) be(up bool) {
	switch {
	case up && s.l == nil:
		// Nobody else is given a port of this address while the server is away.
		at := "127.9.9.9:0"
		if s.addr.IsValid() {
			at = s.addr.String()
		}
		l, err := net.Listen("tcp", at)
		if err != nil {
			s.t.Fatal(err)
		}
		s.l, s.addr = l, netip.MustParseAddrPort(l.Addr().String())
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				conn.Close()
			}
		}()
	case !up && s.l != nil:
		s.l.Close()
		s.l = nil
	}
}
