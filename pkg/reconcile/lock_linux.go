package reconcile

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Lock is held by whoever keeps a table.
type Lock struct {
	socket *net.UnixListener
	file   *os.File // nil without a state directory
}

// Acquire takes the lock of the table of the process's network namespace, and of a state directory ("" for none). It
// does not wait: the error is a *HeldError where somebody has it. The locks end with the process, however it ends.
//
// The table's lock is an abstract unix socket, because those belong to a network namespace as the table does (unix(7)),
// whatever file systems its processes see. The directory's is flock(2), because two namespaces may share a
// directory.
func Acquire(place Place, dir string) (*Lock, error) {
	name := &net.UnixAddr{Name: "@gorb/table/" + place.Namespace, Net: "unix"}
	socket, err := net.ListenUnix("unix", name)
	if errors.Is(err, unix.EADDRINUSE) {
		return nil, &HeldError{PID: listener(name)}
	}
	if err != nil {
		return nil, fmt.Errorf("lock the table: %w", err)
	}
	go answer(socket)
	l := &Lock{socket: socket}
	if dir == "" {
		return l, nil
	}
	if l.file, err = lockFile(dir); err != nil {
		return nil, errors.Join(err, socket.Close())
	}
	return l, nil
}

// answer takes the connections of those who ask who listens, so that they never fill the queue. It ends with the socket.
func answer(socket *net.UnixListener) {
	for {
		c, err := socket.Accept()
		if err != nil {
			return
		}
		c.Close()
	}
}

// Release gives the lock back.
func (l *Lock) Release() error {
	err := l.socket.Close()
	if l.file != nil {
		err = errors.Join(err, l.file.Close())
	}
	return err
}

// lockFile takes the lock of a state directory, and leaves the process's number in it for the next that tries. On a file
// system that is read-only there may be no file to lock; then it returns nil.
func lockFile(dir string) (*os.File, error) {
	name := filepath.Join(dir, "lock")
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if errors.Is(err, unix.EROFS) {
		if f, err = os.Open(name); errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		text := make([]byte, 20)
		n, _ := f.ReadAt(text, 0)
		pid, _ := strconv.Atoi(strings.TrimSpace(string(text[:n])))
		return nil, &HeldError{PID: pid, Dir: dir}
	}
	// The number is for messages: a full disk is no reason to keep no table.
	_ = f.Truncate(0)
	_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return f, nil
}

// listener returns the process that listens on an abstract socket, 0 if it cannot be told.
func listener(name *net.UnixAddr) int {
	c, err := net.DialUnix("unix", nil, name)
	if err != nil {
		return 0
	}
	defer c.Close()
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	pid := 0
	control := func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			pid = int(cred.Pid)
		}
	}
	if raw.Control(control) != nil {
		return 0
	}
	return pid
}
