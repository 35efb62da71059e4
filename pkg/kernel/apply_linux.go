package kernel

import (
	"context"
	"errors"
	"syscall"
)

const (
	// maxBatch is how many operations one datagram carries. The kernel answers each that fails, and the usual receive
	// buffer holds some 277 answers: more would be lost, though the operations were done.
	maxBatch = 128
	// maxDatagram is under the usual send buffer (208 KiB), which one datagram may not exceed.
	maxDatagram = 64 << 10
)

// Apply carries the operations out in order and returns an error or nil for each, an *OpError always. It goes on past
// one that fails, and stops only when ctx ends: the rest then wrap ctx.Err().
//
// Many operations share one message to the kernel, which runs them in order and is asked to acknowledge only the last.
// Where answers are lost (none within the deadline, or more than the socket could hold), each operation of that message
// without an answer wraps ErrUncertain; it is never sent again. The next message goes over another socket.
func (c *Client) Apply(ctx context.Context, ops []Op) []error {
	errs := make([]error, len(ops))
	if len(ops) == 0 {
		return errs
	}
	c.apply(ctx, ops, errs)
	for i, err := range errs {
		if err != nil {
			errs[i] = &OpError{ops[i], err}
		}
	}
	return errs
}

func (c *Client) apply(ctx context.Context, ops []Op, errs []error) {
	fail := func(from int, err error) {
		for i := from; i < len(errs); i++ {
			errs[i] = err
		}
	}
	l, family, err := c.ready(ctx)
	defer func() {
		if l != nil {
			c.give(l)
		}
	}()
	sent := make([]int, 0, min(len(ops), maxBatch))
	for next := 0; next < len(ops); {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			fail(next, err)
			return
		}
		next, sent = l.fill(family, ops, next, errs, sent[:0])
		if len(sent) == 0 {
			continue
		}
		l.carryOut(ctx, sent, errs)
		if !l.broken {
			family, err = c.judge(ctx, l, family, sent, errs)
		}
		if l.broken && next < len(ops) {
			c.give(l)
			l, family, err = c.ready(ctx)
		}
	}
}

// fill puts operations into a datagram, from ops[next] on until it is full. It returns the first that did not fit, and
// which are in it; those between that must not reach the kernel have their errors.
func (l *link) fill(family uint16, ops []Op, next int, errs []error, sent []int) (int, []int) {
	l.begin()
	last := 0
	for ; next < len(ops) && len(sent) < maxBatch && len(l.out) < maxDatagram-maxDatagram/maxBatch; next++ {
		if err := refuse(ops[next]); err != nil {
			errs[next] = err
			continue
		}
		last = len(l.out)
		l.seq++
		l.out = l.appendOp(l.out, family, 0, l.seq, ops[next])
		sent = append(sent, next)
	}
	if len(sent) > 0 {
		addFlags(l.out, last, flagAck)
	}
	return next, sent
}

// carryOut sends the datagram with the operations sent, and notes their answers. Answers come in the order of the
// operations: what had none when the last has its own was done.
func (l *link) carryOut(ctx context.Context, sent []int, errs []error) {
	answered := -1
	err := l.exchange(ctx, false, func(request int, m message) (bool, error) {
		if m.kind != msgError {
			return false, nil
		}
		err := m.errno()
		if errors.Is(err, errGarbled) {
			return false, err
		}
		answered = max(answered, request)
		errs[sent[request]] = err
		return request == len(sent)-1, nil
	})
	if err == nil {
		return
	}
	for _, i := range sent[answered+1:] {
		errs[i] = err
	}
}

// judge looks whether answers of ENOENT are about their operations: a family that is gone says ENOENT as well.
func (c *Client) judge(ctx context.Context, l *link, family uint16, sent []int, errs []error) (uint16, error) {
	var cause error
	for _, i := range sent {
		if !errors.Is(errs[i], syscall.ENOENT) {
			continue
		}
		if cause == nil {
			if cause = c.gone(ctx, l, family, syscall.ENOENT); cause == syscall.ENOENT {
				return family, nil
			}
		}
		errs[i] = cause
	}
	switch {
	case cause == nil:
		return family, nil
	case errors.Is(cause, errReloaded):
		return c.verify(ctx, l)
	}
	return family, cause
}
