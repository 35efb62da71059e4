package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/reconcile"
)

// An apiWorld is a daemon as run makes it, over a Fake in place of the kernel, and its API on a port of its own.
type apiWorld struct {
	t      testing.TB
	kernel *kernel.Fake
	dir    string
	file   string // gorb.toml
	url    string
	log    *syncLog
	flags  legacy // for the next start
	end    func() // ends it, and waits until it has
}

// newAPIWorld starts a daemon whose gorb.toml has the settings of [gorb] that tests need and then config. Keys of [gorb]
// itself may be at its beginning.
func newAPIWorld(t testing.TB, config string) *apiWorld {
	t.Helper()
	w := &apiWorld{t: t, kernel: kernel.NewFake(), dir: t.TempDir(), log: &syncLog{}}
	w.file = filepath.Join(w.dir, "gorb.toml")
	w.declare(config)
	w.start()
	return w
}

// declare writes gorb.toml.
func (w *apiWorld) declare(config string) {
	w.t.Helper()
	text := fmt.Sprintf("[gorb]\nstate_dir = %q\nsocket = %q\nlisten = \"127.0.0.1:0\"\n%s", filepath.Join(w.dir, "state"), w.socket(), config)
	if err := os.WriteFile(w.file+".swp", []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(w.file+".swp", w.file); err != nil {
		w.t.Fatal(err)
	}
}

func (w *apiWorld) socket() string { return filepath.Join(w.dir, "gorb.sock") }

// socketIsThere says whether somebody listens at the socket.
func (w *apiWorld) socketIsThere() bool {
	conn, err := net.Dial("unix", w.socket())
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// start starts the daemon, and waits until its API listens and the table is kept.
func (w *apiWorld) start() {
	w.t.Helper()
	w.log.reset()
	d := &daemon{program: &program{stdout: io.Discard, stderr: io.Discard}, log: zerolog.New(w.log).Level(zerolog.InfoLevel), open: w.hold, legacy: w.flags}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.run(ctx, []string{w.file}) }()
	w.end = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("the daemon: %v", err)
		}
	})
	w.t.Cleanup(w.end)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		select {
		case err := <-done:
			done <- err
			w.t.Fatalf("the daemon ended: %v\n%s", err, w.log)
		default:
		}
		if addr := w.log.listens(); addr != "" {
			w.url = "http://" + addr
			if code, _ := w.ask("GET", "/readyz", ""); code == http.StatusOK && w.socketIsThere() {
				return
			}
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("the API does not listen, or gorb is not ready:\n%s", w.log)
		}
	}
}

// hold is what opens the table: the Fake, and nothing of the host.
func (w *apiWorld) hold(_ context.Context, stateDir string) (*holding, error) {
	store := reconcile.NewStore(stateDir, reconcile.Place{BootID: "boot", Namespace: "1:1"})
	if err := store.Prepare(); err != nil {
		return nil, err
	}
	memory, _ := store.Load() // at the first start there is none
	return &holding{
		Keeper: reconcile.NewKeeper(w.kernel, nil, store, memory), release: func() error { return nil },
		reader: func(context.Context) (tableReader, error) { return w.kernel, nil },
	}, nil
}

// ask makes a request with a JSON body, "": none, and returns the status and the body of the answer.
func (w *apiWorld) ask(method, path, body string) (int, string) {
	w.t.Helper()
	answer := w.request(method, path, body, nil)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// patient is the path of a request whose answer, if it is to a change, waits for the kernel for as long as an answer may,
// unless the path says how long.
func patient(method, path string) string {
	changes := method != http.MethodGet && (strings.Contains(path, "/service") || strings.Contains(path, "/overrides"))
	switch {
	case !changes || strings.Contains(path, "wait="):
		return path
	case strings.Contains(path, "?"):
		return path + "&wait=45s"
	}
	return path + "?wait=45s"
}

// request makes a patient request; the caller closes the body of the answer.
func (w *apiWorld) request(method, path, body string, header http.Header) *http.Response {
	w.t.Helper()
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url+patient(method, path), content)
	if err != nil {
		w.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for name, values := range header {
		r.Header[name] = values
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer
}

// want makes a request that must have a status, and decodes the answer into into; nil: it is dropped.
func (w *apiWorld) want(code int, method, path, body string, into any) {
	w.t.Helper()
	got, text := w.ask(method, path, body)
	if got != code {
		w.t.Fatalf("%s %s %s: %d, want %d\n%s", method, path, body, got, code, text)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		w.t.Fatalf("%s %s: %v\n%s", method, path, err, text)
	}
}

// syncLog keeps a log in JSON.
type syncLog struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (l *syncLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *syncLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *syncLog) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Reset()
}

// listens is where the log says that the API listens; "": it does not say it.
func (l *syncLog) listens() string {
	for line := range strings.Lines(l.String()) {
		var entry struct{ Listen, Message string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Message == "the API listens" {
			return entry.Listen
		}
	}
	return ""
}

// TestAPIWorld makes a service, and finds it in the table.
func TestAPIWorld(t *testing.T) {
	w := newAPIWorld(t, "[services.web]\nhost = \"10.0.0.1\"\nport = 80\n")
	w.want(200, "PUT", "/service/web/a", `{"host": "10.1.0.1", "port": 8080, "pulse": {"type": "none"}}`, nil)
	w.want(200, "PATCH", "/service/web/a", `{"weight": 7}`, nil)
	table, err := w.kernel.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := "-A -t 10.0.0.1:80 -s wrr\n-a -t 10.0.0.1:80 -r 10.1.0.1:8080 -m -w 7\n"; table.String() != want {
		t.Errorf("the table is\n%swant\n%s", table, want)
	}
	w.end()
	w.start()
	w.want(200, "GET", "/service/web/a", "", nil)
}

// table is what the kernel has.
func (w *apiWorld) table() kernel.Table {
	w.t.Helper()
	table, err := w.kernel.Observe(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return table
}
