package kernel

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
)

// maxLinks is how many sockets a client keeps, and how many read at once: a dump occupies its socket.
const maxLinks = 4

// Client reads and writes the IPVS table of a network namespace. It is safe for concurrent use. It remembers nothing of
// the table.
type Client struct {
	open    func() (transport, error)
	options Options

	mu     sync.Mutex // guards everything below
	family uint16     // the number of IPVS, which changes when the module is loaded again
	idle   []*link
	busy   map[*link]bool
	closed bool
}

// Open returns a client for a kernel that has IPVS, or ErrNoIPVS.
func Open(ctx context.Context, o Options) (*Client, error) {
	if o.Deadline <= 0 {
		o.Deadline = defaultDeadline
	}
	open := func() (transport, error) { return openSocket(o.Namespace, o.Deadline) }
	return openOn(ctx, o, open)
}

// openOn is Open with the transport given.
func openOn(ctx context.Context, o Options, open func() (transport, error)) (*Client, error) {
	if o.Fault != nil {
		open = withFaults(open, o.Fault)
	}
	c := &Client{open: open, options: o, busy: make(map[*link]bool)}
	err := c.with(func(l *link) (err error) {
		if o.LoadModule {
			c.family, err = load(ctx, l)
		} else {
			c.family, err = listed(ctx, l)
		}
		return err
	})
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Close gives up the sockets. Requests under way and those that come later fail with net.ErrClosed.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	var errs []error
	for _, l := range c.idle {
		errs = append(errs, l.close())
	}
	for l := range c.busy {
		errs = append(errs, l.close())
	}
	return errors.Join(errs...)
}

// take returns a link that nobody else has, to be given back.
func (c *Client) take() (*link, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, net.ErrClosed
	}
	if n := len(c.idle); n > 0 {
		l := c.idle[n-1]
		c.idle = c.idle[:n-1]
		c.busy[l] = true
		return l, nil
	}
	t, err := c.open()
	if err != nil {
		return nil, err
	}
	l := &link{transport: t, seen: make(map[DestKey]bool)}
	c.busy[l] = true
	return l, nil
}

// give takes a link back, and replaces a broken one by none.
func (c *Client) give(l *link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return // and so are its sockets
	}
	delete(c.busy, l)
	if l.broken || len(c.idle) == maxLinks {
		_ = l.close() // nothing is written that a close could lose
		return
	}
	c.idle = append(c.idle, l)
}

// with lets f use a link.
func (c *Client) with(f func(l *link) error) error {
	l, err := c.take()
	if err != nil {
		return err
	}
	defer c.give(l)
	return f(l)
}

// ready returns a link and the number of IPVS, which it has verified.
func (c *Client) ready(ctx context.Context) (l *link, family uint16, err error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	if l, err = c.take(); err != nil {
		return nil, 0, err
	}
	if family, err = c.verify(ctx, l); err != nil {
		c.give(l)
		return nil, 0, err
	}
	return l, family, nil
}

// using lets f use a link and the number of IPVS.
func (c *Client) using(ctx context.Context, f func(l *link, family uint16) error) error {
	l, family, err := c.ready(ctx)
	if err != nil {
		return err
	}
	defer c.give(l)
	err = f(l, family)
	if errors.Is(err, syscall.ENOENT) {
		// No read is answered so by IPVS: its number is no longer that of a family.
		return c.gone(ctx, l, family, err)
	}
	return err
}
