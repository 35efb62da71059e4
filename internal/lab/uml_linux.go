package lab

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A uml runs jobs under user-mode Linux, one kernel for each job.
type uml struct {
	kernel  string // the program
	modules string // the directory of its modules
	size    string // of its memory, as in mem=
	memory  string // the directory of the file that is its memory
}

//go:embed init.sh
var initScript []byte

// findUML finds user-mode Linux, the tools that its init needs, and room for its memory.
func findUML() (machine, error) {
	switch {
	case runtime.GOARCH != "amd64":
		return nil, fmt.Errorf("user-mode Linux runs on amd64 only, and this is %s", runtime.GOARCH)
	case raceBuild:
		return nil, errors.New("user-mode Linux cannot start race builds; run the tests without -race as well")
	}
	u := uml{
		kernel:  find("linux.uml"),
		modules: "/usr/lib/uml/modules",
		size:    os.Getenv(envMemory),
	}
	if u.kernel == "" {
		return nil, errors.New("this kernel has no IPVS for this user, and there is no user-mode Linux (make deps)")
	}
	if fetched := deps("root/usr/lib/uml/modules"); strings.HasPrefix(u.kernel, deps()) {
		u.modules = fetched
	}
	for _, tool := range []string{"ip", "ipvsadm", "modprobe", "mount"} {
		if find(tool) == "" {
			return nil, fmt.Errorf("there is no %s for user-mode Linux (make deps)", tool)
		}
	}
	if u.size == "" {
		u.size = "1G"
	}
	need, err := parseSize(u.size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", envMemory, err)
	}
	places := []string{"/dev/shm", os.TempDir(), filepath.Join(Root(), ".cache")}
	for _, dir := range places {
		if canHold(dir, need) {
			u.memory = dir
			return u, nil
		}
	}
	return nil, fmt.Errorf("no room for %s of memory, writable and executable, in %s (%s makes it less)",
		u.size, strings.Join(places, ", "), envMemory)
}

// parseSize returns the bytes of a number with an optional K, M or G.
func parseSize(s string) (uint64, error) {
	digits, shift := s, 0
	for i, unit := range []string{"K", "M", "G"} {
		if rest, ok := strings.CutSuffix(strings.ToUpper(s), unit); ok {
			digits, shift = rest, 10*(i+1)
		}
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	return n << shift, err
}

// canHold reports whether a file of this size that a process executes can be made in dir.
func canHold(dir string, size uint64) bool {
	var fs unix.Statfs_t
	return unix.Statfs(dir, &fs) == nil &&
		fs.Flags&unix.ST_NOEXEC == 0 &&
		fs.Bavail*uint64(fs.Bsize) >= size &&
		unix.Access(dir, unix.W_OK|unix.X_OK) == nil
}

func (u uml) run(ctx context.Context, p place, j job) (int, error) {
	if err := u.prepare(p, j); err != nil {
		return 0, err
	}
	var console bytes.Buffer
	cmd := exec.CommandContext(ctx, u.kernel,
		"mem="+u.size, "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro",
		"con=null", "con0=null,fd:1", "quiet",
		"uml_dir="+p.dir, "umid=kernel",
		"init="+p.file("init"), "GORB_LAB="+p.dir,
		"initcall_blacklist=raid6_select_algo", // measures the processor for 0.9 s
	)
	cmd.Env = append(os.Environ(), "TMPDIR="+u.memory)
	cmd.Stdout, cmd.Stderr = &console, &console
	// A kernel is many processes, which do not end with the first: they have a group of their own.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	kill := func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	cmd.Cancel = kill
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	dismiss, err := guard(cmd.Process.Pid, p)
	if err != nil {
		return 0, errors.Join(err, kill(), cmd.Wait())
	}
	stop := follow(p.file("out"), j.out)
	err = cmd.Wait()
	_ = kill() // what a kernel that crashed left
	dismiss()
	if err := stop(); err != nil {
		return 0, err
	}

	status, readErr := os.ReadFile(p.file("status"))
	switch {
	case ctx.Err() != nil:
		return 0, fmt.Errorf("%s: the kernel was killed: %w%s", j.args[0], context.Cause(ctx), last(console.String()))
	case readErr != nil || len(status) == 0:
		return 0, fmt.Errorf("%s: the kernel ended first (%v)%s", j.args[0], err, last(console.String()))
	}
	return strconv.Atoi(strings.TrimSpace(string(status)))
}

// guard has a process group killed and a place removed when this process dies, however it does. To
// dismiss the guard is to be done with both.
func guard(group int, p place) (dismiss func(), err error) {
	const script = `read -r _; for i in 1 2 3 4 5; do kill -9 -- "-$0" || break; sleep 0.1; done; rm -rf "$1"`
	cmd := exec.Command("/bin/sh", "-c", script, strconv.Itoa(group), p.dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // not for the terminal's interrupts
	if _, err := cmd.StdinPipe(); err != nil {            // read ends when our end of the pipe closes
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}, nil
}

// last returns the last lines of a console.
func last(console string) string {
	lines := strings.Split(strings.TrimSpace(console), "\n")
	return "; its console:\n" + strings.Join(lines[max(0, len(lines)-20):], "\n")
}

// prepare writes into the place what init.sh reads.
func (u uml) prepare(p place, j job) error {
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	var env, command strings.Builder
	for _, v := range j.env {
		name, value, _ := strings.Cut(v, "=")
		fmt.Fprintf(&env, "export %s=%s\n", name, quote(value))
	}
	fmt.Fprintf(&command, "cd %s\nexec", quote(dir))
	for _, arg := range j.args {
		fmt.Fprintf(&command, " %s", quote(arg))
	}

	more := []string{"/dev/pts devpts X-mount.mkdir", "/dev/shm tmpfs mode=1777,X-mount.mkdir"}
	for _, writable := range []string{Root(), p.dir} { // the module for -update
		writable = strings.ReplaceAll(writable, " ", `\040`)
		more = append(more, fmt.Sprintf("%[1]s hostfs %[1]s", writable))
	}
	modprobe := fmt.Sprintf("#!/bin/sh\nPATH=%s exec modprobe -d %s \"$@\"\n", quote(searchPath()), quote(p.dir))

	return errors.Join(
		os.WriteFile(p.file("init"), initScript, 0o755),
		os.WriteFile(p.file("modprobe"), []byte(modprobe), 0o755),
		os.WriteFile(p.file("env"), []byte(env.String()), 0o644),
		os.WriteFile(p.file("command"), []byte(command.String()+"\n"), 0o644),
		p.writeFstab(more...),
		os.WriteFile(p.file("out"), nil, 0o644),
		os.Mkdir(p.file("lib"), 0o755),
		os.Symlink(u.modules, p.file("lib/modules")),
	)
}

// quote returns s as one word of the shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// follow copies what is appended to a file to w, until stop is called, which copies the rest and
// returns what went wrong.
func follow(name string, w io.Writer) (stop func() error) {
	stopping, result := make(chan struct{}), make(chan error, 1)
	go func() {
		result <- func() error {
			f, err := os.Open(name)
			if err != nil {
				return err
			}
			defer f.Close()
			for ended := false; !ended; {
				select {
				case <-stopping:
					ended = true
				case <-time.After(20 * time.Millisecond):
				}
				if _, err := io.Copy(w, f); err != nil {
					return err
				}
			}
			return nil
		}()
	}()
	return func() error { close(stopping); return <-result }
}
