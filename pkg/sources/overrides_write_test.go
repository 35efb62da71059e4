package sources

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/gorb-io/gorb/pkg/spec"
)

func TestOverridesWrittenTogether(t *testing.T) {
	dir := t.TempDir()
	s := openOverrides(t, dir)
	rev := func(n uint64) *uint64 { return &n }
	write := func(o spec.Override, holds *uint64) Write { return Write{Override: o, If: holds} }
	web, hide, none := override(spec.Set, "web", `{"port":1}`), override(spec.Hide, "web/a", ""), override("", "web", "")
	for _, tt := range []struct {
		name   string
		writes []Write
		err    string
		now    string
	}{
		{"several", []Write{write(web, rev(0)), write(hide, nil)}, "", "1 set web {\"port\":1}\n2 hide web/a \n"},
		{"there is one", []Write{write(hide, nil), write(web, rev(0))}, "override of web: it has changed meanwhile", "1 set web {\"port\":1}\n2 hide web/a \n"},
		{"one of them wrong", []Write{write(none, nil), write(override(spec.Patch, "web/a", `{}`), nil)}, "override of web/a: it is hidden (me: test); clear that first", "1 set web {\"port\":1}\n2 hide web/a \n"},
		{"cleared and written", []Write{write(none, rev(1)), write(override(spec.Patch, "web", `{"port":2}`), rev(0))}, "", "4 patch web {\"port\":2}\n2 hide web/a \n"},
		{"cleared", []Write{write(none, rev(4)), write(none, nil)}, "", "2 hide web/a \n"},
		{"nothing there", []Write{write(none, nil)}, "", "2 hide web/a \n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, err := s.Write(t.Context(), tt.writes, &Entry{Who: "me"})
			if tt.err != "" {
				equal(t, "error", tt.err, fmt.Sprint(err))
				equal(t, "entry", uint64(0), w.Entry)
			} else {
				must(t, err)
				equal(t, "revision", s.Revision(), w.Revision)
			}
			equal(t, "now", tt.now, told(s))
		})
	}
	_, err := s.Write(t.Context(), []Write{write(web, rev(9))}, nil)
	equal(t, "changed", true, errors.Is(err, ErrChanged))
	equal(t, "entries", 4, len(s.Audit(0, 100)))
	before, audit := told(s), s.Audit(0, 100)
	s = reopened(t, s, dir)
	equal(t, "after a restart", before, told(s))
	equal(t, "audit", audit, s.Audit(0, 100))
}

// TestOverridesOfManyWriters: what is wrong with one is no matter of the others, whose writes are all there.
func TestOverridesOfManyWriters(t *testing.T) {
	dir := t.TempDir()
	s := openOverrides(t, dir)
	s.turn <- struct{}{} // all of them wait, and are one batch
	var g sync.WaitGroup
	gone, cancel := context.WithCancel(t.Context())
	for i := range 64 {
		g.Go(func() {
			ctx, o, want := t.Context(), weight(i, i), error(nil)
			w := Write{Override: o}
			switch i % 4 {
			case 1:
				w.If, want = new(uint64), ErrChanged
				*w.If = 7000
			case 2:
				ctx, want = gone, context.Canceled
			}
			if _, err := s.Write(ctx, []Write{w}, &Entry{Who: "me", Object: o.Object()}); !errors.Is(err, want) {
				t.Errorf("%d: %v, want %v", i, err, want)
			}
		})
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		s.mu.Lock()
		n := len(s.waiting)
		s.mu.Unlock()
		if n == 64 {
			break
		}
	}
	cancel()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		s.mu.Lock()
		n := len(s.waiting)
		s.mu.Unlock()
		if n == 48 {
			break
		}
	}
	<-s.turn
	g.Wait()
	equal(t, "written", 32, len(s.List()))
	equal(t, "entries", 32, len(s.Audit(0, 100)))
	list, revision := s.Snapshot()
	equal(t, "snapshot", 32, len(list))
	equal(t, "revision", uint64(32), revision)
	before := told(s)
	s = reopened(t, s, dir)
	equal(t, "after a restart", before, told(s))
	if o, ok := s.Get(spec.OverrideKey{Service: "s4", Backend: "b0"}); !ok || string(o.Body) != `{"weight":4}` {
		t.Errorf("got %v, %t", o, ok)
	}
	if _, ok := s.Get(spec.OverrideKey{Service: "s1", Backend: "b0"}); ok {
		t.Error("what was refused is there")
	}
}

func TestAudit(t *testing.T) {
	dir := t.TempDir()
	s := openOverrides(t, dir)
	id, err := s.Record(t.Context(), Entry{Who: "uid 0", What: "PUT /service/web", Body: []byte("{not json"), Status: 400, Result: "what was sent is no JSON"})
	must(t, err)
	equal(t, "first", uint64(1), id)
	long := append([]byte(`{"a":"`), make([]byte, 5000)...)
	_, err = s.Record(t.Context(), Entry{Who: "uid 0", Body: long})
	must(t, err)
	w, err := s.Write(t.Context(), []Write{{Override: weight(1, 2)}}, &Entry{Who: "token ci", Body: []byte(`{ "weight": 2 }`), Status: 202})
	must(t, err)
	must(t, s.Amend(w.Entry, 200, "the kernel has it"))
	equal(t, "no entry", "the audit has no entry 9", fmt.Sprint(s.Amend(9, 200, "")))
	s = reopened(t, s, dir)
	page := s.Audit(0, 2)
	equal(t, "newest", []string{`3 200 the kernel has it {"weight":2} 1`}, []string{fmt.Sprint(page[0].ID, " ", page[0].Status, " ", page[0].Result, " ", string(page[0].Body), " ", page[0].Revision)})
	equal(t, "long", true, len(page[1].Body) > maxEntryBody && len(page[1].Body) < 8*maxEntryBody)
	page = s.Audit(2, 10)
	equal(t, "page", 1, len(page))
	equal(t, "no JSON", `"{not json"`, string(page[0].Body))
	equal(t, "before the first", 0, len(s.Audit(1, 10)))
}

func TestAuditIsBounded(t *testing.T) {
	dir := t.TempDir()
	s := openOverrides(t, dir)
	var g sync.WaitGroup
	for range 40 {
		g.Go(func() {
			for range (maxEntries + 400) / 40 {
				if _, err := s.Record(t.Context(), Entry{Who: "me"}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	g.Wait()
	check := func() {
		t.Helper()
		all := s.Audit(0, 2*maxEntries)
		equal(t, "entries", maxEntries, len(all))
		equal(t, "newest", uint64(maxEntries+400), all[0].ID)
		equal(t, "oldest", uint64(401), all[maxEntries-1].ID)
	}
	check()
	s = reopened(t, s, dir)
	check()
}

// TestOverridesOfAnOlderGorb: a file without the audit is read, and one with a bucket that is not known is left alone, which
// is what an older gorb does with the audit.
func TestOverridesOfAnOlderGorb(t *testing.T) {
	dir, path := filled(t, 3)
	inFile(t, path, func(tx *bolt.Tx) error {
		later, err := tx.CreateBucket([]byte("later"))
		return errors.Join(tx.DeleteBucket(bucketAudit), err, later.Put([]byte("a"), []byte("b")))
	})
	s := openOverrides(t, dir)
	equal(t, "overrides", 3, len(s.List()))
	equal(t, "audit", 0, len(s.Audit(0, 10)))
	_, err := s.Write(t.Context(), []Write{{Override: weight(1, 2)}}, &Entry{Who: "me"})
	must(t, err)
	s = reopened(t, s, dir)
	equal(t, "overrides", 4, len(s.List()))
	equal(t, "audit", 1, len(s.Audit(0, 10)))
	must(t, s.Close())
	inFile(t, path, func(tx *bolt.Tx) error {
		equal(t, "what is not known", "b", string(tx.Bucket([]byte("later")).Get([]byte("a"))))
		return nil
	})
	s.file.open = nil
	wantFilesIn(t, dir, filepath.Base(path))
}
