package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Host reads and writes what surrounds the IPVS table of a network namespace, the one of its Client: settings,
// timeouts, synchronisation daemons, and the addresses of services. It is safe for concurrent use and remembers nothing
// of what it read or wrote.
type Host struct {
	// Announced is called once for the addresses that one Apply put on an interface, with an error or nil for each: nil
	// says that the neighbours were told, once of several times, or that none need be; an error says why they were not,
	// which is no failure of AddAddress. It is called from another goroutine and must not call Close. Set it before Apply;
	// nil: nobody asks.
	Announced func([]Address, []error)

	client    *Client
	namespace *os.File // nil: the process's own
	rtnl      *netlink.Handle

	closed    sync.Once
	closing   chan struct{}  // closed by Close
	announces sync.WaitGroup // the announcements under way
}

// OpenHost returns the surroundings of a client's table. The client is used until Close, and not closed by it.
func OpenHost(c *Client) (*Host, error) {
	h := &Host{client: c, closing: make(chan struct{})}
	if path := c.options.Namespace; path != "" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("open the network namespace: %w", err)
		}
		h.namespace = f
	}
	err := h.inside(func() (err error) {
		h.rtnl, err = netlink.NewHandle(unix.NETLINK_ROUTE)
		return err
	})
	if err == nil {
		err = h.rtnl.SetSocketTimeout(c.options.Deadline)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open a route netlink socket: %w", err), h.Close())
	}
	return h, nil
}

// Close ends the announcements that are under way, once each address was announced, and gives up the sockets. No other
// method may be called then, nor Apply be under way.
func (h *Host) Close() error {
	var err error
	h.closed.Do(func() {
		close(h.closing)
		h.announces.Wait()
		if h.rtnl != nil {
			h.rtnl.Close()
		}
		if h.namespace != nil {
			err = h.namespace.Close()
		}
	})
	return err
}

// Observe reads what is asked for. A part that cannot be read is nil in the state, and the error says why; the others
// are there all the same.
func (h *Host) Observe(ctx context.Context, q HostQuery) (HostState, error) {
	if err := ctx.Err(); err != nil {
		return HostState{}, err
	}
	var s HostState
	var errs []error
	if len(q.Sysctls) > 0 {
		var err error
		if s.Sysctls, err = h.sysctls(q.Sysctls); err != nil {
			errs = append(errs, hostReadError("the settings net.ipv4.vs", err))
		}
	}
	if q.Timeouts {
		if t, err := h.client.Timeouts(ctx); err != nil {
			errs = append(errs, err)
		} else {
			s.Timeouts = &t
		}
	}
	if q.Sync {
		if running, err := h.client.SyncDaemons(ctx); err != nil {
			errs = append(errs, err)
		} else {
			s.Sync = append([]SyncDaemon{}, running...)
		}
	}
	if q.Addresses {
		if v, err := h.view(); err != nil {
			errs = append(errs, hostReadError("the interfaces and their addresses", err))
		} else {
			s.Links, s.Addresses = v.state()
		}
	}
	return s, errors.Join(errs...)
}

// Apply carries the operations out in order and returns an error or nil for each, a *HostError always. It goes on past
// one that fails, and stops only when ctx ends: the rest then wrap ctx.Err(). What is not there to be deleted is done;
// what is there to be added is EEXIST, because it is somebody else's. Addresses are announced in the background, for two
// seconds or until Close; see Announced. An error that wraps ErrUncertain may be of what was done.
func (h *Host) Apply(ctx context.Context, ops []HostOp) []error {
	errs := make([]error, len(ops))
	var added []Address
	for i, op := range ops {
		err := ctx.Err()
		if err == nil {
			err = h.apply(ctx, op)
		}
		switch {
		case err != nil:
			errs[i] = &HostError{op, err}
		case op.Kind == AddAddress:
			added = append(added, op.Address)
		}
	}
	h.announce(added)
	return errs
}

func (h *Host) apply(ctx context.Context, op HostOp) error {
	if err := refuseHost(op); err != nil {
		return err
	}
	switch op.Kind {
	case SetSysctl:
		return h.setSysctl(op.Name, op.Value)
	case SetTimeouts:
		return ofClient(h.client.SetTimeouts(ctx, op.Timeouts))
	case StopSync:
		return ofClient(h.client.StopSync(ctx, op.Sync.Role))
	case StartSync:
		err := h.client.StartSync(ctx, op.Sync)
		if errors.Is(err, syscall.ENODEV) {
			return h.missingLink(op.Sync.Interface)
		}
		return ofClient(err)
	case AddLink:
		return unanswered(h.addLink(op.Address.Interface))
	case RaiseLink:
		return unanswered(h.raiseLink(op.Address.Interface))
	case DeleteLink:
		return unanswered(h.deleteLink(op.Address.Interface))
	case AddAddress:
		return unanswered(h.addAddress(op.Address))
	default: // DeleteAddress, as refuseHost knows no other
		return unanswered(h.deleteAddress(op.Address))
	}
}

// ofClient marks an error of a Client's method, which is a sentence already.
func ofClient(err error) error {
	if err == nil {
		return nil
	}
	return &whole{err}
}

// hostReadError is the failure of a part of Observe.
func hostReadError(what string, err error) error {
	if errno, ok := err.(syscall.Errno); ok { // a bare one: any other has its sentence already
		if s := explainSystem(errno); s != "" {
			return fmt.Errorf("read %s: %s (%w)", what, s, errno)
		}
	}
	return fmt.Errorf("read %s: %w", what, err)
}

// noAnswer gives a request of route netlink that timed out the error of one: the library has EAGAIN for that.
func noAnswer(err error) error {
	if errors.Is(err, syscall.EAGAIN) {
		return fmt.Errorf("no answer from the kernel (%w)", os.ErrDeadlineExceeded)
	}
	return err
}

// unanswered is noAnswer of a request that may have been carried out.
func unanswered(err error) error {
	if errors.Is(err, syscall.EAGAIN) {
		return &lostError{noAnswer(err)}
	}
	return err
}

// inside runs f on a thread that is in the host's network namespace. Sockets, and the files of /proc/sys/net, are those
// of the namespace of the thread that opens them.
func (h *Host) inside(f func() error) (err error) {
	if h.namespace == nil {
		return f()
	}
	runtime.LockOSThread()
	here, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter the network namespace: %w", err)
	}
	defer here.Close()
	if err := unix.Setns(int(h.namespace.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter the network namespace %s: %w", h.namespace.Name(), err)
	}
	defer func() {
		if back := unix.Setns(int(here.Fd()), unix.CLONE_NEWNET); back != nil {
			// The thread stays locked, so that it ends with its goroutine and nothing else runs on it.
			err = errors.Join(err, fmt.Errorf("leave the network namespace: %w", back))
			return
		}
		runtime.UnlockOSThread()
	}()
	return f()
}
