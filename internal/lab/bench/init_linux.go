package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// initialise is the first process of the machine that bootQemu makes: it prepares the machine, runs this program once
// more, leaves its exit status on the third serial line, and switches the machine off. When it returns instead, the
// kernel panics.
func initialise(args []string) int {
	if err := errors.Join(prepare(), measure(args)); err != nil {
		fmt.Println("bench:", err) // on the console
	}
	unix.Sync()
	err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	fmt.Println("bench: power off:", err)
	return 1
}

// prepare mounts what programs expect and loads the modules.
func prepare() error {
	for _, m := range [][2]string{
		{"devtmpfs", "/dev"},
		{"proc", "/proc"},
		{"sysfs", "/sys"},
		{"tmpfs", "/run"},
		{"tmpfs", "/tmp"},
	} {
		if err := unix.Mount(m[0], m[1], m[0], 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m[1], err)
		}
	}
	modules, err := filepath.Glob("/modules/*.ko") // in the order of their names
	if err != nil {
		return err
	}
	for _, file := range modules {
		if err := loadModule(file); err != nil {
			return err
		}
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(lo)
}

// loadModule loads a module, but for one that is for another processor, which is fine.
func loadModule(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), "", 0); err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("load %s: %w", file, err)
	}
	return nil
}

// measure runs this program, printing on the second serial line, and leaves its exit status on the third.
func measure(args []string) error {
	line, err := openSerial("/dev/ttyS1")
	if err != nil {
		return err
	}
	cmd := exec.Command("/init", args...)
	cmd.Env = []string{"PATH=/bin", "HOME=/", "TMPDIR=/tmp"}
	cmd.Stdout, cmd.Stderr = line, line
	runErr := cmd.Run()
	if cmd.ProcessState == nil {
		return runErr
	}
	status, err := openSerial("/dev/ttyS2")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(status, cmd.ProcessState.ExitCode())
	return errors.Join(err, drain(line), drain(status))
}

// openSerial opens a serial line that passes what is written as it is.
func openSerial(file string) (*os.File, error) {
	f, err := os.OpenFile(file, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	t, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	t.Oflag &^= unix.OPOST
	t.Lflag &^= unix.ECHO
	return f, unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, t)
}

// drain waits until all that was written to a serial line is sent, as tcdrain(3) does.
func drain(f *os.File) error { return unix.IoctlSetInt(int(f.Fd()), unix.TCSBRK, 1) }
