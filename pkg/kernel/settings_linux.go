package kernel

import (
	"context"
	"errors"
	"fmt"
	"syscall"
)

// Info asks the kernel for its IPVS.
func (c *Client) Info(ctx context.Context) (Info, error) {
	var a infoAttrs
	if err := c.setting(ctx, cmdGetInfo, func(l *link, b []byte) error {
		_, _, err := infoFields.decode(b, &a, &l.codec)
		return err
	}); err != nil {
		return Info{}, doing("read the version of IPVS", ofRead(err))
	}
	v := a.version // NVERSION of include/uapi/linux/ip_vs.h
	return Info{fmt.Sprintf("%d.%d.%d", v>>16&0xff, v>>8&0xff, v&0xff), a.connTableSize}, nil
}

// Timeouts returns the timeouts of connections.
func (c *Client) Timeouts(ctx context.Context) (t Timeouts, err error) {
	if err := c.setting(ctx, cmdGetConfig, func(l *link, b []byte) error {
		_, _, err := timeoutFields.decode(b, &t, &l.codec)
		return err
	}); err != nil {
		return Timeouts{}, doing("read the timeouts of connections", ofRead(err))
	}
	return t, nil
}

// setting asks for what has no object around it.
func (c *Client) setting(ctx context.Context, cmd uint8, take func(l *link, b []byte) error) error {
	return c.using(ctx, func(l *link, family uint16) error {
		answer, err := l.ask(ctx, family, cmd, nil)
		if err != nil {
			return err
		}
		b, err := answer.attributes()
		if err != nil {
			return err
		}
		return take(l, b)
	})
}

// SetTimeouts sets those that are not 0, for connections whose next packet comes after it. ErrUncertain is among its
// errors.
func (c *Client) SetTimeouts(ctx context.Context, t Timeouts) error {
	if t == (Timeouts{}) {
		return nil
	}
	err := c.using(ctx, func(l *link, family uint16) error {
		return l.do(ctx, family, cmdSetConfig, func(b []byte) []byte {
			return timeoutFields.append(b, &t, attrsOf(attrTimeoutTCP, attrTimeoutTCPFin, attrTimeoutUDP))
		})
	})
	if err == nil {
		return nil
	}
	what := fmt.Sprintf("set the timeouts of connections to %d, %d and %d s", t.TCP, t.TCPFin, t.UDP)
	if errors.Is(err, syscall.EINVAL) {
		return fmt.Errorf("%s: one is over what the kernel takes (%w)", what, err)
	}
	return doing(what, err)
}
