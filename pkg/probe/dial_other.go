//go:build !linux

package probe

import (
	"context"
	"net"
	"net/netip"
)

// connect makes a connection.
func (p *place) connect(ctx context.Context, t talk) (conn, error) {
	d := net.Dialer{KeepAlive: -1}
	if p.source.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(p.source, 0))
	}
	c, err := d.DialContext(ctx, "tcp", p.addr.String())
	if err != nil {
		return nil, err
	}
	tcp := c.(*net.TCPConn)
	if t == silence {
		_ = tcp.SetLinger(0)
	}
	return tcp, nil
}
