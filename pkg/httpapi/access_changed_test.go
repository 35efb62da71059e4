package httpapi

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

// TestAccessChanges counts how often it is told that others may be let in.
func TestAccessChanges(t *testing.T) {
	_, one := NewToken()
	_, two := NewToken()
	file := filepath.Join(t.TempDir(), "tokens")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(one)
	synctest.Test(t, func(t *testing.T) {
		var told atomic.Int32
		a := NewAccess(zerolog.Nop(), time.Now)
		a.Changed = func() { told.Add(1) }
		api := spec.API{Tokens: []spec.APIToken{{Name: "ci", Role: spec.RoleRead, File: file}}}
		check := func(what string, want int32) {
			t.Helper()
			if got := told.Swap(0); got != want {
				t.Errorf("%s: told %d times, want %d", what, got, want)
			}
		}
		use := func(what string, want int32) {
			t.Helper()
			if err := a.Use(api); err != nil {
				t.Fatal(err)
			}
			check(what, want)
		}
		look := func(what string, want int32) {
			t.Helper()
			time.Sleep(2 * filesEvery)
			synctest.Wait()
			check(what, want)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = a.Run(ctx) }()
		look("no configuration", 0)
		use("the first", 0)
		use("the same", 0)
		api.Anonymous = true
		use("another", 1)
		look("a file as it was", 0)
		write(two)
		look("a file that is otherwise", 1)
		write(two)
		look("written anew", 0)
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		look("a file that is gone", 1)
	})
}

// TestCutWhileLetIn has what let a reader in cease to count between the two.
func TestCutWhileLetIn(t *testing.T) {
	h, _ := hubOf(t, EventLimits{})
	served := h.before(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.CutAll()
		h.ServeHTTP(w, r)
	}))
	w := httptest.NewRecorder() // which has no connection to take: it is served in the handler
	served.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/events", nil))
	if w.Body.Len() > 0 || h.Readers() != 0 {
		t.Errorf("it reads %q, and there are %d", w.Body, h.Readers())
	}
}

// TestCutWhileAllowed has a token be revoked while it is looked at, on the route itself.
func TestCutWhileAllowed(t *testing.T) {
	h, _ := hubOf(t, EventLimits{})
	a := NewAccess(zerolog.Nop(), func() time.Time {
		h.CutAll()
		return time.Now()
	})
	token, hash := NewToken()
	if err := a.Use(spec.API{Tokens: []spec.APIToken{{Name: "ci", Role: spec.RoleRead, Hash: hash}}}); err != nil {
		t.Fatal(err)
	}
	before := h.cuts.Load()
	r := request("GET", "/events").WithContext(within(t, 5*time.Second))
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	New(over(t, web), Options{Access: a, Log: zerolog.Nop(), Events: h}).ServeHTTP(w, places["elsewhere"](r))
	if w.Code != http.StatusOK || w.Body.Len() > 0 || h.Readers() != 0 || h.cuts.Load() == before {
		t.Errorf("%d: it reads %q, and there are %d", w.Code, w.Body, h.Readers())
	}
}

// TestCutAll has a reader who was told everything come back.
func TestCutAll(t *testing.T) {
	h, _ := hubOf(t, EventLimits{})
	server := httptest.NewServer(h)
	defer server.Close()
	first := read(t, server.Client(), server.URL, "")
	h.Publish(&SourceEvent{Source: "a"})
	id := first.nextOf(EventSource, new(SourceEvent))
	h.CutAll()
	if rest := first.next(); len(rest) > 0 {
		t.Errorf("after the cut: %v", rest)
	}
	h.Publish(&SourceEvent{Source: "b"})
	var e SourceEvent
	if read(t, server.Client(), server.URL, id).nextOf(EventSource, &e); e.Source != "b" {
		t.Errorf("it goes on with %+v", e)
	}
}

// stuckAnswer takes nothing once it has taken some; its deadline is what ends that.
type stuckAnswer struct {
	*httptest.ResponseRecorder
	taken    int
	deadline time.Time
}

func (s *stuckAnswer) SetWriteDeadline(by time.Time) error {
	s.deadline = by
	return nil
}

func (s *stuckAnswer) Write(text []byte) (int, error) {
	if s.taken += len(text); s.taken > 100_000 {
		time.Sleep(time.Until(s.deadline))
		return 0, os.ErrDeadlineExceeded
	}
	return len(text), nil
}

// TestSlowScrape has a client that takes a minute by its own word, and does not go on.
func TestSlowScrape(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHurry(within(t, longestScrape), &stuckAnswer{ResponseRecorder: httptest.NewRecorder()})
		for range 8 {
			time.Sleep(scrapePatience / 2) // it goes on, if slowly
			if _, err := h.Write(bytes.Repeat([]byte{'x'}, 10_000)); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		if _, err := h.Write(bytes.Repeat([]byte{'x'}, 100_000)); err == nil || time.Since(began) != scrapePatience {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
