package httpapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/gorb-io/gorb/pkg/spec"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func listen(t *testing.T, path string) net.Listener {
	t.Helper()
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestListen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "gorb.sock")
	l := listen(t, path)
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != fs.ModeSocket|0o660 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
	var used *InUseError
	if _, err := Listen(path); !errors.As(err, &used) || used.Path != path {
		t.Errorf("beside another: %v", err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("there is left %v, %v", left, err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Close: %v", err)
	}
}

// TestListenReplacesStale has a process that was killed leave its socket.
func TestListenReplacesStale(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gorb.sock")
	killed, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	killed.SetUnlinkOnClose(false)
	killed.Close()
	l := listen(t, path)

	// One that came in its place stays when the first one closes.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	listen(t, path)
	l.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Error(err)
	}
}

func TestListenRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gorb.sock")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		file:                               "socket " + file + ": there is something else of this name",
		filepath.Join(file, "gorb.sock"):   "socket: mkdir " + file + ": not a directory",
		"/tmp/" + strings.Repeat("x", 200): "socket /tmp/" + strings.Repeat("x", 200) + ": invalid argument",
	} {
		if _, err := Listen(path); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "precious" {
		t.Errorf("the file has %q, %v", text, err)
	}
}

// serve answers on a socket of its own, and returns its client and what ends it.
func serve(t *testing.T, h http.Handler, log io.Writer) (*Client, func() error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gorb.sock")
	l := listen(t, path)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, l, h, zerolog.New(log)) }()
	end := func() error {
		cancel()
		err, ok := <-done
		if ok {
			close(done)
		}
		return err
	}
	t.Cleanup(func() { end() })
	return NewClient(path), end
}

func TestServe(t *testing.T) {
	type body struct{ Name string }
	mux := http.NewServeMux()
	mux.Handle("POST /echo/{word}", Handle(func(r *http.Request) (any, error) {
		var b body
		if err := Read(r, &b); err != nil {
			return nil, err
		}
		return body{b.Name + r.PathValue("word")}, nil
	}))
	mux.Handle("GET /nothing", Handle(func(*http.Request) (any, error) { return nil, nil }))
	mux.Handle("GET /problems", Handle(func(*http.Request) (any, error) {
		return nil, spec.Problems{{Source: "x", Path: "services.web.port", Message: "70000 is over 65535"}}
	}))
	mux.Handle("GET /broken", Handle(func(*http.Request) (any, error) { return nil, errors.New("it is broken") }))
	mux.Handle("GET /panic", Handle(func(*http.Request) (any, error) { panic("a bug") }))
	mux.Handle("/", Handle(NotFound))
	var log bytes.Buffer
	c, end := serve(t, mux, &log)

	var got body
	if err := c.Do(t.Context(), "POST", "/echo/a%2Fb", body{"web"}, &got); err != nil || got.Name != "weba/b" {
		t.Errorf("got %v, %v", got, err)
	}
	if err := c.Do(t.Context(), "GET", "/nothing", nil, nil); err != nil {
		t.Error(err)
	}
	long := map[string]string{"Name": strings.Repeat("x", maxBody)}
	for _, tt := range []struct {
		method, path string
		body         any
		code         int
		want         string
	}{
		{"GET", "/problems", nil, 422, "what was sent cannot be used\nservices.web.port: 70000 is over 65535"},
		{"GET", "/broken", nil, 500, "it is broken"},
		{"GET", "/nowhere", nil, 404, "there is no such route"},
		{"POST", "/echo/x", nil, 400, "the body is no such JSON: it is empty"},
		{"POST", "/echo/x", map[string]int{"Weight": 1}, 400, `the body is no such JSON: json: unknown field "Weight"`},
		{"POST", "/echo/x", []int{1}, 400, "the body is no such JSON: json: cannot unmarshal array into Go value of type httpapi.body"},
		{"POST", "/echo/x", long, 413, "the body is over 1 MiB"},
	} {
		var f *Failure
		if err := c.Do(t.Context(), tt.method, tt.path, tt.body, nil); !errors.As(err, &f) || f.Code != tt.code || f.Error() != tt.want {
			t.Errorf("%s %s: got %v\nwant %d %s", tt.method, tt.path, err, tt.code, tt.want)
		}
	}
	if err := c.Do(t.Context(), "GET", "/panic", nil, nil); err == nil {
		t.Error("a panic is no error")
	}
	if err := c.Do(t.Context(), "GET", "/nothing", nil, nil); err != nil {
		t.Errorf("after it: %v", err)
	}
	if err := end(); err != nil || !strings.Contains(log.String(), "a bug") {
		t.Errorf("the end: %v; the log: %s", err, log.String())
	}
	if err := c.Do(t.Context(), "GET", "/nothing", nil, nil); !errors.Is(err, ErrNoDaemon) {
		t.Errorf("when it has ended: %v", err)
	}
}

// TestServeEnds has a handler that never answers: the server ends all the same.
func TestServeEnds(t *testing.T) {
	begun := make(chan struct{})
	c, end := serve(t, Handle(func(r *http.Request) (any, error) {
		close(begun)
		<-r.Context().Done()
		return nil, r.Context().Err()
	}), io.Discard)
	asked := make(chan error, 1)
	go func() { asked <- c.Do(t.Context(), "GET", "/", nil, nil) }()
	<-begun
	if err := end(); err != nil {
		t.Error(err)
	}
	select {
	case <-asked:
	case <-time.After(time.Minute):
		t.Fatal("the client still waits")
	}
}
