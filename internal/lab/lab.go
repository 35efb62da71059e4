package lab

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Names in the environment, all of which also reach the inside.
const (
	envInside  = "GORB_LAB_INSIDE"     // set inside
	envVerdict = "GORB_LAB_VERDICT"    // inside: the file that takes the verdict
	envBinary  = "GORB_LAB_BINARY"     // what Binary built
	envMemory  = "GORB_LAB_MEM"        // of a user-mode kernel
	envRequire = "GORB_REQUIRE_KERNEL" // "1": fail rather than skip
)

// Run runs f where the kernel has IPVS, and makes its verdict this test's.
//
// f runs inside (see the package's comment) in this same test, run again; subtests that -test.run and
// -test.skip select, -test.v, -test.short, -test.failfast and the test binary's own flags are those of
// this run. The time limit inside is what is left of this run's, so a test that hangs there ends with
// the stacks of its goroutines; a kernel that hangs is killed. What the test prints inside is in this
// test's output.
//
// In a race build, which user-mode Linux cannot start, Run skips the test: plain builds run it.
func Run(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	if Inside() {
		defer recordVerdict(t)
		f(t)
		return
	}

	m, err := findMachine()
	switch {
	case err == nil:
	case os.Getenv(envRequire) == "1" && !raceBuild:
		t.Fatalf("no kernel with IPVS, and %s=1: %v", envRequire, err)
	default:
		warnSkipped(err)
		t.Skipf("no kernel with IPVS: %v", err)
	}
	runInside(t, m)
}

// Inside reports whether this process runs in a place that this package made: as root, on a kernel
// that has IPVS, in namespaces that belong to no one else.
func Inside() bool {
	return os.Getenv(envInside) == "1"
}

// runInside runs the test t inside m.
func runInside(t *testing.T, m machine) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p, err := newPlace()
	if err != nil {
		t.Fatal(err)
	}
	defer p.remove()

	args := []string{exe, "-test.run=" + runPattern(t.Name(), flag.Lookup("test.run").Value.String())}
	args = append(args, keptFlags()...)
	ctx := t.Context()
	if deadline, ok := t.Deadline(); ok {
		// The test inside is stopped first, for its stacks; then, if it does not end, its kernel.
		left := time.Until(deadline)
		grace := min(left/5, 10*time.Second)
		args = append(args, fmt.Sprintf("-test.timeout=%s", left-2*grace))
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, left-grace)
		defer cancel()
	}
	verdict := p.file("verdict")
	code, err := m.run(ctx, p, job{args: args, env: append(environment(), envVerdict+"="+verdict), out: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	switch v, err := os.ReadFile(verdict); {
	case code != 0:
		t.Fatal("the test failed inside; see above")
	case err != nil:
		t.Fatal("the test ended inside without coming to lab.Run; see above")
	case string(v) == verdictSkip:
		t.Skip("the test was skipped inside; see above")
	}
}

const (
	verdictPass = "pass"
	verdictFail = "fail"
	verdictSkip = "skip"
)

// recordVerdict leaves the verdict of t, at the end of its function, for the process outside. A pass
// may still become a failure (in a cleanup), which the exit status tells.
func recordVerdict(t *testing.T) {
	v := verdictPass
	switch {
	case t.Failed():
		v = verdictFail
	case t.Skipped():
		v = verdictSkip
	}
	if err := os.WriteFile(os.Getenv(envVerdict), []byte(v), 0o644); err != nil {
		t.Errorf("record the verdict: %v", err)
	}
}

// keptFlags returns the flags of this test binary that hold inside too.
func keptFlags() []string {
	var kept []string
	flag.Visit(func(f *flag.Flag) {
		name, ours := strings.CutPrefix(f.Name, "test.")
		switch {
		case !ours, name == "short", name == "failfast", name == "skip":
			kept = append(kept, fmt.Sprintf("-%s=%s", f.Name, f.Value))
		}
	})
	if testing.Verbose() {
		kept = append(kept, "-test.v=true") // never test2json: its marks are for the outer test's lines
	}
	return kept
}

var warnOnce sync.Once

// warnSkipped says once that the kernel tests of this binary do not run.
func warnSkipped(why error) {
	warnOnce.Do(func() { warn("KERNEL TESTS SKIPPED", why) })
}

// warn says where nobody can miss it what tests of this binary do not do. `go test` hides the standard
// error of packages that pass, so the line goes to that of its own if possible.
func warn(what string, why error) {
	out := os.Stderr
	parent := fmt.Sprintf("/proc/%d", os.Getppid())
	if comm, err := os.ReadFile(parent + "/comm"); err == nil && string(comm) == "go\n" {
		if f, err := os.OpenFile(parent+"/fd/2", os.O_WRONLY|os.O_APPEND, 0); err == nil {
			defer f.Close()
			out = f
		}
	}
	pkg, _ := os.Getwd()
	if rel, err := filepath.Rel(Root(), pkg); err == nil {
		pkg = rel
	}
	fmt.Fprintf(out, "gorb: %s in %s: %v\n", what, pkg, why)
}

// Root returns the module's root directory: the nearest one at or above the working directory, when
// first asked, that has a go.mod.
func Root() string { return root() }

var root = sync.OnceValue(func() string {
	dir, err := os.Getwd()
	if err != nil {
		panic(fmt.Sprintf("lab: %v", err))
	}
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(filepath.Join(d, "go.mod")); err == nil {
			return d
		}
		if d == filepath.Dir(d) {
			panic("lab: no go.mod in or above " + dir)
		}
	}
})

var buildOnce = sync.OnceValues(build)

// Binary returns the path of the gorb command, built without cgo from this module. Inside it is the
// one built outside, so call Binary before [Run], in the test or in TestMain.
func Binary(t testing.TB) string {
	t.Helper()
	if path := os.Getenv(envBinary); path != "" {
		return path
	}
	if Inside() {
		t.Fatal("lab.Binary: nothing was built outside; call it before lab.Run")
	}
	path, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// build builds the command and sets envBinary for the processes inside.
func build() (string, error) {
	dir := filepath.Join(Root(), ".cache", "lab")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	// Other packages' tests may be building, or running what they built: replace the file, never write to it.
	fresh, err := os.MkdirTemp(dir, "build-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(fresh)
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", fresh+"/gorb", "./cmd/gorb")
	cmd.Dir = Root()
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build gorb: %v\n%s", err, out)
	}
	path := filepath.Join(dir, "gorb")
	if err := os.Rename(fresh+"/gorb", path); err != nil {
		return "", err
	}
	if err := touchSources(); err != nil {
		return "", err
	}
	return path, os.Setenv(envBinary, path)
}

// touchSources looks at each file the command is built from, so that `go test` counts them among what
// a test depends on and does not show a cached result when they have changed.
func touchSources() error {
	for _, dir := range []string{"cmd", "pkg", "internal"} {
		err := filepath.WalkDir(filepath.Join(Root(), dir), func(path string, _ os.DirEntry, err error) error {
			if err == nil {
				_, err = os.Stat(path)
			}
			return err
		})
		if err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	for _, file := range []string{"go.mod", "go.sum"} {
		if _, err := os.Stat(filepath.Join(Root(), file)); err != nil {
			return err
		}
	}
	return nil
}
