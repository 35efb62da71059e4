package httpapi

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// socketGroup is the group whose members may use the socket, where the system has it.
const socketGroup = "gorb"

// InUseError says that somebody listens on a socket already.
type InUseError struct{ Path string }

func (e *InUseError) Error() string { return e.Path + ": another gorb listens there" }

// Listen opens the unix socket at path, and makes its directory (0755) where that is missing. The socket is 0660, and of
// the group gorb if there is one and the process may set it. One that nobody listens on any more, as a process that was
// killed leaves it, is replaced; where somebody does the error is an *InUseError. Closing the listener removes the file.
func Listen(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	// Nobody else may connect before its mode is right: it is bound under another name, and then renamed.
	name := fmt.Sprintf("%s.%d", path, os.Getpid())
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("socket: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("socket %s: %w", path, cause(err))
	}
	l.SetUnlinkOnClose(false)
	s := &socket{UnixListener: l, path: path}
	if err := errors.Join(protect(name), os.Rename(name, path)); err != nil {
		return nil, errors.Join(fmt.Errorf("socket: %w", err), l.Close(), ignoreMissing(os.Remove(name)))
	}
	if s.is, err = os.Lstat(path); err != nil {
		return nil, errors.Join(fmt.Errorf("socket: %w", err), l.Close())
	}
	return s, nil
}

// socket is a listener that removes its file, and no other that has come in its place.
type socket struct {
	*net.UnixListener
	path string
	is   fs.FileInfo
}

// Close ends listening.
func (s *socket) Close() error {
	err := s.UnixListener.Close()
	if now, statErr := os.Lstat(s.path); statErr == nil && os.SameFile(now, s.is) {
		err = errors.Join(err, ignoreMissing(os.Remove(s.path)))
	}
	return err
}

// removeStale makes room for a socket, unless somebody listens there or it is no socket.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("socket %s: there is something else of this name", path)
	}
	const patience = time.Second // a full queue makes a connect wait, and so does a machine that stands still
	c, err := net.DialTimeout("unix", path, patience)
	switch {
	case err == nil:
		return errors.Join(&InUseError{path}, c.Close())
	case errors.Is(err, syscall.ECONNREFUSED):
		return ignoreMissing(os.Remove(path))
	case errors.Is(err, fs.ErrNotExist):
		return nil
	}
	if late, ok := errors.AsType[net.Error](err); ok && late.Timeout() {
		return &InUseError{path}
	}
	return fmt.Errorf("socket %s: %w", path, cause(err))
}

// protect sets the mode of a socket, and its group where there is one.
func protect(path string) error {
	if g, err := user.LookupGroup(socketGroup); err == nil {
		if id, err := strconv.Atoi(g.Gid); err == nil {
			_ = os.Chown(path, -1, id) // who may not is not of the group, and its own group stands
		}
	}
	return os.Chmod(path, 0o660)
}

// cause is an error without the names of the call and the file, which the sentence has.
func cause(err error) error {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno
	}
	return err
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
