package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// bootQemu runs this program, of those that outside built in dir, under Debian's kernel in an emulated machine, and
// returns its exit status. The machine is pure emulation, because accelerators are not to be had everywhere. It has three
// serial lines: the kernel's console, what the program prints, and its status.
func bootQemu(ctx context.Context, out io.Writer, dir string, args []string) (int, error) {
	qemu, err := findProgram("qemu-system-x86_64")
	if err != nil {
		return 0, err
	}
	im, err := newImage(dir)
	if err != nil {
		return 0, err
	}
	initrd, console, status := filepath.Join(dir, "initrd"), filepath.Join(dir, "console"), filepath.Join(dir, "status")
	if err := im.write(initrd); err != nil {
		return 0, fmt.Errorf("write the image: %w", err)
	}
	cmdline := "console=ttyS0 quiet panic=-1 -- -gorb=/bin/gorb " + strings.Join(args, " ")
	cmd := exec.CommandContext(ctx, qemu,
		"-L", "/usr/share/seabios", // where the emulator is fetched and its firmware is installed
		"-accel", "tcg", "-m", "1G", "-smp", "2", "-nodefaults", "-display", "none", "-no-reboot",
		"-serial", "file:"+console, "-serial", "stdio", "-serial", "file:"+status,
		"-kernel", im.kernel, "-initrd", initrd, "-append", cmdline)
	cmd.Env = environment()
	cmd.Stdout = out
	var said strings.Builder
	cmd.Stderr = &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Run(); err != nil {
		return 0, errors.Join(fmt.Errorf("qemu-system-x86_64: %w\n%s", err, said.String()), context.Cause(ctx))
	}
	text, err := os.ReadFile(status)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		log, _ := os.ReadFile(console)
		return 0, fmt.Errorf("the kernel ended before the program did; its console:\n%s", last(string(log)))
	}
	return n, nil
}
