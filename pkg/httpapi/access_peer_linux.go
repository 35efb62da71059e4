package httpapi

import (
	"net"

	"golang.org/x/sys/unix"
)

// credentials are those of the process that connected to a unix socket, as they were then.
func credentials(conn net.Conn) (uid, pid int, ok bool) {
	socket, isUnix := conn.(*net.UnixConn)
	if !isUnix {
		return 0, 0, false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return 0, 0, false
	}
	_ = raw.Control(func(fd uintptr) {
		if who, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			uid, pid, ok = int(who.Uid), int(who.Pid), true
		}
	})
	return uid, pid, ok
}
