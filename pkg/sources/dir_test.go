package sources

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"pgregory.net/rapid"
)

// watchedDir is a Dir that runs until the test ends.
type watchedDir struct {
	*Dir
	*reads
}

func watchDir(t *testing.T, path string, log io.Writer, options ...func(*Dir)) *watchedDir {
	t.Helper()
	w := &watchedDir{Dir: NewDir(path, 2, zerolog.New(log))}
	w.Poll = time.Hour
	for _, o := range options {
		o(w.Dir)
	}
	w.reads = runSource(t, w.Dir)
	return w
}

// fill writes files of a directory: of each name, the service of a number.
func fill(t *testing.T, dir string, files map[string]int) {
	t.Helper()
	for name, n := range files {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		write(t, filepath.Join(dir, name), config(n))
	}
}

func TestDirWhatIsRead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "conf.d")
	fill(t, dir, map[string]int{
		"b.toml": 1, "a.TOML": 2, "#a.toml": 11, "#a.toml#": 12, ".a.toml": 13, ".a.toml.swp": 14, "a.toml~": 15, "a.swp": 16, "c.tmp": 17,
		"README": 18, "sub/d.toml": 19, "a.toml.dpkg-old": 20,
	})
	write(t, filepath.Join(dir, "c.json"), `{"services": {"s3": {"host": "10.0.0.3", "port": 80}}}`)
	write(t, filepath.Join(dir, "d.yaml"), "services: {s4: {host: 10.0.0.4, port: 80}}\n")
	write(t, filepath.Join(dir, "g.yml"), "services: {s5: {host: 10.0.0.5, port: 80}}\n")
	must(t, os.Symlink("sub", filepath.Join(dir, "e.toml")))
	must(t, os.Symlink("sub/d.toml", filepath.Join(dir, "f.toml")))
	must(t, os.Symlink("host@1:2", filepath.Join(dir, ".#b.toml"))) // emacs' lock
	var book logBook
	w := watchDir(t, dir, &book)
	r := w.want(t, "s1 s19 s2 s3 s4 s5")
	equal(t, "layer", 2, r.Layer)
	equal(t, "name", dir, w.Name())
	w.Reload()
	r = w.want(t, "s1 s19 s2 s3 s4 s5")
	equal(t, "same", true, r.Same && r.Asked)
	w.Confirm()
	equal(t, "same", true, w.want(t, "s1 s19 s2 s3 s4 s5").Again)
	equal(t, "said once", 1, book.count("subdirectory passed over", `/sub"`))
	equal(t, "said once", 1, book.count("subdirectory passed over", "/e.toml"))
	equal(t, "lines", 2, book.count(""))
}

func TestDirProblems(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	fill(t, dir, map[string]int{"a.toml": 1, "b.toml": 2})
	w := watchDir(t, dir, io.Discard)
	w.want(t, "s1 s2")
	steps := []struct {
		name  string
		spoil func()
		want  []string
	}{
		{"defined twice", func() { write(t, at("c.toml"), config(1)) }, []string{at("a.toml"), at("c.toml"), "s1"}},
		{"two bad ones", func() {
			write(t, at("c.toml"), "[services")
			write(t, at("b.toml"), "")
		}, []string{at("c.toml") + ":1:", at("b.toml") + ": there is no key in it"}},
		{"a link to nowhere", func() {
			fill(t, dir, map[string]int{"b.toml": 2})
			must(t, os.Remove(at("c.toml")))
			must(t, os.Symlink("nowhere", at("c.toml")))
		}, []string{at("c.toml") + ": no such file or directory"}},
		{"a FIFO", func() {
			must(t, os.Remove(at("c.toml")))
			must(t, syscall.Mkfifo(at("c.toml"), 0o600))
		}, []string{at("c.toml") + ": is a FIFO"}},
		{"empty", func() {
			for _, name := range []string{"a.toml", "b.toml", "c.toml"} {
				must(t, os.Remove(at(name)))
			}
		}, []string{dir + ": there is no .toml, .json or .yaml file in it"}},
		{"gone", func() { must(t, os.Remove(dir)) }, []string{dir + ": no such file or directory"}},
		{"a file", func() { write(t, dir, config(1)) }, []string{dir + ": is not a directory"}},
	}
	for _, tt := range steps {
		t.Run(tt.name, func(t *testing.T) {
			tt.spoil()
			var r Reading
			for { // a busy machine may show it the steps between
				r = receive(t, w.out)
				if r.Err != nil && !slices.ContainsFunc(tt.want, func(s string) bool { return !strings.Contains(r.Err.Error(), s) }) {
					break
				}
			}
			w.Confirm()
			equal(t, "same", true, w.wantErr(t, tt.want...).Same)
		})
	}
	must(t, os.Remove(dir))
	must(t, os.Mkdir(dir, 0o755))
	fill(t, dir, map[string]int{"a.toml": 1, "b.toml": 2})
	w.settle(t, "s1 s2")
}

func TestDirUnreadable(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root reads everything")
	}
	dir := filepath.Join(t.TempDir(), "conf.d")
	fill(t, dir, map[string]int{"a.toml": 1})
	w := watchDir(t, dir, io.Discard)
	w.want(t, "s1")
	must(t, os.Chmod(dir, 0))
	w.wantErr(t, dir+": permission denied")
	must(t, os.Chmod(dir, 0o700))
	w.want(t, "s1")
}

func TestDirFilesComeGoAndChange(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, map[string]int{"a.toml": 1, "b.toml": 2})
	// Ten times what it is, so that a busy machine is seldom taken for a pause.
	const still = 10 * defaultStill
	w := watchDir(t, dir, io.Discard, func(d *Dir) { d.Still = still })
	w.want(t, "s1 s2")
	begun := time.Now()
	fill(t, dir, map[string]int{"c.toml": 3})
	replace(t, filepath.Join(dir, "a.toml"), config(4))
	must(t, os.Remove(filepath.Join(dir, "b.toml")))
	w.wantAtOnce(t, "s3 s4", time.Since(begun), still)
	must(t, os.Rename(filepath.Join(dir, "c.toml"), filepath.Join(dir, "d.toml")))
	w.want(t, "s3 s4") // whose place is another
	must(t, os.Rename(filepath.Join(dir, "d.toml"), filepath.Join(dir, "d.toml~")))
	w.want(t, "s4")
}

func TestDirConfigMap(t *testing.T) {
	dir := t.TempDir()
	project := func(version string, n int) {
		t.Helper()
		fill(t, filepath.Join(dir, version), map[string]int{"a.toml": n, "b.toml": n + 1, "c.toml": n + 2})
		must(t, os.Symlink(version, filepath.Join(dir, "..data_tmp")))
		must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	}
	project("..2026_1", 1)
	for _, name := range []string{"a.toml", "b.toml", "c.toml"} {
		must(t, os.Symlink("..data/"+name, filepath.Join(dir, name)))
	}
	w := watchDir(t, dir, io.Discard)
	w.want(t, "s1 s2 s3")
	for n := 2; n < 6; n++ {
		project(fmt.Sprintf("..2026_%d", n), n)
		must(t, os.RemoveAll(filepath.Join(dir, fmt.Sprintf("..2026_%d", n-1))))
		w.want(t, fmt.Sprintf("s%d s%d s%d", n, n+1, n+2)) // and never a mixture
	}
	write(t, filepath.Join(dir, "..2026_5", "a.toml"), config(9)) // where only the links lead
	w.settle(t, "s6 s7 s9")
}

func TestDirBehindALink(t *testing.T) {
	top := t.TempDir()
	fill(t, top, map[string]int{"v1/a.toml": 1, "v1/b.toml": 2, "v2/a.toml": 3})
	link := filepath.Join(top, "current")
	must(t, os.Symlink("v1", link))
	w := watchDir(t, link, io.Discard)
	w.want(t, "s1 s2")
	must(t, os.Symlink("v2", link+".new"))
	must(t, os.Rename(link+".new", link))
	w.want(t, "s3")
	fill(t, top, map[string]int{"v2/b.toml": 4})
	w.settle(t, "s3 s4")
}

func TestDirStampIsOfWhatIsRead(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, map[string]int{"a.toml": 1})
	b := newBundle(dir, "", NewDir(dir, 0, zerolog.Nop()).Options, zerolog.Nop())
	b.dir = true
	before := b.stamp()
	fill(t, dir, map[string]int{".a.toml.swp": 2, "a.toml~": 3, "notes": 4, "4913": 5})
	equal(t, "what an editor does beside it", true, before.same(b.stamp()))
	info, err := os.Stat(filepath.Join(dir, "a.toml"))
	must(t, err)
	equal(t, "young", true, before.young(info.ModTime()))
	equal(t, "old", false, before.young(info.ModTime().Add(time.Hour)))
	must(t, os.Rename(filepath.Join(dir, "a.toml"), filepath.Join(dir, "b.toml")))
	equal(t, "another name", false, before.same(b.stamp()))
}

// TestDirAnyFiles: whatever is done to a directory, what is read is what is in it then.
func TestDirAnyFiles(t *testing.T) {
	pool := []string{"a.toml", "b.toml", "c.toml", ".d.toml", "e.toml~", "#f.toml#", "g.txt"}
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		must(t, err)
		b := newBundle(dir, "", NewDir(dir, 0, zerolog.Nop()).Options, zerolog.Nop())
		b.dir = true
		there := map[string]int{}
		var last outcome
		lastWant := ""
		for range rapid.IntRange(1, 8).Draw(rt, "steps") {
			i := rapid.IntRange(0, len(pool)-1).Draw(rt, "file")
			if n := 10*i + rapid.IntRange(0, 3).Draw(rt, "content"); n%10 == 0 {
				_ = os.Remove(filepath.Join(dir, pool[i]))
				delete(there, pool[i])
			} else {
				fill(t, dir, map[string]int{pool[i]: n})
				there[pool[i]] = n
			}
			var want []string
			for _, name := range pool[:3] {
				if n, ok := there[name]; ok {
					want = append(want, fmt.Sprintf("s%d", n))
				}
			}
			slices.Sort(want)
			is, decode, err := b.read()
			if (is == last) != (strings.Join(want, " ") == lastWant) && last != (outcome{}) {
				rt.Fatalf("%v after %s: the outcome is the same: %v", want, lastWant, is == last)
			}
			last, lastWant = is, strings.Join(want, " ")
			if len(want) == 0 {
				if err == nil {
					rt.Fatal("nothing is not an error")
				}
				continue
			}
			must(t, err)
			doc, err := decode()
			must(t, err)
			equal(t, "services", lastWant, names(t, doc))
		}
	})
}
