package sources

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "gorb.toml"), config(1, 2))
	write(t, filepath.Join(dir, "gorb.json"), `{"services": {"s1": {"host": "10.0.0.1", "port": 80}}}`)
	write(t, filepath.Join(dir, "gorb"), config(3))
	write(t, filepath.Join(dir, "none.toml"), "[services]\n")
	must(t, os.Symlink("gorb.toml", filepath.Join(dir, "link.toml")))

	tests := map[string]struct {
		name   string
		format spec.Format
		want   string
	}{
		"toml by ending":           {name: "gorb.toml", want: "s1 s2"},
		"json by ending":           {name: "gorb.json", want: "s1"},
		"format given":             {name: "gorb", format: spec.TOML, want: "s3"},
		"through a link":           {name: "link.toml", want: "s1 s2"},
		"an empty table says none": {name: "none.toml", want: ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, tt.name)
			doc, err := Read(t.Context(), path, tt.format, nil)
			must(t, err)
			equal(t, "services", tt.want, names(t, doc))
			equal(t, "name", path, doc.Name())
		})
	}
}

func TestReadRefuses(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	must(t, os.Mkdir(at("dir.toml"), 0o755))
	write(t, at("empty.toml"), "")
	write(t, at("comment.toml"), "# nothing yet\n")
	write(t, at("gorb.conf"), config(1))
	write(t, at("bad.toml"), "[services\n")
	write(t, at("big.toml"), "")
	must(t, os.Truncate(at("big.toml"), spec.MaxSize+1))
	must(t, os.Symlink("loop.toml", at("loop.toml")))
	t.Chdir(dir) // the path of a socket may have some 100 bytes only
	socket, err := net.Listen("unix", "socket.toml")
	must(t, err)
	defer socket.Close()

	tests := map[string]struct {
		name string
		want string
	}{
		"directory":      {at("dir.toml"), at("dir.toml") + ": there is no .toml, .json or .yaml file in it; one with an empty [services] says that there are none"},
		"socket":         {at("socket.toml"), at("socket.toml") + ": is a socket, not a file"},
		"device":         {"/dev/null", "/dev/null: is a device, not a file"},
		"missing":        {at("none.toml"), at("none.toml") + ": no such file or directory"},
		"loop":           {at("loop.toml"), at("loop.toml") + ": too many levels of symbolic links"},
		"empty":          {at("empty.toml"), at("empty.toml") + ": there is no key in it; an empty [services] says that there are none"},
		"only a comment": {at("comment.toml"), at("comment.toml") + ": there is no key in it; an empty [services] says that there are none"},
		"unknown ending": {at("gorb.conf"), at("gorb.conf") + ": the name ends in none of .toml, .json, .yaml and .yml"},
		"too big":        {at("big.toml"), at("big.toml") + ": is over 64 MiB"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Read(t.Context(), tt.name, "", nil)
			if err == nil {
				t.Fatal("was read")
			}
			equal(t, "error", tt.want, err.Error())
			equal(t, "is missing", name == "missing", errors.Is(err, fs.ErrNotExist))
		})
	}
	if _, err := Read(t.Context(), at("bad.toml"), "", nil); err == nil {
		t.Error("bad syntax was read")
	} else if _, ok := errors.AsType[spec.Problems](err); !ok {
		t.Errorf("bad syntax gives %T, want spec.Problems", err)
	}
}

func TestReadStdin(t *testing.T) {
	for _, name := range []string{"-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"} {
		doc, err := Read(t.Context(), name, "", strings.NewReader(config(1)))
		must(t, err)
		equal(t, "services", "s1", names(t, doc))
		equal(t, "name", "stdin", doc.Name())
	}
	doc, err := Read(t.Context(), "-", spec.JSON, strings.NewReader(`{"services": {}}`))
	must(t, err)
	equal(t, "services", "", names(t, doc))

	_, err = Read(t.Context(), "-", "", strings.NewReader(""))
	equal(t, "error", "stdin: there is no key in it; an empty [services] says that there are none", fmt.Sprint(err))

	endless := &counter{}
	_, err = Read(t.Context(), "-", "", endless)
	equal(t, "error", "stdin: is over 64 MiB", fmt.Sprint(err))
	if endless.n > 2*spec.MaxSize {
		t.Errorf("%d bytes were read", endless.n)
	}
}

// counter is an endless comment that counts what is read of it.
type counter struct{ n int }

func (c *counter) Read(p []byte) (int, error) {
	copy(p, bytes.Repeat([]byte{'#'}, len(p)))
	c.n += len(p)
	return len(p), nil
}

func TestReadStdinCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	defer w.Close() // ends the read that cannot be ended otherwise
	cancel()
	if _, err := Read(ctx, "-", "", r); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want cancelled", err)
	}
}

func TestReadFIFO(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	must(t, syscall.Mkfifo(path, 0o600))
	wrote := make(chan error, 1)
	go func() {
		w, err := os.OpenFile(path, os.O_WRONLY, 0) // waits for the reader
		if err == nil {
			_, err = io.WriteString(w, config(1)+strings.Repeat("# more than a pipe holds\n", 8000))
			w.Close()
		}
		wrote <- err
	}()
	doc, err := Read(t.Context(), path, "", nil)
	must(t, err)
	must(t, receive(t, wrote))
	equal(t, "services", "s1", names(t, doc))
}

func TestReadProcessSubstitution(t *testing.T) {
	if _, err := os.Stat("/dev/fd"); err != nil {
		t.Skip("there is no /dev/fd")
	}
	for name, text := range map[string]string{"text": config(1), "nothing": ""} {
		t.Run(name, func(t *testing.T) {
			r, w, err := os.Pipe()
			must(t, err)
			defer r.Close()
			_, err = io.WriteString(w, text)
			must(t, err)
			must(t, w.Close())
			doc, err := Read(t.Context(), fmt.Sprintf("/dev/fd/%d", r.Fd()), "", nil)
			if text == "" {
				if err == nil || !strings.Contains(err.Error(), "there is no key in it") {
					t.Fatalf("got %v", err) // also where it did not see that it had ended
				}
				return
			}
			must(t, err)
			equal(t, "services", "s1", names(t, doc))
		})
	}
}

// TestReadDescriptor reads a file that the program was started with open, as a shell's 3<gorb.toml has it.
func TestReadDescriptor(t *testing.T) {
	if _, err := os.Stat("/dev/fd"); err != nil {
		t.Skip("there is no /dev/fd")
	}
	path := filepath.Join(t.TempDir(), "gorb")
	write(t, path, config(1))
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	name := fmt.Sprintf("/dev/fd/%d", f.Fd())
	doc, err := Read(t.Context(), name, "", nil)
	must(t, err)
	equal(t, "services", "s1", names(t, doc))
	equal(t, "not watched", true, NewFile(name, 0, "", zerolog.Nop(), doc).constant)
}

func TestReadFIFOThatIsSilent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	must(t, syscall.Mkfifo(path, 0o600))
	want := path + ": did not deliver within 50ms"

	_, err := readPipe(t.Context(), path, 50*time.Millisecond)
	equal(t, "error without a writer", want, fmt.Sprint(err))

	w, err := os.OpenFile(path, os.O_RDWR, 0) // a writer that does not end
	must(t, err)
	defer w.Close()
	_, err = readPipe(t.Context(), path, 50*time.Millisecond)
	equal(t, "error with a silent writer", want, fmt.Sprint(err))
	_, err = io.WriteString(w, config(1))
	must(t, err)
	_, err = readPipe(t.Context(), path, 50*time.Millisecond)
	equal(t, "error with a writer that does not end", want, fmt.Sprint(err))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := readPipe(ctx, path, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want cancelled", err)
	}
}
