package probe

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// marks reports whether packets can be marked.
const marks = true

// prepare sets the options of a socket before it is bound and connected.
func (p *place) prepare(fd int, t talk) error {
	switch t {
	case silence:
		// The answer to the server's SYN is put off, and the reset comes in its stead: the server's kernel has shown
		// that it listens and has room, and its program is not woken, nor logs a client that says nothing. If the reset
		// is lost, the server's kernel asks again and gets one. HAProxy checks so, too, and keepalived resets as well.
		if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
			return fmt.Errorf("linger: %w", err)
		}
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 0); err != nil {
			return fmt.Errorf("quickack: %w", err)
		}
	case dialogue:
		// A piece that is small would wait until the one before it is acknowledged (RFC 9293, section 3.7.4).
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
			return fmt.Errorf("nodelay: %w", err)
		}
	}
	if p.mark != 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(p.mark)); err != nil {
			return fmt.Errorf("mark %d: %w", p.mark, err)
		}
	}
	if p.source.IsValid() {
		// The port is chosen at connect, when the kernel knows the whole connection and may use a port again that goes
		// elsewhere.
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
			return fmt.Errorf("source %s: %w", p.source, err)
		}
	}
	return nil
}
