package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// place is where a check goes, and how it leaves.
type place struct {
	addr   netip.AddrPort
	source netip.Addr // the zero value: as the routing says
	mark   uint32     // 0: none
}

// newPlace checks and normalises an address, its source and mark.
func newPlace(addr netip.AddrPort, source netip.Addr, mark uint32) (place, error) {
	p := place{addr: netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()), source: source.Unmap(), mark: mark}
	switch {
	case !addr.Addr().IsValid():
		return place{}, errors.New("there is no address to check")
	case addr.Port() == 0:
		return place{}, fmt.Errorf("%s: there is no port to check", addr.Addr())
	case source.IsValid() && p.source.Is4() != p.addr.Addr().Is4():
		return place{}, fmt.Errorf("source %s: not of the family of %s", source, addr.Addr())
	case mark != 0 && !marks:
		return place{}, errors.New("mark: only Linux has marks")
	}
	return p, nil
}

// A link is a connection that a check made.
//
// Who closes a connection first has it in TIME_WAIT for a minute. 10,000 checks a second that close first would hold
// 600,000 of them on the director, more than the kernel keeps (tcp_max_tw_buckets), and as many entries of its connection
// tracking. A reset leaves nothing, but a program that it comes to reports an error. Therefore:
//
//   - what only connects is reset (see prepare). The server's program does not notice, and most checks are such;
//   - HTTP/1 asks the server to close, and waits for it at the end of the answer: the server has the TIME_WAIT, as it has
//     with every client of that kind;
//   - what else has talked, as HTTP/2, is closed in the ordinary way. Those checks are few: one each second has 60 ports in
//     TIME_WAIT, of the 28,000 that there are for one backend;
//   - what is in the middle of something is reset: when the time is over, or the answer is longer than is read.
type link struct {
	conn

	mu   sync.Mutex  // HTTP/2 closes from a goroutine of its own
	stop func() bool // ends the watch; nil: there is none
}

// conn is a connection of TCP.
type conn interface {
	net.Conn
	SetLinger(seconds int) error
}

// watch ends all waiting on the connection when ctx is done.
func (l *link) watch(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stop = context.AfterFunc(ctx, l.expire)
}

// expire ends all waiting on the connection.
func (l *link) expire() { _ = l.SetDeadline(time.Unix(1, 0)) }

// release ends the watch, and reports whether the time was not over.
func (l *link) release() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	stop := l.stop
	l.stop = nil
	return stop == nil || stop()
}

// Close closes the connection, by a reset if the time is over.
func (l *link) Close() error {
	if !l.release() {
		_ = l.SetLinger(0)
	}
	return l.conn.Close()
}

// reset ends the connection by a reset.
func (l *link) reset() {
	_ = l.SetLinger(0)
	_ = l.Close()
}

// talk is what is to be said over a connection.
type talk uint8

const (
	silence  talk = iota // nothing
	question             // one piece
	dialogue             // several, which do not wait for each other
)

// dial connects.
func (a *attempt) dial(p *place, t talk) (*link, error) {
	if a.traced() {
		a.step("dialling %s%s", p.addr, p.manner())
	}
	c, err := p.connect(a.ctx, t)
	if err != nil {
		return nil, &stageError{"connect", p.refused(err)}
	}
	l := &link{conn: c}
	l.watch(a.ctx)
	if a.traced() {
		a.step("connected to %s from %s", p.addr, l.LocalAddr())
	}
	return l, nil
}

// manner is how the check leaves, for the trace.
func (p *place) manner() string {
	text := ""
	if p.source.IsValid() {
		text += fmt.Sprintf(" from %s", p.source)
	}
	if p.mark != 0 {
		text += fmt.Sprintf(" with mark %d", p.mark)
	}
	return text
}

// refused is what came of connecting: a failure of the backend's, or else a local error.
//
// That there is no route (ENETUNREACH, EHOSTUNREACH) counts as a failure, also where this machine says so and no ICMP
// does: IPVS looks up the same route for what it forwards, so the traffic would not get there either; and a neighbour
// that does not answer, which is how most dead machines look, is told by this machine too. So do routes of the types
// blackhole (EINVAL) and prohibit (EACCES), which are how operators take a machine out (fib_props in
// net/ipv4/fib_semantics.c, and ip6_rt_init_dst_reject); a firewall on the way that prohibits by ICMPv6 is EACCES, too.
// All else that connect gives is about this machine: EADDRNOTAVAIL (no free port), EPERM (a rule of its firewall), ENOBUFS.
// So is all that comes before.
func (p *place) refused(err error) error {
	if local, ok := errors.AsType[*localError](err); ok {
		return local
	}
	if late(err) {
		return err
	}
	call, ok := errors.AsType[*os.SyscallError](err)
	switch {
	case !ok:
		return &localError{err}
	case call.Syscall == "bind":
		return &localError{fmt.Errorf("source %s: %w", p.source, call.Err)}
	case call.Syscall != "connect" && call.Syscall != "getsockopt":
		return &localError{call}
	}
	for _, errno := range []syscall.Errno{
		syscall.ECONNREFUSED, syscall.ETIMEDOUT, syscall.ECONNRESET, syscall.ECONNABORTED,
		syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.ENETDOWN, syscall.ENOPROTOOPT,
	} {
		if call.Err == errno {
			return errno
		}
	}
	switch addr := p.addr.Addr(); {
	case call.Err == syscall.EINVAL && addr.Is6() && addr.IsLinkLocalUnicast() && addr.Zone() == "":
		return &localError{errors.New("a link-local address, and no interface is named")}
	case call.Err == syscall.EINVAL:
		return verdict("what goes there is thrown away (a blackhole route?)")
	case call.Err == syscall.EACCES:
		return verdict("nothing may go there (a prohibit route, or a firewall on the way?)")
	}
	return &localError{call.Err}
}
