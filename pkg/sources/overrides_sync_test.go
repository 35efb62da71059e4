//go:build linux

package sources

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	bolt "go.etcd.io/bbolt"

	"github.com/gorb-io/gorb/internal/lab"
	"github.com/gorb-io/gorb/pkg/spec"
)

// onDisk begins a line in which a process says what would now outlast a crash of the machine.
const onDisk = "on disk: "

// TestOverridesAreSynced looks at the system calls of a process that writes: what it acknowledges is on the disk by then, and
// not only in the kernel's memory, which is all that a test that kills a process can tell.
func TestOverridesAreSynced(t *testing.T) {
	strace := lab.Need(t, "strace")
	tests := map[string]struct {
		is     func(t *testing.T, path string)
		opened string
	}{
		"missing": {func(t *testing.T, path string) { must(t, os.Remove(path)) }, "renamed"},
		"sound":   {func(*testing.T, string) {}, "nothing"},
		"damaged": {func(t *testing.T, path string) { must(t, os.Truncate(path, 100)) }, "renamed"},
		"of layout 1": {func(t *testing.T, path string) {
			inFile(t, path, func(tx *bolt.Tx) error { return putNumber(tx.Bucket(bucketGorb), keyLayout, 1) })
		}, "renamed"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir, path := filled(t, 3)
			tt.is(t, path)
			calls := filepath.Join(t.TempDir(), "calls")
			c := child(t, "TestOverridesAcknowledged", dir)
			c.Args = append([]string{
				strace, "-f", "-qq", "-y", "-e", "signal=none",
				"-e", "trace=write,pwrite64,ftruncate,fsync,fdatasync,?rename,?renameat,renameat2", "-o", calls, c.Path,
			}, c.Args[1:]...)
			c.Path = strace
			if out, err := c.CombinedOutput(); err != nil {
				t.Fatalf("%v:\n%s", err, out)
			}
			text, err := os.ReadFile(calls)
			must(t, err)
			d := disk{dir: dir, dirty: make(map[string]bool), begun: make(map[string]string), did: "nothing"}
			for line := range strings.Lines(string(text)) {
				d.saw(t, strings.TrimSpace(line))
			}
			equal(t, "acknowledged", []string{"open: " + tt.opened, "put: written", "record: written", "put anew: renamed"}, d.said)
		})
	}
}

// TestOverridesAcknowledged is the process that is looked at.
func TestOverridesAcknowledged(t *testing.T) {
	dir := os.Getenv(childDir)
	if dir == "" {
		t.Skip("TestOverridesAreSynced starts it")
	}
	s, err := OpenOverrides(dir)
	if s == nil {
		t.Fatal(err)
	}
	fmt.Println(onDisk + "open")
	putOverride(t, s, override(spec.Hide, "web", ""))
	fmt.Println(onDisk + "put")
	_, err = s.Record(t.Context(), Entry{Who: "me"})
	must(t, err)
	fmt.Println(onDisk + "record")
	must(t, os.Remove(s.file.path)) // the next write is of a new file
	putOverride(t, s, override(spec.Hide, "dns", ""))
	fmt.Println(onDisk + "put anew")
	must(t, s.Close())
}

// disk is what of a directory would be on disk, by the calls of a process.
type disk struct {
	dir   string
	dirty map[string]bool   // files, and the directory itself, that are not synced
	begun map[string]string // calls that others interrupt in what strace writes, by thread
	did   string            // what was done since it said something
	said  []string
}

var (
	straced   = regexp.MustCompile(`^(\w+)\((.*)\) += \d`) // a call that did not fail
	stracedFD = regexp.MustCompile(`^\d+<([^>]*)>`)
	quoted    = regexp.MustCompile(`"([^"]*)"`)
)

// saw takes in a line that strace -f -y wrote.
func (d *disk) saw(t *testing.T, line string) {
	t.Helper()
	thread, call, _ := strings.Cut(line, " ")
	call = strings.TrimSpace(call)
	if begin, cut := strings.CutSuffix(call, " <unfinished ...>"); cut {
		d.begun[thread] = begin
		return
	}
	if _, end, cut := strings.Cut(call, " resumed>"); cut {
		call = d.begun[thread] + end
	}
	parts := straced.FindStringSubmatch(call)
	if parts == nil {
		return
	}
	name, args, file := parts[1], parts[2], ""
	if fd := stracedFD.FindStringSubmatch(args); fd != nil {
		file = fd[1]
	}
	texts := quoted.FindAllStringSubmatch(args, -1)
	switch {
	case strings.HasPrefix(name, "rename"):
		equal(t, "renamed before it is synced", false, d.dirty[texts[0][1]])
		equal(t, "renamed to", filepath.Join(d.dir, overridesName), texts[1][1])
		d.dirty[d.dir], d.did = true, "renamed"
	case strings.HasSuffix(name, "sync"):
		delete(d.dirty, file)
	case strings.HasPrefix(file, d.dir+"/"):
		d.dirty[file] = true
		if d.did == "nothing" {
			d.did = "written"
		}
	case len(texts) > 0 && strings.HasPrefix(texts[0][1], onDisk):
		what := strings.TrimSuffix(strings.TrimPrefix(texts[0][1], onDisk), `\n`)
		equal(t, "not synced at "+what, "", strings.Join(slices.Sorted(maps.Keys(d.dirty)), ", "))
		d.said, d.did = append(d.said, what+": "+d.did), "nothing"
	}
}

// TestOverridesAreSeenOnDisk: a reader sees nothing of a write that is on its way to the disk.
func TestOverridesAreSeenOnDisk(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := openOverrides(t, dir)
		putOverride(t, s, override(spec.Hide, "web", ""))
		<-s.Changed()
		hold := unwritable(t, s)
		done := make(chan error, 1)
		go func() {
			_, err := s.Write(t.Context(), []Write{{Override: override(spec.Hide, "dns", "")}}, &Entry{Who: "me"})
			done <- err
		}()
		synctest.Wait() // it waits for the lock of the file
		seen := func() string {
			list, revision := s.Snapshot()
			return fmt.Sprintln(told(s), len(list), len(s.Kept()), revision, s.Revision(), len(s.Audit(0, 10)), len(s.changed), len(done))
		}
		equal(t, "before", "1 hide web \n 1 1 1 1 0 0 0\n", seen())
		hold()
		must(t, <-done)
		equal(t, "after", "2 hide dns \n1 hide web \n 2 2 2 2 1 1 0\n", seen())
	})
}
