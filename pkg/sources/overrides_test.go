package sources

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

// override is one with a body, or without for "".
func override(kind spec.OverrideKind, object, body string) spec.Override {
	o := spec.Override{Kind: kind, Reason: "test", By: "me"}
	o.Service, o.Backend, _ = strings.Cut(object, "/")
	if body != "" {
		o.Body = []byte(body)
	}
	return o
}

func openOverrides(t *testing.T, dir string) *OverrideStore {
	t.Helper()
	s, err := OpenOverrides(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

func putOverride(t *testing.T, s *OverrideStore, list ...spec.Override) {
	t.Helper()
	for _, o := range list {
		if _, err := stored(t.Context(), s, o); err != nil {
			t.Fatal(err)
		}
	}
}

// stored writes an override and returns what is stored.
func stored(ctx context.Context, s *OverrideStore, o spec.Override) (StoredOverride, error) {
	w, err := s.Write(ctx, []Write{{Override: o}}, nil)
	if err != nil {
		return StoredOverride{}, err
	}
	return *w.Now[0], nil
}

// clearOverride clears what lasts of a service.
func clearOverride(t *testing.T, s *OverrideStore, service string) {
	t.Helper()
	_, err := s.Write(t.Context(), []Write{{Override: override("", service, "")}}, nil)
	must(t, err)
}

// told is what a store has, in short.
func told(s *OverrideStore) string {
	var b strings.Builder
	for _, o := range s.List() {
		fmt.Fprintf(&b, "%d %s %s %s\n", o.Revision, o.Kind, o.Object(), o.Body)
	}
	return b.String()
}

// storedOf is the override of an object, if the store has one.
func storedOf(s *OverrideStore, object string) (o StoredOverride, found bool) {
	for _, o = range s.List() {
		if o.Object() == object {
			return o, true
		}
	}
	return StoredOverride{}, false
}

// reopened is a store that is closed and opened again.
func reopened(t *testing.T, s *OverrideStore, dir string) *OverrideStore {
	t.Helper()
	must(t, s.Close())
	return openOverrides(t, dir)
}

func TestOverridesAreKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state") // made by it
	s := openOverrides(t, dir)
	putOverride(t, s,
		override(spec.Set, "web", `{"port": 80, "pulse": {"type": "http", "args": {"path": "/<&>"}}}`),
		override(spec.Patch, "web/a", `{"weight": 0}`),
		override(spec.Hide, "web/b", ""),
		override(spec.Patch, "dns", `{"port": 53}`),
	)
	clearOverride(t, s, "dns")
	before := s.List()
	s = reopened(t, s, dir)
	equal(t, "after a restart", before, s.List())
	equal(t, "list", `1 set web {"port":80,"pulse":{"type":"http","args":{"path":"/<&>"}}}
2 patch web/a {"weight":0}
3 hide web/b 
`, told(s))

	putOverride(t, s, override(spec.Hide, "web", ""))
	if o, ok := storedOf(s, "web"); !ok || o.Revision != 6 {
		t.Errorf("a deletion counts as a revision: %v, %v", o, ok)
	}
	var order []string
	list, revision := s.Snapshot()
	equal(t, "revision", uint64(6), revision)
	for _, o := range list {
		order = append(order, o.Object())
	}
	equal(t, "snapshot", "web/a web/b web", strings.Join(order, " "))
	info, err := os.Stat(filepath.Join(dir, overridesName))
	must(t, err)
	equal(t, "mode", os.FileMode(0o600), info.Mode())
}

func TestOverrideOverAnother(t *testing.T) {
	soon, later := time.Now().Add(time.Hour).UTC(), time.Now().Add(2*time.Hour).UTC()
	until := func(o spec.Override, u time.Time) spec.Override {
		o.Until = u
		return o
	}
	patch := func(body string) spec.Override { return override(spec.Patch, "web", body) }
	tests := map[string]struct {
		was, o spec.Override
		want   string // kind and body, or the error
	}{
		"set on set": {override(spec.Set, "web", `{"port":1,"host":"a"}`), override(spec.Set, "web", `{"port":2}`), `set {"port":2}`},
		"set without backends": {
			override(spec.Set, "web", `{"port":1,"backends":{"a":{"host":"b"}}}`), override(spec.Set, "web", `{"port":2}`), `set {"backends":{"a":{"host":"b"}},"port":2}`,
		},
		"set of no backends": {
			override(spec.Set, "web", `{"port":1,"backends":{"a":{"host":"b"}}}`), override(spec.Set, "web", `{"port":2,"backends":{}}`), `set {"port":2,"backends":{}}`,
		},
		"set on patch": {patch(`{"host":"a"}`), override(spec.Set, "web", `{"port":2}`), `set {"port":2}`},
		"set on hide":  {override(spec.Hide, "web", ""), override(spec.Set, "web", `{"port":2}`), `set {"port":2}`},
		"hide on set":  {override(spec.Set, "web", `{"port":1}`), override(spec.Hide, "web", ""), "hide "},
		"patch on set": {override(spec.Set, "web", `{"port":1,"host":"a"}`), patch(`{"port":2}`), `set {"host":"a","port":2}`},
		"null on set": {
			override(spec.Set, "web", `{"port":1.50,"host":"a","pulse":{"type":"tcp"}}`), patch(`{"host":null,"pulse":{"type":null},"backends":{"a":{"port":null}}}`),
			`set {"backends":{"a":{}},"port":1.50,"pulse":{}}`,
		},
		"null on patch":  {patch(`{"port":1}`), patch(`{"port":null}`), `patch {"port":null}`},
		"patch on patch": {patch(`{"port":1}`), patch(`{"host":"<"}`), `patch {"host":"<","port":1}`},
		"another host": {
			patch(`{"host":"a","host_name":"x","backends":{"b":{"host":"c","host_name":"y"},"d":{"host":"e","host_name":"z"}}}`),
			patch(`{"host":"f","backends":{"b":{"host":"g"},"d":{"port":1}}}`),
			`patch {"backends":{"b":{"host":"g"},"d":{"host":"e","host_name":"z","port":1}},"host":"f"}`,
		},
		"another host by name": {
			patch(`{"host":"a","host_name":"x"}`), patch(`{"host":"f","host_name":"y"}`), `patch {"host":"f","host_name":"y"}`,
		},
		"a header is no host": {
			patch(`{"pulse":{"args":{"headers":{"host":"a","host_name":"x"}}}}`), patch(`{"pulse":{"args":{"headers":{"host":"f"}}}}`),
			`patch {"pulse":{"args":{"headers":{"host":"f","host_name":"x"}}}}`,
		},
		"tables merge": {
			patch(`{"pulse":{"type":"http","args":{"path":"/","x":[1,2]}},"flags":"a"}`),
			patch(`{"pulse":{"args":{"x":[3]}},"flags":{"b":1.50}}`),
			`patch {"flags":{"b":1.50},"pulse":{"args":{"path":"/","x":[3]},"type":"http"}}`,
		},
		"later end": {until(patch(`{"port":1}`), soon), until(patch(`{"port":2,"host":"a"}`), later), `patch {"host":"a","port":2}`},
		"same end":  {until(patch(`{"port":1}`), soon), until(patch(`{"host":"a"}`), soon), `patch {"host":"a","port":1}`},
		"end of more": {
			until(patch(`{"port":1}`), soon), until(patch(`{"host":"a"}`), later),
			"override of web: there is a patch (me: test) that ends at " + soon.Format(time.RFC3339) +
				", and all of it would end with this one; clear that, or change it without an end, which leaves it its own",
		},
		"patch on hide": {override(spec.Hide, "web", ""), patch(`{"port":1}`), "override of web: it is hidden (me: test); clear that first"},
		"too deep": {
			patch(strings.Repeat(`{"a":`, 20) + `{}` + strings.Repeat(`}`, 20)),
			patch(strings.Repeat(`{"a":`, 20) + `{}` + strings.Repeat(`}`, 20)),
			"override of web: the body: it is nested over 16 deep",
		},
		"too big together": {
			patch(`{"a":"` + strings.Repeat("x", maxOverrideBody-100) + `"}`), patch(`{"b":"` + strings.Repeat("x", 200) + `"}`),
			"override of web: with what is there, the body would be 1048691 bytes, over 1048576 (1 MiB)",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := openOverrides(t, "")
			putOverride(t, s, tt.was)
			before := told(s)
			got, err := stored(t.Context(), s, tt.o)
			if err != nil {
				equal(t, "error", tt.want, err.Error())
				equal(t, "afterwards", before, told(s))
				return
			}
			equal(t, "stored", tt.want, fmt.Sprintf("%s %s", got.Kind, got.Body))
			equal(t, "until", tt.o.Until, got.Until)
			have, _ := storedOf(s, "web")
			equal(t, "get", got, have)
		})
	}
}

func TestOverridesThatAreRefused(t *testing.T) {
	long := strings.Repeat("x", 2000)
	tests := map[string]struct {
		o     spec.Override
		fault Fault
		want  string
	}{
		"no service":   {override(spec.Hide, "", ""), Invalid, `override of "": it names no service`},
		"long service": {override(spec.Hide, long, ""), Invalid, `override of "` + long[:160] + `"…: the name of the service is over 128 bytes long`},
		"slash":        {override(spec.Hide, "a/b/c", ""), Invalid, `override of "a/b/c": "b/c" is no name of a backend`},
		"line":         {override(spec.Hide, "a\nb", ""), Invalid, `override of "a\nb": "a\nb" is no name of a service`},
		"kind":         {override("drop", "a", ""), Invalid, `override of "a": "drop" is not what an override can do (set, patch, hide)`},
		"hide body":    {override(spec.Hide, "a", "{}"), Invalid, "override of a: hide takes no body"},
		"no body":      {override(spec.Set, "a", ""), Invalid, "override of a: set takes a body, an object in JSON"},
		"list":         {override(spec.Patch, "a", "[]"), Invalid, "override of a: patch takes a body, an object in JSON"},
		"syntax":       {override(spec.Patch, "a", "{}}"), Invalid, "override of a: the body: invalid character '}' after top-level value"},
		"utf-8":        {override(spec.Patch, "a", "{\"a\":\"\xff\"}"), Invalid, "override of a: the body is not valid UTF-8"},
		"big": {
			override(spec.Set, "a", strings.Repeat(" ", 2<<20)), Full,
			"override of a: a body of 2097152 bytes is over 1048576 (1 MiB)",
		},
		"reason":  {spec.Override{Kind: spec.Hide, Service: "a", Reason: long}, Invalid, `override of "a": the reason is 2000 bytes long, over 1000`},
		"by":      {spec.Override{Kind: spec.Hide, Service: "a", By: long}, Invalid, `override of "a": by is 2000 bytes long, over 256`},
		"by line": {spec.Override{Kind: spec.Hide, Service: "a", By: "\x1b[2J"}, Invalid, `override of "a": by is not one line of text`},
		"past": {
			spec.Override{Kind: spec.Hide, Service: "a", Until: time.Unix(1, 0)},
			Invalid,
			"override of a: it would end at 1970-01-01T00:00:01Z, which is over",
		},
		"year": {
			spec.Override{Kind: spec.Hide, Service: "a", Until: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
			Invalid,
			"override of a: the year 10000 is out of range",
		},
	}
	s := openOverrides(t, t.TempDir())
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := stored(t.Context(), s, tt.o)
			e, ok := errors.AsType[*OverrideError](err)
			if !ok {
				t.Fatal(err)
			}
			equal(t, "fault", tt.fault, e.Fault)
			equal(t, "error", tt.want, err.Error())
			equal(t, "list", "", told(s))
		})
	}
}

func TestOverridesAreBounded(t *testing.T) {
	t.Run("number", func(t *testing.T) {
		s := openOverrides(t, "")
		var full []*StoredOverride
		for i := range maxOverrides {
			full = append(full, &StoredOverride{Override: override(spec.Hide, fmt.Sprintf("s%04d", i), ""), Revision: uint64(i + 1)})
		}
		s.state.Store(stateOf(full, 0, nil))
		_, err := stored(t.Context(), s, override(spec.Hide, "more", ""))
		equal(t, "error", "override of more: there are 10000 overrides already, and no more can be kept", fmt.Sprint(err))
		putOverride(t, s, override(spec.Set, "s7000", `{}`))
		clearOverride(t, s, "s0000")
		putOverride(t, s, override(spec.Hide, "more", ""))
	})
	t.Run("bytes", func(t *testing.T) {
		s := openOverrides(t, "")
		s.state.Store(&overrideState{bytes: maxOverrideBytes - 1200})
		body := `{"a":"` + strings.Repeat("x", 600) + `"}`
		putOverride(t, s, override(spec.Set, "a", body))
		_, err := stored(t.Context(), s, override(spec.Set, "b", body))
		equal(t, "error", "override of b: all overrides together would be over 64 MiB", fmt.Sprint(err))
		putOverride(t, s, override(spec.Set, "a", `{}`), override(spec.Set, "b", body)) // what makes it less is taken
	})
}

func TestOverridesTellOfChanges(t *testing.T) {
	s := openOverrides(t, "")
	changed := func() bool {
		select {
		case <-s.Changed():
			return true
		default:
			return false
		}
	}
	equal(t, "changed", false, changed())
	putOverride(t, s, override(spec.Hide, "a", ""), override(spec.Hide, "b", ""))
	equal(t, "changed", true, changed())
	equal(t, "changed", false, changed())
	clearOverride(t, s, "a")
	equal(t, "changed", true, changed())
}

func TestOverridesDoNotWaitForEver(t *testing.T) {
	s := openOverrides(t, "")
	s.turn <- struct{}{} // somebody writes to a disk that hangs
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err := stored(ctx, s, override(spec.Hide, "a", ""))
	equal(t, "error", "override of a: context deadline exceeded", fmt.Sprint(err))
	equal(t, "list", "", told(s))
	<-s.turn
}

func TestOverridesEnd(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, err := OpenOverrides(dir)
		must(t, err)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx, zerolog.Nop()) }()
		until := func(object string, d time.Duration) spec.Override {
			o := override(spec.Hide, object, "")
			o.Until = time.Now().Add(d)
			return o
		}
		putOverride(t, s, until("b", time.Hour), until("a", time.Minute), override(spec.Hide, "c", ""))
		equal(t, "next", time.Now().Add(time.Minute).UTC(), s.next())
		<-s.Changed()
		synctest.Wait()
		time.Sleep(time.Minute - time.Nanosecond)
		synctest.Wait()
		equal(t, "early", 3, len(s.List()))
		equal(t, "said", 0, len(s.changed))
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		equal(t, "then", "1 hide b \n3 hide c \n", told(s))
		equal(t, "said", 1, len(s.changed))
		stop()
		must(t, <-done)

		// It ends while nobody runs the store, and while it is closed.
		time.Sleep(2 * time.Hour)
		equal(t, "list", "3 hide c \n", told(s))
		must(t, s.Close())
		s, err = OpenOverrides(dir)
		must(t, err)
		equal(t, "on disk", 2, len(s.state.Load().list))
		equal(t, "list", "3 hide c \n", told(s))
		putOverride(t, s, override(spec.Patch, "b", `{}`)) // not a patch of what has ended
		equal(t, "list", "5 patch b {}\n3 hide c \n", told(s))
		must(t, s.Close())
	})
}
