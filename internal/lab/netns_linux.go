package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// namespaceDir is where ip(8) and vishvananda/netns look, too.
const namespaceDir = "/run/netns"

// NamespacePath returns the file that stands for a network namespace.
func NamespacePath(name string) string { return filepath.Join(namespaceDir, name) }

var namespaces atomic.Int64

// Namespace makes a network namespace in which lo is up, and returns its name. When the test ends, the
// processes that still run there are killed and the namespace is deleted.
func Namespace(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("lab%d", namespaces.Add(1))
	if err := AddNamespace(name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := DeleteNamespace(name); err != nil {
			t.Error(err)
		}
	})
	return name
}

// AddNamespace makes a network namespace in which lo is up.
func AddNamespace(name string) error {
	path := NamespacePath(name)
	err := func() error {
		if err := os.MkdirAll(namespaceDir, 0o755); err != nil {
			return err
		}
		file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDONLY, 0o444)
		if err != nil {
			return err
		}
		return file.Close()
	}()
	if err != nil {
		return fmt.Errorf("add namespace %s: %w", name, err)
	}
	unshare := func() error { return unix.Unshare(unix.CLONE_NEWNET) }
	err = elsewhere(unshare, func() error {
		if err := unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount: %w", err)
		}
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		return netlink.LinkSetUp(lo)
	})
	if err != nil {
		return fmt.Errorf("add namespace %s: %w", name, errors.Join(err, DeleteNamespace(name)))
	}
	return nil
}

// DeleteNamespace kills what runs in a network namespace and deletes it.
func DeleteNamespace(name string) error {
	path := NamespacePath(name)
	killErr := killInside(path)
	err := unix.Unmount(path, unix.MNT_DETACH)
	if errors.Is(err, unix.EINVAL) { // never mounted
		err = nil
	}
	if err := errors.Join(killErr, err, os.Remove(path)); err != nil {
		return fmt.Errorf("delete namespace %s: %w", name, err)
	}
	return nil
}

// killInside kills the processes in a network namespace, but for this one, and waits until they are gone.
func killInside(path string) error {
	var space unix.Stat_t
	if err := unix.Stat(path, &space); err != nil {
		return err
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		entries, err := filepath.Glob("/proc/[0-9]*/ns/net")
		if err != nil {
			return err
		}
		left := 0
		for _, entry := range entries {
			var st unix.Stat_t
			// A process that has ended is in no namespace.
			if unix.Stat(entry, &st) != nil || st.Ino != space.Ino || st.Dev != space.Dev {
				continue
			}
			pid, err := strconv.Atoi(strings.Split(entry, "/")[2])
			if err != nil || pid == os.Getpid() {
				continue
			}
			left++
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		if left == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d processes there do not die", left)
		}
	}
}

// Do runs f in a network namespace ("": the current one). What f opens or starts stays there;
// goroutines that f starts are not in it. f may end the test.
func Do(ns string, f func() error) error {
	if ns == "" {
		return f()
	}
	there, err := os.Open(NamespacePath(ns))
	if err != nil {
		return err
	}
	defer there.Close()
	return elsewhere(func() error { return unix.Setns(int(there.Fd()), unix.CLONE_NEWNET) }, f)
}

// elsewhere runs f on a thread that enter has moved to another network namespace, and moves it back.
func elsewhere(enter, f func() error) (err error) {
	runtime.LockOSThread()
	here, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer here.Close()
	if err := enter(); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter namespace: %w", err)
	}
	defer func() {
		if back := unix.Setns(int(here.Fd()), unix.CLONE_NEWNET); back != nil {
			// The thread stays locked, so nothing else runs on it.
			err = errors.Join(err, fmt.Errorf("leave namespace: %w", back))
			return
		}
		runtime.UnlockOSThread()
	}()
	return f()
}

// Exec runs a command in a namespace ("": the current one) and returns what it prints, on standard
// output and error. The test ends if the command fails.
func Exec(t testing.TB, ns, cmd string, args ...string) string {
	t.Helper()
	out, err := Try(ns, cmd, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Try runs a command in a namespace as [Exec] does. The error of a command that fails has the command
// and what it printed, and wraps [exec.ExitError].
func Try(ns, cmd string, args ...string) (string, error) {
	return run(ns, exec.Command(cmd, args...))
}

func run(ns string, c *exec.Cmd) (string, error) {
	var out []byte
	err := Do(ns, func() (err error) {
		out, err = c.CombinedOutput()
		return err
	})
	if err != nil {
		return string(out), fmt.Errorf("%s: %w\n%s", c, err, out)
	}
	return string(out), nil
}

// Command returns a command that, once started, runs in a namespace ("": the current one), for programs
// that run long. It and what it starts are one process group, which is killed when the test ends.
func Command(t testing.TB, ns, cmd string, args ...string) *exec.Cmd {
	t.Helper()
	if ns != "" {
		// nsenter becomes the command, so Process is the command's own.
		args = append([]string{"--net=" + NamespacePath(ns), "--", cmd}, args...)
		cmd = "nsenter"
	}
	c := exec.Command(cmd, args...)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	t.Cleanup(func() {
		if c.Process != nil {
			_ = unix.Kill(-c.Process.Pid, unix.SIGKILL)
		}
	})
	return c
}
