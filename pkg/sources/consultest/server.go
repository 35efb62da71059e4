package consultest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A Server answers GET /v1/kv/ and what registration needs of /v1/agent/ as Consul does. Create it with New; its methods
// may be called from anywhere.
type Server struct {
	t       testing.TB
	address string

	mu sync.Mutex // guards everything below
	// changed is closed, and another made, when anything changes that a query may wait for.
	changed chan struct{}
	now     state
	epoch   int    // how often it was restored
	lagging *state // what a query with ?stale sees; nil: the same as any
	token   string // "": anybody may read
	fault   *fault
	queries []Query

	services map[string]Registered // with the agent, by ID
	refused  map[string]bool       // names that may not be registered

	http *http.Server // nil: stopped
	done chan struct{}
}

// state is what is stored.
type state struct {
	index uint64
	keys  map[string]entry
	gone  map[string]uint64 // deleted keys, and when
}

type entry struct {
	value   []byte
	created uint64
	index   uint64
}

// fault is what is said in place of an answer.
type fault struct {
	code int // 0: nothing at all
	body string
}

// Query is one that came.
type Query struct {
	Path  string
	Index uint64        // 0: none
	Wait  time.Duration // 0: none
	Stale bool
	At    time.Time
}

// New starts an empty server, which the end of the test stops.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{
		t: t, changed: make(chan struct{}), now: state{index: 10, keys: map[string]entry{}, gone: map[string]uint64{}},
		services: map[string]Registered{}, refused: map[string]bool{},
	}
	s.Start()
	t.Cleanup(s.Stop)
	return s
}

// Start makes the server answer, at the address that it had before.
func (s *Server) Start() {
	s.t.Helper()
	address := s.address
	if address == "" {
		address = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", address)
	for tries := 0; errors.Is(err, syscall.EADDRINUSE) && tries < 1000; tries++ {
		time.Sleep(10 * time.Millisecond) // somebody has the port for a moment who asked for any
		l, err = net.Listen("tcp", address)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.address = l.Addr().String()
	server, done := &http.Server{Handler: s}, make(chan struct{})
	s.http, s.done = server, done
	go func() {
		defer close(done)
		_ = server.Serve(l) // ends with Stop
	}()
}

// Stop cuts every connection and refuses others until Start. What is stored stays.
func (s *Server) Stop() {
	s.mu.Lock()
	server, done := s.http, s.done
	s.http = nil
	s.mu.Unlock()
	if server != nil {
		_ = server.Close()
		<-done
	}
}

// Address is where the server listens, HOST:PORT.
func (s *Server) Address() string { return s.address }

// URL is consul:// with the server's address and a path.
func (s *Server) URL(path string) string { return "consul://" + s.address + "/" + path }

// Put stores pairs of keys and values, one after the other.
func (s *Server) Put(pairs ...string) {
	s.change(func() {
		for i := 0; i+1 < len(pairs); i += 2 {
			s.now.index++
			e := entry{value: []byte(pairs[i+1]), created: s.now.index, index: s.now.index}
			if old, ok := s.now.keys[pairs[i]]; ok {
				e.created = old.created
			}
			s.now.keys[pairs[i]] = e
		}
	})
}

// Delete deletes keys.
func (s *Server) Delete(keys ...string) {
	s.change(func() {
		for _, key := range keys {
			s.now.index++
			delete(s.now.keys, key)
			s.now.gone[key] = s.now.index
		}
	})
}

// Touch raises the index of a prefix without changing a value.
func (s *Server) Touch(prefix string) {
	s.change(func() {
		s.now.index++
		s.now.gone[prefix] = s.now.index
	})
}

// Save returns what is stored, for Restore and Lag.
func (s *Server) Save() Saved {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Saved{state{s.now.index, maps.Clone(s.now.keys), maps.Clone(s.now.gone)}}
}

// Saved is what was stored at some time.
type Saved struct{ state state }

// Restore makes what is stored what it was, indexes included, as a restored snapshot does. Queries that wait end with
// what they would have said before, which is what Consul 1.14 does.
func (s *Server) Restore(old Saved) { s.change(func() { s.now, s.epoch = old.state, s.epoch+1 }) }

// Lag makes queries with ?stale see what was stored then, and what is stored now if old is nil.
func (s *Server) Lag(old *Saved) {
	s.change(func() {
		if s.lagging = nil; old != nil {
			s.lagging = &old.state
		}
	})
}

// Fail answers every query with a status and a text, those that wait included.
func (s *Server) Fail(code int, body string) { s.change(func() { s.fault = &fault{code, body} }) }

// Hang answers no query.
func (s *Server) Hang() { s.change(func() { s.fault = &fault{} }) }

// Heal ends what Fail and Hang began.
func (s *Server) Heal() { s.change(func() { s.fault = nil }) }

// Token makes this token needed to read; "" ends that.
func (s *Server) Token(token string) { s.change(func() { s.token = token }) }

// Queries returns what was asked since the last call.
func (s *Server) Queries() []Query {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queries
	s.queries = nil
	return q
}

func (s *Server) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	close(s.changed)
	s.changed = make(chan struct{})
}

// ServeHTTP does what http.Handler says.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if path, ok := strings.CutPrefix(r.URL.Path, "/v1/agent/"); ok {
		s.agent(w, r, path)
		return
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/v1/kv/")
	if !ok || r.Method != http.MethodGet {
		http.NotFound(w, r)
		return
	}
	form := r.URL.Query()
	q := Query{Path: path, Stale: form.Has("stale"), At: time.Now()}
	q.Index, _ = strconv.ParseUint(form.Get("index"), 10, 64)
	q.Wait, _ = time.ParseDuration(form.Get("wait"))
	s.mu.Lock()
	s.queries = append(s.queries, q)
	s.mu.Unlock()

	wait := q.Wait
	if wait == 0 {
		wait = 5 * time.Minute
	}
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	var last *reply
	for {
		answer, changed := s.look(q, form.Has("recurse"), r.Header.Get("X-Consul-Token"))
		if last != nil && answer != nil && answer.epoch != last.epoch {
			last.write(w)
			return
		}
		last = answer
		ready := answer != nil && (answer.fault || answer.index > q.Index)
		if ready || answer != nil && ctx.Err() != nil {
			answer.write(w)
			return
		}
		if answer == nil { // hangs, however long it was to wait
			select {
			case <-r.Context().Done():
				return
			case <-changed:
				continue
			}
		}
		select {
		case <-ctx.Done():
			if r.Context().Err() != nil {
				return
			}
		case <-changed:
		}
	}
}

// reply is an answer; its code decides what is in it.
type reply struct {
	code  int
	fault bool // it is to be said at once, and without an index
	epoch int  // of the state
	index uint64
	body  []byte
}

// pair is a key as Consul's JSON has it.
type pair struct {
	LockIndex   uint64
	Key         string
	Flags       uint64
	Value       []byte
	CreateIndex uint64
	ModifyIndex uint64
}

// look is the answer as things are, or nil while there is to be none, and what is closed when they change.
func (s *Server) look(q Query, recurse bool, token string) (*reply, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.fault != nil && s.fault.code == 0:
		return nil, s.changed
	case s.fault != nil:
		return &reply{code: s.fault.code, fault: true, body: []byte(s.fault.body)}, s.changed
	case token != s.token && s.token != "":
		return &reply{code: http.StatusForbidden, fault: true, body: []byte("Permission denied: token lacks permission 'key:read'")}, s.changed
	}
	state := s.now
	if q.Stale && s.lagging != nil {
		state = *s.lagging
	}
	matches := func(key string) bool { return key == q.Path || recurse && strings.HasPrefix(key, q.Path) }
	pairs := []pair{}
	a := reply{code: http.StatusOK, epoch: s.epoch}
	for _, key := range slices.Sorted(maps.Keys(state.keys)) {
		if e := state.keys[key]; matches(key) {
			pairs = append(pairs, pair{Key: key, Value: e.value, CreateIndex: e.created, ModifyIndex: e.index})
			a.index = max(a.index, e.index)
		}
	}
	for key, index := range state.gone {
		if matches(key) {
			a.index = max(a.index, index)
		}
	}
	a.index = max(a.index, 1)
	if len(pairs) == 0 {
		a.code = http.StatusNotFound
		return &a, s.changed
	}
	var err error
	if a.body, err = json.Marshal(pairs); err != nil {
		panic(fmt.Sprintf("consultest: %v", err)) // a slice of plain structs
	}
	return &a, s.changed
}

func (a *reply) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	if !a.fault {
		w.Header().Set("X-Consul-Index", strconv.FormatUint(a.index, 10))
		w.Header().Set("X-Consul-KnownLeader", "true")
		w.Header().Set("X-Consul-LastContact", "0")
	}
	w.WriteHeader(a.code)
	_, _ = w.Write(a.body) // whose reader may be gone
}
