package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A host runs jobs on this machine's own kernel, in new network, mount and process namespaces, so that
// neither the machine's table nor its mounts are touched and nothing that a job starts outlives it.
type host struct{}

// search prefers the machine's own kernel.
func search() (machine, error) {
	if hostHasIPVS() {
		return host{}, nil
	}
	return findUML()
}

// hostHasIPVS reports whether this process may use IPVS, after asking for the module, and may make
// namespaces.
func hostHasIPVS() bool {
	if os.Geteuid() != 0 {
		return false
	}
	_ = exec.Command("modprobe", "ip_vs").Run() // may be built in
	if _, err := netlink.GenlFamilyGet("IPVS"); err != nil {
		return false
	}
	try := exec.Command("true")
	try.SysProcAttr = ownNamespaces()
	return try.Run() == nil
}

func ownNamespaces() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags:   unix.CLONE_NEWPID | unix.CLONE_NEWNET,
		Unshareflags: unix.CLONE_NEWNS, // which makes mounts private, too
		Pdeathsig:    unix.SIGKILL,     // of the first process, and so of all
	}
}

func (host) run(ctx context.Context, p place, j job) (int, error) {
	// The parent whose death kills the child is this thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	if err := p.writeFstab(); err != nil {
		return 0, err
	}
	// The shell stays, to reap orphans as the first process of its namespace.
	const script = `mount -a -T "$0" && ip link set lo up || exit 125; "$@"; exit $?`
	cmd := exec.CommandContext(ctx, "/bin/sh", append([]string{"-c", script, p.file("fstab")}, j.args...)...)
	cmd.Env, cmd.Stdout, cmd.Stderr = j.env, j.out, j.out
	cmd.SysProcAttr = ownNamespaces()
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); ctx.Err() == nil && errors.As(err, &exit) && exit.Exited() {
		return exit.ExitCode(), nil
	}
	if err != nil {
		return 0, fmt.Errorf("run %s: %w", j.args[0], errors.Join(err, ctx.Err()))
	}
	return 0, nil
}
