package httpapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		for answer := range undocumented.Range {
			fmt.Fprintln(os.Stderr, "an answer that the document does not know:", answer)
			code = 1
		}
		os.Exit(code)
	}))
}

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
	go func() { done <- Serve(ctx, l, h, Peers, zerolog.New(log)) }()
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

// withRoutes is an API that has routes of a test, as it has its own.
func withRoutes(d Daemon, log io.Writer, add func(a *api)) http.Handler {
	mux := http.NewServeMux()
	a := &api{daemon: d, access: open(), log: zerolog.New(log), unkept: newVoice()}
	a.huma = newHuma(mux, "v1", a.answered)
	a.huma.UseMiddleware(a.enter)
	add(a)
	return a.outer(mux)
}

// route registers a route that answers with what a function does.
func route[O any](a *api, method, path string, answer func(c *caller) (O, error)) {
	o := operation{method: method, path: path, id: method + path, need: Need{Role: spec.RoleRead, Changes: method != http.MethodGet}}
	register(a, o, func(_ context.Context, c *caller, _ *struct{}) (*reply[O], error) {
		out, err := answer(c)
		return ok(out), err
	})
}

func TestServe(t *testing.T) {
	type body struct{ Name string }
	f, _ := fake(t)
	var log bytes.Buffer
	c, end := serve(t, withRoutes(f, &log, func(a *api) {
		route(a, "POST", "/echo/{word}", func(c *caller) (b body, err error) {
			err = Read(c.Request, &b)
			b.Name += c.PathValue("word")
			return b, err
		})
		route(a, "GET", "/nothing", func(*caller) (isDone, error) { return isDone{}, nil })
		route(a, "GET", "/problems", func(*caller) (isDone, error) {
			return isDone{}, spec.Problems{{Source: "x", Path: "services.web.port", Message: "70000 is over 65535"}}
		})
		route(a, "GET", "/broken", func(*caller) (isDone, error) { return isDone{}, errors.New("it is broken") })
		route(a, "GET", "/panic", func(*caller) (isDone, error) { panic("a bug") })
	}), &log)

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
		{"POST", "/echo/x", map[string]int{"Weight": 1}, 422, "what was sent cannot be used\nWeight: there is no such key"},
		{"POST", "/echo/x", []int{1}, 400, "the body is no such JSON\nit is of the wrong type, wanted an object"},
		{"POST", "/echo/x", long, 413, "the body is over 1 MiB"},
	} {
		var f *Failure
		if err := c.Do(t.Context(), tt.method, tt.path, tt.body, nil); !errors.As(err, &f) || f.Code != tt.code || f.Error() != tt.want {
			t.Errorf("%s %s: got %v\nwant %d %s", tt.method, tt.path, err, tt.code, tt.want)
		}
	}
	var failed *Failure
	if err := c.Do(t.Context(), "GET", "/panic", nil, nil); !errors.As(err, &failed) || failed.Code != 500 {
		t.Errorf("a panic: %v", err)
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
	f, _ := fake(t)
	c, end := serve(t, withRoutes(f, io.Discard, func(a *api) {
		route(a, "GET", "/", func(c *caller) (isDone, error) {
			close(begun)
			<-c.Context().Done()
			return isDone{}, c.Context().Err()
		})
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
