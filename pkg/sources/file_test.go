package sources

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

// watched is a File that runs until the test ends.
type watched struct {
	*File
	*reads
}

// watchFile runs a File that hears of changes and never polls, unless the options say otherwise.
func watchFile(t *testing.T, path string, first *spec.Document, options ...func(*File)) *watched {
	t.Helper()
	w := &watched{File: NewFile(path, 0, "", zerolog.Nop(), first)}
	w.Poll = time.Hour
	for _, o := range options {
		o(w.File)
	}
	w.reads = runSource(t, w.File)
	return w
}

func TestFileAppears(t *testing.T) {
	path := filepath.Join(t.TempDir(), "etc", "gorb", "gorb.toml")
	w := watchFile(t, path, nil)
	w.Reload()
	r := w.wantErr(t, "no such file or directory")
	equal(t, "asked", true, r.Asked)
	equal(t, "that it is missing is known", true, r.Same)
	must(t, os.Mkdir(filepath.Dir(filepath.Dir(path)), 0o755))
	must(t, os.Mkdir(filepath.Dir(path), 0o755))
	write(t, path, config(1))
	w.settle(t, "s1")
}

func TestFileUnchangedIsNotDelivered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gorb.toml")
	write(t, path, config(1))
	w := watchFile(t, path, document(t, config(1)))
	equal(t, "first reading is the same", false, w.want(t, "s1").Same)

	must(t, os.Chtimes(path, time.Time{}, time.Unix(1, 0)))
	must(t, os.Chmod(path, 0o600))
	replace(t, path, config(1))
	w.Confirm()
	r := w.want(t, "s1") // the answer, not the changes before it
	equal(t, "again", true, r.Again)
	equal(t, "same", true, r.Same)

	replace(t, path, config(1))
	replace(t, path, config(2))
	r = w.want(t, "s2") // and nothing after it
	equal(t, "again", false, r.Again)
	equal(t, "same", false, r.Same)
}

func TestFileBadIsDeliveredOnce(t *testing.T) {
	tests := map[string]struct {
		spoil func(t *testing.T, path string)
		want  string
	}{
		"syntax":    {func(t *testing.T, path string) { write(t, path, "[services") }, "gorb.toml:1:"},
		"no key":    {func(t *testing.T, path string) { write(t, path, "") }, "there is no key in it"},
		"gone":      {func(t *testing.T, path string) { must(t, os.Remove(path)) }, "no such file or directory"},
		"too big":   {func(t *testing.T, path string) { must(t, os.Truncate(path, spec.MaxSize+1)) }, "is over 64 MiB"},
		"directory": {func(t *testing.T, path string) { must(t, os.Remove(path)); must(t, os.Mkdir(path, 0o755)) }, "is a directory"},
		"fifo":      {func(t *testing.T, path string) { must(t, os.Remove(path)); must(t, syscall.Mkfifo(path, 0o600)) }, "is a FIFO"},
		"dangling": {
			func(t *testing.T, path string) { must(t, os.Remove(path)); must(t, os.Symlink("nowhere", path)) },
			"no such file or directory",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "gorb.toml")
			write(t, path, config(1))
			// Polls try again what cannot be read, and do not say so again.
			w := watchFile(t, path, document(t, config(1)), func(f *File) { f.Poll = 20 * time.Millisecond })
			w.want(t, "s1")
			tt.spoil(t, path)
			w.settleErr(t, tt.want)
			w.Confirm()
			r := w.wantErr(t, tt.want)
			equal(t, "same", true, r.Same && r.Again)
			w.Reload()
			r = w.wantErr(t, tt.want)
			equal(t, "same", true, r.Same && r.Asked)

			must(t, os.RemoveAll(path))
			replace(t, path, config(1)) // what it was before is news
			w.settle(t, "s1")
		})
	}
}

func TestFileUnreadable(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root reads everything")
	}
	path := filepath.Join(t.TempDir(), "gorb.toml")
	write(t, path, config(1))
	w := watchFile(t, path, document(t, config(1)))
	w.want(t, "s1")
	must(t, os.Chmod(path, 0))
	w.wantErr(t, path+": permission denied")
	must(t, os.Chmod(path, 0o600))
	w.want(t, "s1")
}

func TestFileSlowWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gorb.toml")
	write(t, path, config(1))
	// Ten times what it is, so that a busy machine is seldom taken for a pause of the writer.
	const still = 10 * defaultStill
	w := watchFile(t, path, document(t, config(1)), func(f *File) { f.Still = still })
	w.want(t, "s1")

	var all []int
	var longest time.Duration // from before one part to behind the next
	before := time.Now()
	f, err := os.Create(path)
	must(t, err)
	for n := range 20 {
		at := time.Now()
		all = append(all, n+1)
		_, err := io.WriteString(f, strings.TrimPrefix(config(n+1), "[services]\n")) // each part is a document
		must(t, err)
		longest, before = max(longest, time.Since(before)), at
		time.Sleep(10 * time.Millisecond)
	}
	must(t, f.Close())
	w.wantAtOnce(t, names(t, document(t, config(all...))), longest, still) // and not one of the halves
}

func TestFileManyWrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gorb.toml")
	write(t, path, config(1))
	// Ten times what it is, so that a busy machine, which writes more slowly, is not told of each.
	w := watchFile(t, path, document(t, config(1)), func(f *File) { f.Still = 10 * defaultStill })
	w.want(t, "s1")
	go func() {
		for n := range 100 {
			_ = os.WriteFile(path, []byte(config(n%7+2)), 0o600)
			time.Sleep(10 * time.Millisecond)
		}
		_ = os.WriteFile(path, []byte(config(9)), 0o600)
	}()
	for n := 1; ; n++ {
		if n > 50 {
			t.Fatal("so many deliveries")
		}
		if r := receive(t, w.out); r.Err == nil && names(t, r.Document) == "s9" {
			return
		}
	}
}

func TestFileReloadIsImpatient(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gorb.toml")
	write(t, path, config(1))
	// It never becomes still enough to be read on its own account.
	w := watchFile(t, path, document(t, config(1)), func(f *File) { f.Still = time.Hour })
	began := time.Now()
	w.Reload()
	w.Reload()
	r := w.want(t, "s1")
	equal(t, "asked", true, r.Asked)
	if took := time.Since(began); took < patience/2 {
		t.Errorf("did not wait for stillness: %v", took)
	}
}

func TestFilePolls(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gorb.toml")
	write(t, path, config(1))
	var book logBook
	w := watchFile(t, path, document(t, config(1)), func(f *File) {
		f.Poll = 20 * time.Millisecond
		f.log = zerolog.New(&book)
		f.notify = func() (*fsnotify.Watcher, error) { return nil, errors.New("too many open files") }
	})
	w.want(t, "s1")
	write(t, path, config(1, 2))
	w.settle(t, "s1 s2")
	must(t, os.RemoveAll(filepath.Dir(path)))
	w.wantErr(t, "no such file or directory")
	equal(t, "lines", 1, book.count("changes cannot be watched, only polled for", "too many open files"))
}

func TestFileThatWasAPipeIsConstant(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	must(t, syscall.Mkfifo(path, 0o600))
	for _, name := range []string{path, "-", "/dev/stdin"} {
		w := watchFile(t, name, document(t, config(1)))
		equal(t, "same", false, w.want(t, "s1").Same)
		w.Reload()
		r := w.want(t, "s1")
		equal(t, "same", true, r.Same && r.Asked && !r.Again)
		w.Confirm()
		r = w.want(t, "s1")
		equal(t, "same", true, r.Same && r.Again && !r.Asked)
	}
}

func TestFileStopsWhileNobodyListens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gorb.toml")
	write(t, path, config(1))
	watchFile(t, path, document(t, config(1)), func(f *File) { f.Still = 0 }) // its first reading is never taken
}
