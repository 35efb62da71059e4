package lab

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Boot runs a command inside, in the working directory, and returns its exit status. Its standard
// output and error go to out as they come; it has no standard input. An error means that there is no
// status: no place to run it, or one that ended first, as it does when ctx is done.
func Boot(ctx context.Context, out io.Writer, command ...string) (int, error) {
	m, err := findMachine()
	if err != nil {
		return 0, err
	}
	p, err := newPlace()
	if err != nil {
		return 0, err
	}
	defer p.remove()
	return m.run(ctx, p, job{args: command, env: environment(), out: out})
}

// A job is a command to run inside.
type job struct {
	args []string
	env  []string  // the whole environment
	out  io.Writer // takes standard output and error
}

// A machine runs jobs where the kernel has IPVS.
type machine interface {
	// run runs a job as Boot says.
	run(ctx context.Context, p place, j job) (int, error)
}

// findMachine returns the machine that serves here, or says why there is none.
var findMachine = sync.OnceValues(search)

// environment returns the environment of what runs inside.
func environment() []string {
	env := []string{
		"PATH=" + searchPath(),
		"HOME=" + os.Getenv("HOME"),
		"TERM=" + os.Getenv("TERM"),
		"TMPDIR=/run/tmp",
		envInside + "=1",
	}
	for _, v := range os.Environ() {
		if strings.HasPrefix(v, "GO") { // Go's own, and GORB_
			env = append(env, v)
		}
	}
	return env
}

// deps is where tools/deps puts what the machine lacks.
func deps(elem ...string) string {
	return filepath.Join(append([]string{Root(), ".cache", "deps"}, elem...)...)
}

// searchPath returns PATH with the fetched tools first and the administrator's directories, which
// other users' PATH lacks, last.
func searchPath() string {
	return deps("bin") + ":" + os.Getenv("PATH") + ":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
}

// find returns the path of a program in searchPath, or "".
func find(program string) string {
	for _, dir := range filepath.SplitList(searchPath()) {
		path := filepath.Join(dir, program)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path
		}
	}
	return ""
}

// A place is a directory for what the two sides tell each other: it is writable inside and outside,
// under one name. The name is short, since unix sockets are made there.
type place struct{ dir string }

func newPlace() (place, error) {
	for _, parent := range []string{"/tmp", "/var/tmp"} {
		if dir, err := os.MkdirTemp(parent, "gorb-lab-"); err == nil {
			return place{dir}, nil
		}
	}
	dir, err := os.MkdirTemp("", "gorb-lab-")
	return place{dir}, err
}

func (p place) file(name string) string { return filepath.Join(p.dir, name) }

// writeFstab writes the file that says what to mount inside: what every machine has, and more.
func (p place) writeFstab(more ...string) error {
	var fstab strings.Builder
	for _, line := range append([]string{
		"/proc proc defaults",
		"/sys sysfs defaults",
		"/run tmpfs mode=755",
		"/run/tmp tmpfs mode=1777,X-mount.mkdir",
	}, more...) {
		// mount -a leaves out what is mounted already, as /proc is, by the name of its device.
		fmt.Fprintf(&fstab, "%s %s 0 0\n", filepath.Base(p.dir), line)
	}
	return os.WriteFile(p.file("fstab"), []byte(fstab.String()), 0o644)
}

func (p place) remove() { os.RemoveAll(p.dir) }
