package kernel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// bufferSize is the memory for answers of a socket, allocated once.
	bufferSize = 128 << 10
	// longAnswer is the size of the longest datagram of a dump: the kernel makes them as long as the longest buffer it
	// ever met on a socket, up to 32 KiB (netlink_dump in net/netlink/af_netlink.c).
	longAnswer = 32 << 10
	// shortAnswer is the size of any other: an object, or an errno with the header of its request.
	shortAnswer = 4 << 10
	// receiveQueue is what the kernel may keep for a socket. A batch of refused operations fits the usual 208 KiB as well;
	// to have more takes CAP_NET_ADMIN.
	receiveQueue = 4 << 20
)

// socket is the transport that is real. One system call receives all that is there: user-mode Linux makes each dear,
// and a dump of one service is two datagrams.
type socket struct {
	file     *os.File
	raw      syscall.RawConn
	number   uint32
	deadline time.Duration // of a request
	until    time.Time     // the deadline of this request; zero until it has to wait

	buffer  []byte
	iovecs  [bufferSize / shortAnswer]unix.Iovec
	senders [bufferSize / shortAnswer]unix.RawSockaddrNetlink
	headers [bufferSize / shortAnswer]header
	slots   int // how many datagrams the buffer is cut for
	got     int // how many it holds
	next    int // the first that nobody has seen

	tryReceive  func(fd uintptr)      // receiveNow, made a value once
	waitReceive func(fd uintptr) bool // the same, until there is something
	errno       syscall.Errno         // its result
}

// header is struct mmsghdr of recvmmsg(2).
type header struct {
	unix.Msghdr
	size uint32
}

// openSocket opens a socket in a network namespace; "" is the process's own.
func openSocket(namespace string, deadline time.Duration) (transport, error) {
	var fd int
	err := inNamespace(namespace, func() (err error) {
		fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_GENERIC)
		return err
	})
	switch {
	case err != nil && namespace != "":
		return nil, fmt.Errorf("open a netlink socket in the network namespace %s: %w", namespace, err)
	case err != nil:
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	s, err := newSocket(fd, deadline)
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	return s, nil
}

func newSocket(fd int, deadline time.Duration) (*socket, error) {
	s := &socket{deadline: deadline, buffer: make([]byte, bufferSize)}
	s.file = os.NewFile(uintptr(fd), "netlink")
	// Both are only good to have: errors that do not repeat their requests, and room for many.
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveQueue)
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, errors.Join(err, s.close())
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.number = name.(*unix.SockaddrNetlink).Pid
	if s.raw, err = s.file.SyscallConn(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	for i := range s.headers {
		s.headers[i].Name = (*byte)(unsafe.Pointer(&s.senders[i]))
		s.headers[i].Iov = &s.iovecs[i]
		s.headers[i].SetIovlen(1)
	}
	s.tryReceive = s.receiveNow
	s.waitReceive = func(fd uintptr) bool {
		s.receiveNow(fd)
		return s.errno != unix.EAGAIN
	}
	return s, nil
}

func (s *socket) port() uint32 { return s.number }

func (s *socket) close() error { return s.file.Close() }

func (s *socket) send(b []byte, long bool) error {
	s.until, s.got, s.next = time.Time{}, 0, 0
	s.cut(long)
	var err error
	if controlErr := s.raw.Control(func(fd uintptr) {
		// The kernel carries requests out before this returns, so there is nothing to wait for, and no way to stop it.
		for {
			if _, err = unix.Write(int(fd), b); err != unix.EINTR {
				return
			}
		}
	}); controlErr != nil {
		return net.ErrClosed
	}
	return err
}

// cut divides the buffer for the answers to come.
func (s *socket) cut(long bool) {
	size := shortAnswer
	if long {
		size = longAnswer
	}
	if s.slots == len(s.buffer)/size {
		return
	}
	s.slots = len(s.buffer) / size
	for i := range s.slots {
		s.iovecs[i].Base = &s.buffer[i*size]
		s.iovecs[i].SetLen(size)
	}
}

func (s *socket) receive(ctx context.Context) ([]byte, error) {
	for {
		for s.next < s.got {
			i := s.next
			s.next++
			h := &s.headers[i]
			switch {
			case h.Namelen == unix.SizeofSockaddrNetlink && s.senders[i].Pid != 0:
				continue // from another process
			case h.Flags&unix.MSG_TRUNC != 0:
				return nil, errGarbled
			}
			start := i * (len(s.buffer) / s.slots)
			return s.buffer[start : start+int(h.size)], nil
		}
		if err := s.fill(ctx); err != nil {
			return nil, err
		}
	}
}

// fill receives at least one datagram. Most answers are there when their request was sent; only where none is, the time
// begins to run.
func (s *socket) fill(ctx context.Context) error {
	if err := s.raw.Control(s.tryReceive); err != nil {
		return net.ErrClosed
	}
	if s.errno == unix.EAGAIN {
		if err := s.wait(ctx); err != nil {
			return err
		}
	}
	if s.errno != 0 {
		return s.errno
	}
	return nil
}

// wait is fill when nothing is there yet.
func (s *socket) wait(ctx context.Context) error {
	if s.until.IsZero() {
		s.until = time.Now().Add(s.deadline)
	}
	if err := s.file.SetReadDeadline(s.until); err != nil {
		return net.ErrClosed
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		_ = s.file.SetReadDeadline(time.Unix(1, 0))
	})
	err := s.raw.Read(s.waitReceive)
	if !stop() {
		<-ended
	}
	switch {
	case err == nil:
		_ = s.file.SetReadDeadline(time.Time{}) // it fails only when the socket is closed
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("no answer within %v (%w)", s.deadline, os.ErrDeadlineExceeded)
	}
	return net.ErrClosed
}

func (s *socket) receiveNow(fd uintptr) {
	for i := range s.slots {
		s.headers[i].Namelen = unix.SizeofSockaddrNetlink
		s.headers[i].Flags = 0
	}
	s.got, s.next = 0, 0
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd,
			uintptr(unsafe.Pointer(&s.headers[0])), uintptr(s.slots), unix.MSG_DONTWAIT, 0, 0)
		if errno == unix.EINTR {
			continue
		}
		if s.errno = errno; errno == 0 {
			s.got = int(n)
		}
		return
	}
}

// inNamespace runs f on a thread that is in a network namespace.
func inNamespace(path string, f func() error) error {
	if path == "" {
		return f()
	}
	to, err := os.Open(path)
	if err != nil {
		return err
	}
	defer to.Close()
	done := make(chan error)
	go func() {
		// Never unlocked: the thread ends with the goroutine, as it may not go back among the others.
		runtime.LockOSThread()
		if err := unix.Setns(int(to.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- os.NewSyscallError("setns", err)
			return
		}
		done <- f()
	}()
	return <-done
}
