package httpapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/reconcile"
	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// fakeDaemon is a store of overrides in memory and the layers that judge them over one document. What else there is to be
// told is what the test has it say.
type fakeDaemon struct {
	*sources.OverrideStore
	layers *sources.Layers // nil: nobody looks at overrides
	end    func()          // of the layers
	status sources.Status
	consul *sources.RegistrarStatus
	fields map[[2]string][]spec.Field
	held   []sources.HeldObject
	// nothing is that there is no configuration yet.
	nothing bool
	passes  reconcile.Passes
	checks  *HealthTotals
	health  []ServiceHealth
	// unhealthy is what Health ends with.
	unhealthy error
	// kernel is what the kernel has, by service; unread is why that cannot be said.
	kernel map[string]Kernel
	unread error
	// settled says what became of a service; nil: all is as it is declared, and nothing was done.
	settled func(ctx context.Context, serial uint64, service string) (Settled, error)
	// refused is what the kernel refuses of a service.
	refused map[string][]Refusal
	// planned says what a configuration comes to; nil: nothing.
	planned func(d *spec.Desired) (*Plan, error)
	// looksTo is the revision of the last overrides that anybody looks at; nil: of all.
	looksTo *uint64
	// writes goes before each writing of overrides.
	writes func(writes []sources.Write) error
	broken error // what Reload fails with
	full   error // what Record fails with

	mu     sync.Mutex // guards what follows
	asked  []string
	looked []string
}

// put writes an override into the store, behind the API's back, and returns what is stored.
func (f *fakeDaemon) put(ctx context.Context, o spec.Override) (sources.StoredOverride, error) {
	w, err := f.OverrideStore.Write(ctx, []sources.Write{{Override: o}}, nil)
	if err != nil {
		return sources.StoredOverride{}, err
	}
	return *w.Now[0], nil
}

func (f *fakeDaemon) Status() sources.Status {
	status := f.status
	status.Overrides, _ = f.Snapshot()
	return status
}

func (f *fakeDaemon) Registration() *sources.RegistrarStatus { return f.consul }
func (f *fakeDaemon) Held() []sources.HeldObject             { return f.held }
func (f *fakeDaemon) Passes() reconcile.Passes               { return f.passes }
func (f *fakeDaemon) Checks() *HealthTotals                  { return f.checks }
func (f *fakeDaemon) Version() string                        { return "v1" }
func (f *fakeDaemon) StateDir() string                       { return "/state" }
func (f *fakeDaemon) Listening() *Listening                  { return nil }

func (f *fakeDaemon) Desired() *spec.Desired {
	if f.nothing || f.layers == nil {
		return nil
	}
	return f.layers.Desired()
}

func (f *fakeDaemon) Await(ctx context.Context, revision uint64) (sources.Judged, error) {
	if f.nothing || f.layers == nil {
		return sources.Judged{Revision: revision, Nothing: sources.ErrNothingYet}, nil
	}
	if f.looksTo != nil && revision > *f.looksTo {
		judged, _ := f.layers.Await(ctx, *f.looksTo)
		return judged, context.DeadlineExceeded
	}
	return f.layers.Await(ctx, revision)
}

func (f *fakeDaemon) TryWrites(writes ...sources.Write) (*sources.Tried, error) {
	if f.nothing || f.layers == nil {
		return nil, sources.ErrNothingYet
	}
	return f.layers.TryWrites(writes...)
}

func (f *fakeDaemon) Write(ctx context.Context, writes []sources.Write, e *sources.Entry) (sources.Written, error) {
	if f.writes != nil {
		if err := f.writes(writes); err != nil {
			return sources.Written{}, err
		}
	}
	return f.OverrideStore.Write(ctx, writes, e)
}

func (f *fakeDaemon) Record(ctx context.Context, e sources.Entry) (uint64, error) {
	if f.full != nil {
		return 0, f.full
	}
	return f.OverrideStore.Record(ctx, e)
}

func (f *fakeDaemon) Kernel(_ context.Context, s *spec.Service, _ *spec.Backend) (Kernel, error) {
	return f.kernel[s.Name], f.unread
}

func (f *fakeDaemon) Settled(ctx context.Context, serial uint64, service string) (Settled, error) {
	if f.settled == nil {
		return Settled{}, nil
	}
	return f.settled(ctx, serial, service)
}

func (f *fakeDaemon) Refused(service string) []Refusal { return f.refused[service] }

func (f *fakeDaemon) Look(_ context.Context, service string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looked = append(f.looked, service)
	return nil
}

func (f *fakeDaemon) PlanOf(_ context.Context, d *spec.Desired) (*Plan, error) {
	if f.planned == nil {
		return &Plan{}, nil
	}
	return f.planned(d)
}

func (f *fakeDaemon) Health(_ context.Context, names []string, each func(ServiceHealth) error) error {
	for _, s := range f.health {
		if len(names) > 0 && !slices.Contains(names, s.Name) {
			continue
		}
		if err := each(s); err != nil {
			return err
		}
	}
	return f.unhealthy
}

func (f *fakeDaemon) HeldFor(service, backend string) string {
	if service+"/"+backend == "web/a" {
		return "the page"
	}
	return ""
}

func (f *fakeDaemon) Explain(service, backend string) ([]spec.Field, error) {
	if fields, ok := f.fields[[2]string{service, backend}]; ok {
		return fields, nil
	}
	if f.nothing {
		return nil, sources.ErrNothingYet
	}
	return nil, errors.New("there is no service " + service)
}

func (f *fakeDaemon) Reload(names ...string) error {
	f.note("reload " + strings.Join(names, " "))
	return f.broken
}

func (f *fakeDaemon) Accept(ctx context.Context, name string) error {
	f.note("accept " + name)
	if name == "still" {
		return errors.New(`nothing of source "still" is held`)
	}
	return ctx.Err()
}

func (f *fakeDaemon) note(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, what)
}

// fixed is a source that says one thing.
type fixed struct{ doc *spec.Document }

func (fixed) Name() string { return "test.toml" }
func (fixed) Reload()      {}
func (fixed) Confirm()     {}

func (s fixed) Run(ctx context.Context, out chan<- sources.Reading) error {
	select {
	case out <- sources.Reading{Document: s.doc}:
	case <-ctx.Done():
	}
	<-ctx.Done()
	return nil
}

// over returns a daemon whose overrides are judged over a document in TOML, until the test ends.
func over(t testing.TB, config string) *fakeDaemon {
	t.Helper()
	store, err := sources.OpenOverrides("")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := spec.Decode("test.toml", spec.TOML, []byte(config))
	if err != nil {
		t.Fatal(err)
	}
	layers := sources.NewLayers(zerolog.Nop(), []sources.Top{{Source: fixed{doc}, First: doc}}, nil)
	layers.Overrides = store
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = layers.Run(ctx, make(chan *spec.Desired)) })
	running.Go(func() { _ = store.Run(ctx, zerolog.Nop()) })
	end := func() { cancel(); running.Wait() }
	t.Cleanup(end)
	for layers.Desired() == nil {
		time.Sleep(time.Millisecond)
	}
	return &fakeDaemon{OverrideStore: store, layers: layers, end: end}
}

// open is what lets in everybody over the socket, and from this host.
func open() *Access {
	a := NewAccess(zerolog.Nop(), time.Now)
	_ = a.Use(spec.API{Anonymous: true}) // it names no files
	return a
}

// routes are those of a daemon that anybody near may use.
func routes(d Daemon) http.Handler {
	return noting(New(d, Options{Access: open(), Log: zerolog.Nop()}))
}

// fake serves a daemon that has no services, and whose overrides nobody looks at.
func fake(t *testing.T) (*fakeDaemon, *Client) {
	t.Helper()
	store, err := sources.OpenOverrides("")
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeDaemon{OverrideStore: store}
	c, _ := serve(t, routes(f), io.Discard)
	return f, c
}

func ask[T any](t *testing.T, c *Client, method, path string, body any) T {
	t.Helper()
	var into T
	if err := c.Do(t.Context(), method, path, body, &into); err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return into
}

// exchange has a handler answer a request that comes over the socket; headers are "Name: value".
func exchange(h http.Handler, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(context.Background(), method, target, strings.NewReader(body))
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, places["the socket"](r))
	return w
}
