//go:build linux

package sources

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorb-io/gorb/pkg/spec"
)

// childDir names the directory that a process of its own writes to, for the tests that kill or starve one.
const childDir = "GORB_TEST_OVERRIDES_DIR"

// child returns this test binary as a command that runs one test in a directory.
func child(t *testing.T, test, dir string) *exec.Cmd {
	t.Helper()
	binary, err := os.Executable()
	must(t, err)
	c := exec.Command(binary, "-test.run=^"+test+"$", "-test.count=1")
	c.Env = append(os.Environ(), childDir+"="+dir)
	return c
}

// TestOverridesKilled kills a process that writes 25 times.
func TestOverridesKilled(t *testing.T) { killWriters(t, 25) }

// TestSoakOverridesKilled is its long form.
func TestSoakOverridesKilled(t *testing.T) {
	if os.Getenv("GORB_SOAK") == "" {
		t.Skip("the long form of TestOverridesKilled; make soak runs it")
	}
	killWriters(t, 1000)
}

func killWriters(t *testing.T, kills int) {
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(1, 2))
	have := make(map[string]string) // what was acknowledged: object to number
	entries := uint64(0)            // of the audit, one for each write
	halfway, opening, acknowledged := 0, 0, 0
	// A slow disk acknowledges nothing in so short a time: until it has, each has twice the time of the one before.
	most := 80 * time.Millisecond
	for i := range kills {
		c := child(t, "TestOverridesWriter", dir)
		c.Env = append(c.Env, fmt.Sprintf("GORB_TEST_SEED=%d", i))
		out, in, err := os.Pipe()
		must(t, err)
		c.ExtraFiles = []*os.File{in}
		must(t, c.Start())
		must(t, in.Close())
		lines := bufio.NewReader(out)
		if _, err := lines.ReadString('\n'); err != nil {
			t.Fatal("the writer did not start: ", c.Wait())
		}
		time.Sleep(time.Duration(r.Int64N(int64(most))))
		must(t, c.Process.Kill())
		rest, err := io.ReadAll(lines)
		must(t, err)
		_ = c.Wait()
		must(t, out.Close())

		pending := ""
		for line := range strings.Lines(string(rest)) {
			line = strings.TrimSpace(line)
			if line == "ok" {
				entries += apply(have, pending)
				pending = ""
				acknowledged++
			} else {
				pending = line
			}
		}
		if pending == "open" {
			opening++
		}
		if acknowledged == 0 && most < 10*time.Second {
			most *= 2
		}
		got, last := numbers(t, dir)
		if !maps.Equal(got, have) {
			entries += apply(have, pending)
			halfway++
		}
		equal(t, fmt.Sprintf("entries after kill %d, of %q", i, pending), entries, last)
		equal(t, fmt.Sprintf("after kill %d, of %q", i, pending), have, got)
	}
	t.Logf("%d acknowledged; %d were there without, and %d kills were of an opening", acknowledged, halfway, opening)
	if acknowledged == 0 {
		t.Error("nothing was ever acknowledged")
	}
}

// apply does to a map what the writer does to the store. It returns how many entries that is in the audit.
func apply(have map[string]string, line string) uint64 {
	if line == "open" || line == "" {
		return 0
	}
	for part := range strings.FieldsSeq(line) {
		if object, number, isPut := strings.Cut(part, "="); isPut {
			have[object] = number
		} else {
			delete(have, strings.TrimPrefix(part, "-"))
		}
	}
	return 1
}

// numbers is what a store on disk has, and the last entry of its audit; it must be whole.
func numbers(t *testing.T, dir string) (map[string]string, uint64) {
	t.Helper()
	s, err := OpenOverrides(dir)
	must(t, err)
	got := make(map[string]string)
	for _, o := range s.List() {
		number, _, _ := strings.Cut(strings.TrimPrefix(string(o.Body), `{"n":`), ",")
		got[o.Object()] = number
	}
	last := s.state.Load().lastEntry()
	must(t, s.Close())
	wantFilesIn(t, dir, overridesName)
	return got, last
}

// TestOverridesWriter is the process that is killed: it says what it will do, does it, and says that it is done. It
// opens the store again now and then, which compacts it.
func TestOverridesWriter(t *testing.T) {
	dir := os.Getenv(childDir)
	if dir == "" {
		t.Skip("TestOverridesKilled starts it")
	}
	var seed uint64
	fmt.Sscan(os.Getenv("GORB_TEST_SEED"), &seed)
	r := rand.New(rand.NewPCG(seed, 3))
	out := os.NewFile(3, "acknowledgements")
	fmt.Fprintln(out, "started")
	for {
		fmt.Fprintln(out, "open")
		s, err := OpenOverrides(dir)
		must(t, err)
		fmt.Fprintln(out, "ok")
		do := func(writes []Write, line string) {
			fmt.Fprintln(out, line)
			_, err := s.Write(t.Context(), writes, &Entry{Who: "the writer", What: line})
			must(t, err)
			fmt.Fprintln(out, "ok")
		}
		for range r.IntN(8) {
			var writes []Write
			var line []string
			for range 1 + r.IntN(4) { // together, of objects of their own
				object := fmt.Sprintf("s%d", len(writes)*10+r.IntN(10))
				if _, found := storedOf(s, object); found && r.IntN(2) == 0 {
					writes, line = append(writes, Write{Override: override("", object, "")}), append(line, "-"+object)
					continue
				}
				n := r.Int64()
				pad := strings.Repeat("x", r.IntN(2000))
				if r.IntN(6) == 0 {
					pad = strings.Repeat("x", 500_000)
				}
				writes = append(writes, Write{Override: override(spec.Set, object, fmt.Sprintf(`{"n":%d,"pad":"%s"}`, n, pad))})
				line = append(line, fmt.Sprintf("%s=%d", object, n))
			}
			do(writes, strings.Join(line, " "))
		}
		for _, o := range s.List() {
			if len(o.Body) >= 100_000 {
				do([]Write{{Override: override("", o.Object(), "")}}, "-"+o.Object())
			}
		}
		must(t, s.Close())
	}
}

// TestFullDisk runs TestStarved as a process of its own, as what a process may write cannot be bounded for a test.
func TestFullDisk(t *testing.T) {
	out, err := child(t, "TestStarved", t.TempDir()).CombinedOutput()
	if err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
}

// TestStarved writes while no file may be greater than 600 KiB, which is what a full disk does, but for the word.
func TestStarved(t *testing.T) {
	dir := os.Getenv(childDir)
	if dir == "" {
		t.Skip("TestFullDisk starts it")
	}
	signal.Ignore(syscall.SIGXFSZ)
	var unlimited syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &unlimited))
	allow := func(bytes uint64) {
		limit := unlimited
		limit.Cur = bytes
		must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
	}
	allow(600 << 10)
	s := openOverrides(t, dir)
	big := `{"a":"` + strings.Repeat("x", 300_000) + `"}`
	putOverride(t, s, override(spec.Set, "a", `{}`), override(spec.Set, "b", `{}`))
	before := told(s)
	var last error
	for range 5 {
		before = told(s)
		if _, last = stored(t.Context(), s, override(spec.Set, fmt.Sprintf("big%d", len(s.List())), big)); last != nil {
			break
		}
	}
	_, again := stored(t.Context(), s, override(spec.Set, "big", big))
	for _, err := range []error{last, again} {
		_, reason, _ := strings.Cut(fmt.Sprint(err), ": ")
		equal(t, "error", "write "+filepath.Join(dir, overridesName)+": file too large", reason)
	}
	_, err := s.Write(t.Context(), []Write{{Override: override(spec.Set, "small", `{}`)}, {Override: override(spec.Set, "big", big)}}, &Entry{Who: "me"})
	equal(t, "several", "override of small and 1 more: write "+filepath.Join(dir, overridesName)+": file too large", fmt.Sprint(err))
	equal(t, "after a failure", before, told(s))
	equal(t, "audit", 0, len(s.Audit(0, 10)))

	clearOverride(t, s, "big2") // for this there is room
	putOverride(t, s, override(spec.Set, "c", `{}`))
	before = told(s)
	s = reopened(t, s, dir)
	equal(t, "on disk", before, told(s))

	allow(unlimited.Cur)
	putOverride(t, s, override(spec.Set, "x", big), override(spec.Set, "y", big))
	before = told(s)
	s = reopened(t, s, dir)
	equal(t, "on disk", before, told(s))
	wantFilesIn(t, dir, overridesName)

	allow(100 << 10)
	l := NewLastGood(dir)
	small, large := goodCopy("https://a/", "one"), goodCopy("https://a/", strings.Repeat("x", 200_000))
	must(t, l.Save(small))
	equal(t, "error", "last good copy of https://a/: write "+l.path("https://a/")+": file too large", fmt.Sprint(l.Save(large)))
	equal(t, "and again", true, l.Save(large) != nil)
	got, err := l.Load("https://a/")
	must(t, err)
	equal(t, "the one before", small, got)
	wantFilesIn(t, l.dir, filepath.Base(l.path("https://a/")))
	allow(unlimited.Cur)
	must(t, l.Save(large))
}
