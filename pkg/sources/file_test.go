package sources

import (
	"context"
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
	out chan Reading
}

// watchFile runs a File that hears of changes and never polls, unless the options say otherwise.
func watchFile(t *testing.T, path string, first *spec.Document, options ...func(*File)) *watched {
	t.Helper()
	w := &watched{File: NewFile(path, 0, "", zerolog.Nop(), first), out: make(chan Reading)}
	w.Poll = time.Hour
	for _, o := range options {
		o(w.File)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx, w.out) }()
	t.Cleanup(func() {
		cancel()
		if err := receive(t, done); err != nil {
			t.Errorf("Run returned %v", err)
		}
	})
	return w
}

// want takes the next reading, which must be a good one with these services.
func (w *watched) want(t *testing.T, services string) Reading {
	t.Helper()
	r := receive(t, w.out)
	must(t, r.Err)
	equal(t, "services", services, names(t, r.Document))
	return r
}

// settle takes readings until one is good and has these services.
func (w *watched) settle(t *testing.T, services string) {
	t.Helper()
	for {
		if r := receive(t, w.out); r.Err == nil && names(t, r.Document) == services {
			return
		}
	}
}

// wantErr takes the next reading, which must be a bad one.
func (w *watched) wantErr(t *testing.T, part string) Reading {
	t.Helper()
	r := receive(t, w.out)
	if r.Err == nil || !strings.Contains(r.Err.Error(), part) {
		t.Fatalf("got error %v, want %q", r.Err, part)
	}
	return r
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
	w.confirm()
	r := w.want(t, "s1") // the answer, not the changes before it
	equal(t, "again", true, r.Again)
	equal(t, "same", true, r.Same)

	replace(t, path, config(1))
	write(t, path, config(2))
	r = w.want(t, "s2") // and nothing after it
	equal(t, "again", false, r.Again)
	equal(t, "same", false, r.Same)
}

func TestFileBadIsDeliveredOnce(t *testing.T) {
	tests := map[string]struct {
		spoil func(t *testing.T, path string)
		want  string
	}{
		"syntax":    {func(t *testing.T, path string) { write(t, path, "[services") }, "gorb.toml"},
		"no key":    {func(t *testing.T, path string) { write(t, path, "") }, "there is no key in it"},
		"gone":      {func(t *testing.T, path string) { must(t, os.Remove(path)) }, "no such file or directory"},
		"too big":   {func(t *testing.T, path string) { must(t, os.Truncate(path, spec.MaxSize+1)) }, "is over 16 MiB"},
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
			w.wantErr(t, tt.want)
			w.confirm()
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
	// Ten times what it is, so that a busy machine is not taken for a pause of the writer.
	w := watchFile(t, path, document(t, config(1)), func(f *File) { f.Still = 10 * defaultStill })
	w.want(t, "s1")

	var all []int
	f, err := os.Create(path)
	must(t, err)
	for n := range 20 {
		all = append(all, n+1)
		_, err := io.WriteString(f, strings.TrimPrefix(config(n+1), "[services]\n")) // each part is a document
		must(t, err)
		time.Sleep(10 * time.Millisecond)
	}
	must(t, f.Close())
	w.want(t, names(t, document(t, config(all...)))) // and not one of the halves
}

func TestFileManyWrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gorb.toml")
	write(t, path, config(1))
	w := watchFile(t, path, document(t, config(1)))
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
		w.confirm()
		r = w.want(t, "s1")
		equal(t, "same", true, r.Same && r.Again && !r.Asked)
	}
}

func TestFileStopsWhileNobodyListens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gorb.toml")
	write(t, path, config(1))
	watchFile(t, path, document(t, config(1)), func(f *File) { f.Still = 0 }) // its first reading is never taken
}
