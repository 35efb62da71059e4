package kernel

import "context"

// transport carries datagrams to the kernel's generic netlink and back. One goroutine uses it at a time, but for close:
// after that, and during it, the others fail with net.ErrClosed.
type transport interface {
	// send sends one datagram. long says that dumps are asked for, whose answers are long.
	send(b []byte, long bool) error
	// receive returns the next datagram, which is valid until the next receive. It waits until ctx ends, or until the
	// deadline of one request after it began to wait for the answers to the last datagram.
	receive(ctx context.Context) ([]byte, error)
	// port is the number under which the kernel knows this end.
	port() uint32
	close() error
}
