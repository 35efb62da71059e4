package probe

import (
	"context"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// socket is a connection of TCP in the runtime's poller.
type socket struct {
	*os.File
	raw  syscall.RawConn
	peer netip.AddrPort
}

func newSocket(fd int, peer netip.AddrPort) *socket {
	return &socket{File: os.NewFile(uintptr(fd), ""), peer: peer}
}

// connect makes a connection. Package net would take half as much processor time again: it keeps deadlines of its own, for
// which it reads the clock, asks for addresses that nobody wants to know, and given an address to leave from, if only the
// zero value, binds to a port, which no other connection can leave from then.
func (p *place) connect(ctx context.Context, t talk) (conn, error) {
	to, err := sockaddr(p.addr)
	if err != nil {
		return nil, &localError{err}
	}
	family := unix.AF_INET6
	if p.addr.Addr().Is4() {
		family = unix.AF_INET
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := p.begin(fd, to, t); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	// Only now the poller may have it: it would take a socket that is not connecting for one that hung up.
	s := newSocket(fd, p.addr)
	if err := s.await(ctx, fd, to); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// begin begins to connect.
func (p *place) begin(fd int, to unix.Sockaddr, t talk) error {
	if err := p.prepare(fd, t); err != nil {
		return &localError{err}
	}
	if p.source.IsValid() {
		from, err := sockaddr(netip.AddrPortFrom(p.source, 0))
		if err != nil {
			return &localError{err}
		}
		if err := unix.Bind(fd, from); err != nil {
			return os.NewSyscallError("bind", err)
		}
	}
	switch err := unix.Connect(fd, to); err {
	case nil, unix.EINPROGRESS, unix.EINTR:
		return nil
	default:
		return os.NewSyscallError("connect", err)
	}
}

// await waits until the socket is connected. To connect again says how far it is: nil or EISCONN when it is there,
// EALREADY while it is not, and once what became of it where it never will be (__inet_stream_connect in
// net/ipv4/af_inet.c).
func (s *socket) await(ctx context.Context, fd int, to unix.Sockaddr) (err error) {
	if s.raw, err = s.SyscallConn(); err != nil {
		return &localError{err}
	}
	defer context.AfterFunc(ctx, func() { _ = s.SetWriteDeadline(time.Unix(1, 0)) })()
	waited := s.raw.Write(func(uintptr) bool {
		err = unix.Connect(fd, to)
		return err != unix.EALREADY && err != unix.EINTR
	})
	switch {
	case waited != nil:
		return waited
	case err != nil && err != unix.EISCONN:
		return os.NewSyscallError("connect", err)
	case s.peer.Port() < lowestOwn || s.local() != s.peer:
		return nil
	}
	return os.NewSyscallError("connect", unix.ECONNREFUSED)
}

// lowestOwn is the first port that a connection may leave from that nobody chose a port for. One to a port of this
// machine where nobody listens may be given that very port, and is connected to itself then.
const lowestOwn = 1024

// local returns the address that the connection leaves from.
func (s *socket) local() (local netip.AddrPort) {
	_ = s.raw.Control(func(fd uintptr) {
		name, err := unix.Getsockname(int(fd))
		if err != nil {
			return
		}
		switch name := name.(type) {
		case *unix.SockaddrInet4:
			local = netip.AddrPortFrom(netip.AddrFrom4(name.Addr), uint16(name.Port))
		case *unix.SockaddrInet6:
			local = netip.AddrPortFrom(netip.AddrFrom16(name.Addr).WithZone(s.peer.Addr().Zone()), uint16(name.Port))
		}
	})
	return local
}

// LocalAddr is of net.Conn.
func (s *socket) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(s.local()) }

// SetLinger is as that of net.TCPConn.
func (s *socket) SetLinger(seconds int) (err error) {
	l := unix.Linger{Onoff: 1, Linger: int32(seconds)}
	if seconds < 0 {
		l = unix.Linger{}
	}
	if e := s.raw.Control(func(fd uintptr) { err = unix.SetsockoptLinger(int(fd), unix.SOL_SOCKET, unix.SO_LINGER, &l) }); e != nil {
		return e
	}
	return err
}

// RemoteAddr is of net.Conn.
func (s *socket) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(s.peer) }

// sockaddr returns an address as system calls have it.
func sockaddr(at netip.AddrPort) (unix.Sockaddr, error) {
	addr := at.Addr()
	if addr.Is4() {
		return &unix.SockaddrInet4{Addr: addr.As4(), Port: int(at.Port())}, nil
	}
	zone := 0
	if name := addr.Zone(); name != "" {
		if n, err := strconv.Atoi(name); err == nil {
			zone = n
		} else {
			link, err := net.InterfaceByName(name)
			if err != nil {
				return nil, err
			}
			zone = link.Index
		}
	}
	return &unix.SockaddrInet6{Addr: addr.As16(), Port: int(at.Port()), ZoneId: uint32(zone)}, nil
}
