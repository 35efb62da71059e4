package kernel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"

	"github.com/moby/ipvs"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Client reads and writes the IPVS table of a network namespace. It is safe for concurrent use, one request at a time.
// It remembers nothing of the table.
type Client struct {
	options Options

	mu     sync.Mutex      // held during a request; guards everything below
	genl   *netlink.Handle // to ask for IPVS
	handle *ipvs.Handle    // to ask IPVS; nil: the next request opens one
	closed bool
}

// Open returns a client for a kernel that has IPVS, or ErrNoIPVS.
func Open(ctx context.Context, o Options) (*Client, error) {
	if o.Deadline <= 0 {
		o.Deadline = defaultDeadline
	}
	genl, err := netlink.NewHandle(unix.NETLINK_GENERIC)
	if err != nil {
		return nil, fmt.Errorf("open a generic netlink socket: %w", err)
	}
	if err := genl.SetSocketTimeout(o.Deadline); err != nil {
		return nil, fmt.Errorf("open a generic netlink socket: %w", err)
	}
	c := &Client{options: o, genl: genl}
	if o.LoadModule {
		err = load(ctx, genl)
	} else {
		err = listed(genl)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if err := c.request(ctx, func(*ipvs.Handle) error { return nil }); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Close gives up the sockets. Requests that come later fail with net.ErrClosed.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	c.genl.Close()
	if c.handle != nil {
		c.handle.Close()
	}
	return nil
}

// Apply carries the operations out in order and returns an error or nil for each, an *OpError always. It goes on past
// one that fails, and stops only when ctx ends: the rest then wrap ctx.Err(). An operation that got no answer in time
// may have been done all the same.
func (c *Client) Apply(ctx context.Context, ops []Op) []error {
	errs := make([]error, len(ops))
	unusable := c.familyInUse()
	for i, op := range ops {
		err := unusable
		if err == nil {
			err = c.apply(ctx, op)
		}
		if errors.Is(err, syscall.ENOENT) {
			// As an answer it is about the operation; but a family that is gone says ENOENT as well.
			if unusable = c.familyInUse(); unusable != nil {
				err = unusable
			}
		}
		if err != nil {
			errs[i] = &OpError{op, err}
		}
	}
	return errs
}

func (c *Client) apply(ctx context.Context, op Op) error {
	if err := refuse(op); err != nil {
		return err
	}
	return c.request(ctx, func(h *ipvs.Handle) error {
		service := toService(op.Key, op.Service)
		switch op.Kind {
		case AddService:
			return h.NewService(service)
		case EditService:
			return h.UpdateService(service)
		case DeleteService:
			return h.DelService(service)
		case AddDest:
			return h.NewDestination(service, toDest(op.DestKey, op.Dest))
		case EditDest:
			return h.UpdateDestination(service, toDest(op.DestKey, op.Dest))
		default: // DeleteDest, as refuse knows no other
			return h.DelDestination(service, toDest(op.DestKey, op.Dest))
		}
	})
}

// familyInUse says why IPVS must not be asked for anything, if so.
func (c *Client) familyInUse() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	return familyInUse(c.genl)
}

// request lets f make one request. moby/ipvs has no timeouts of its own: it waits for ever for an answer that was
// lost. So when ctx or the time ends, the handle is closed under it, which frees the receive, and the next request
// opens another.
func (c *Client) request(ctx context.Context, f func(*ipvs.Handle) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.closed {
		return net.ErrClosed
	}
	if c.handle == nil {
		h, err := openHandle(c.genl, c.options.Namespace)
		if err != nil {
			return err
		}
		c.handle = h
	}
	limited, cancel := context.WithTimeout(ctx, c.options.Deadline)
	defer cancel()
	stop := context.AfterFunc(limited, c.handle.Close)
	err := f(c.handle)
	if !stop() {
		c.handle = nil // closed, or about to be
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("no answer from the kernel within %v (%w)", c.options.Deadline, os.ErrDeadlineExceeded)
	}
	if err != nil && !isAnswer(err) {
		c.handle.Close()
		c.handle = nil
	}
	return err
}

// isAnswer reports whether an error is the kernel's answer to a request. Anything else leaves it open what else waits
// in the socket.
func isAnswer(err error) bool {
	_, ok := err.(syscall.Errno) // moby/ipvs returns answers bare
	return ok && !errors.Is(err, syscall.ENOBUFS)
}
