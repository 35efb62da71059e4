package kernel

import (
	"context"
	"errors"
	"slices"
	"syscall"
)

// link is a conversation with the kernel over one socket. One goroutine uses it at a time. After any failure but an
// answer of the kernel it is broken: who knows what else waits in the socket.
type link struct {
	transport
	broken bool
	codec
	seq       uint32 // of the last request
	first     uint32 // of the first request of this datagram
	out       []byte // this datagram
	datagrams int    // how many answered it so far

	servers []RealServer     // of the service that is being read
	counts  []Stats          // theirs
	seen    map[DestKey]bool // and which they are
}

// begin begins a datagram.
func (l *link) begin() {
	l.out, l.first = l.out[:0], l.seq+1
}

// request begins a message of this datagram and returns where, for end.
func (l *link) request(family, flags uint16, cmd uint8) (start int) {
	l.seq++
	start = len(l.out)
	l.out = beginMessage(l.out, family, flags, l.seq, cmd)
	return start
}

func (l *link) end(start int) { endMessage(l.out, start) }

// exchange sends the datagram and gives the answers, with the number of the request of this datagram they are for, to
// take, until it has enough. An error of take is returned as it is; any other means that answers were lost, and the
// link is then broken.
func (l *link) exchange(ctx context.Context, long bool, take func(request int, m message) (enough bool, err error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := l.send(l.out, long); err != nil {
		l.broken = true
		return err // nothing was sent
	}
	for l.datagrams = 0; ; l.datagrams++ {
		b, err := l.receive(ctx)
		if errors.Is(err, syscall.EINTR) || errors.Is(err, syscall.EAGAIN) {
			continue
		}
		for err == nil && len(b) > 0 {
			var m message
			if m, b, err = nextMessage(b); err != nil {
				break
			}
			request := m.seq - l.first
			if m.port != l.port() || request > l.seq-l.first {
				continue // an answer to somebody else, or to what was given up
			}
			enough, takeErr := take(int(request), m)
			if errors.Is(takeErr, errGarbled) {
				err = takeErr
				break
			}
			if takeErr != nil || enough {
				l.broken = l.broken || !enough // what else comes would answer the next request
				return takeErr
			}
		}
		if err != nil {
			l.broken = true
			return &lostError{err}
		}
	}
}

// ask sends a request and returns the message that answers it, whose body is valid until the next one.
func (l *link) ask(ctx context.Context, family uint16, cmd uint8, body func(b []byte) []byte) (answer message, err error) {
	l.begin()
	start := l.request(family, 0, cmd)
	if body != nil {
		l.out = body(l.out)
	}
	l.end(start)
	err = l.exchange(ctx, false, func(_ int, m message) (bool, error) {
		if m.kind == msgError {
			return true, m.errno()
		}
		answer = m
		return true, nil
	})
	return answer, err
}

// do sends a request that is answered by an errno alone.
func (l *link) do(ctx context.Context, family uint16, cmd uint8, body func(b []byte) []byte) error {
	l.begin()
	start := l.request(family, flagAck, cmd)
	l.out = body(l.out)
	l.end(start)
	return l.exchange(ctx, false, func(_ int, m message) (bool, error) {
		if m.kind != msgError {
			return false, nil
		}
		return true, m.errno()
	})
}

// dump sends a request and gives the messages that answer it to take. It reports whether what was read changed while it
// was read, as far as the kernel noticed.
func (l *link) dump(ctx context.Context, family uint16, cmd uint8, take func(m message) error) (torn bool, err error) {
	l.begin()
	l.end(l.request(family, flagDump, cmd))
	err = l.exchange(ctx, true, func(_ int, m message) (bool, error) {
		torn = torn || m.flags&flagTorn != 0
		return takeDump(m, take)
	})
	return torn, err
}

// takeDump takes one message of a dump.
func takeDump(m message, take func(m message) error) (enough bool, err error) {
	switch m.kind {
	case msgDone, msgError:
		return true, m.errno()
	}
	return false, take(m)
}

// keep puts a destination among those of the service being read, and reports whether it was there already. Within one
// datagram the kernel repeats none.
func (l *link) keep(r RealServer, stats Stats) (repeated bool) {
	if l.datagrams > 0 {
		if len(l.seen) == 0 {
			for _, have := range l.servers {
				l.seen[have.DestKey] = true
			}
		}
		if l.seen[r.DestKey] {
			return true
		}
		l.seen[r.DestKey] = true
	}
	l.servers = append(l.servers, r)
	if l.stats {
		l.counts = append(l.counts, stats)
	}
	return false
}

// forget makes room for the destinations of another service.
func (l *link) forget() {
	l.servers, l.counts = l.servers[:0], l.counts[:0]
	clear(l.seen)
}

// kept returns the destinations of the service that was read.
func (l *link) kept() []RealServer { return slices.Clone(l.servers) }
