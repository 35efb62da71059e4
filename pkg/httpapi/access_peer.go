package httpapi

import (
	"fmt"
	"net"
	"os/user"
	"strconv"
	"strings"
)

// Peers returns a listener whose connections say who is at the other end of a unix socket: their RemoteAddr, and so that
// of requests, is "uid 0 (root), pid 4321". It goes right around what Listen returns.
func Peers(l net.Listener) net.Listener { return peers{l} }

type peers struct{ net.Listener }

// Accept waits for a connection.
func (p peers) Accept() (net.Conn, error) {
	c, err := p.Listener.Accept()
	if err != nil {
		return nil, err
	}
	uid, pid, ok := credentials(c)
	if !ok {
		return c, nil
	}
	return peerConn{c, peerAddr{uid, pid}}, nil
}

type peerConn struct {
	net.Conn
	peer peerAddr
}

// RemoteAddr is who is at the other end.
func (c peerConn) RemoteAddr() net.Addr { return c.peer }

type peerAddr struct{ uid, pid int }

// Network is that of sockets.
func (peerAddr) Network() string { return "unix" }

func (a peerAddr) String() string {
	name := ""
	if u, err := user.LookupId(strconv.Itoa(a.uid)); err == nil {
		name = " (" + u.Username + ")"
	}
	return fmt.Sprintf("uid %d%s%s%d", a.uid, name, beforePID, a.pid)
}

const beforePID = ", pid "

// splitPeer makes of a request's RemoteAddr who it is from, and from where.
func splitPeer(remote string) (who, from string) {
	i := strings.LastIndex(remote, beforePID)
	if i < 0 {
		return "somebody at the socket", "socket"
	}
	return remote[:i], "socket" + remote[i:]
}
