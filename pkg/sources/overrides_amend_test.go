package sources

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

// TestAmendmentsOfManyBatches has more amendments wait than are taken to the disk at once: Close takes all of them.
func TestAmendmentsOfManyBatches(t *testing.T) {
	dir := t.TempDir()
	s := openOverrides(t, dir)
	last := amendMany(t, s)
	s = reopened(t, s, dir)
	all := s.Audit(0, maxEntries)
	equal(t, "the last after a restart", last, all[0].Result)
	for _, e := range all[1:] {
		equal(t, "after a restart", "early", e.Result)
	}
}

// TestAmendmentsAreWritten: Run takes all of them to the disk, though nothing else is written any more.
func TestAmendmentsAreWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openOverrides(t, "")
		last := amendMany(t, s)
		ctx, end := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { must(t, s.Run(ctx, zerolog.Nop())) })
		time.Sleep(time.Minute)
		equal(t, "after a minute", last, s.Audit(0, 1)[0].Result)
		end()
		running.Wait()
	})
}

// amendMany amends so many entries that it is more than two batches, the last of them twice, and returns what that says.
func amendMany(t *testing.T, s *OverrideStore) string {
	t.Helper()
	const n = 2*maxBatch + 1
	var writers sync.WaitGroup
	for range n {
		writers.Go(func() {
			if _, err := s.Record(t.Context(), Entry{Who: "me"}); err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	for id := range uint64(n) {
		must(t, s.Amend(id+1, 202, "early"))
	}
	must(t, s.Amend(n, 202, "last"))
	equal(t, "what waits", n, len(s.waiting))
	return "last"
}

// TestAmendmentLeavesWhatIsRead has the audit read while an entry is amended: a state that somebody has stays as it is.
func TestAmendmentLeavesWhatIsRead(t *testing.T) {
	s := openOverrides(t, t.TempDir())
	id, err := s.Record(t.Context(), Entry{Who: "me", Status: 200, Result: "changed"})
	must(t, err)
	before, page := s.state.Load(), s.Audit(0, 1)
	over := make(chan struct{})
	var readers sync.WaitGroup
	readers.Go(func() { // the detector of races looks at it
		for {
			select {
			case <-over:
				return
			default:
				_ = s.Audit(0, 1)
			}
		}
	})
	for i := range 10 {
		must(t, s.Amend(id, 202, fmt.Sprint(i)))
		must(t, s.flush(t.Context()))
	}
	close(over)
	readers.Wait()
	for what, e := range map[string]Entry{"the page": page[0], "the state": *before.audit[0]} {
		equal(t, what, "200 changed", fmt.Sprint(e.Status, " ", e.Result))
	}
	now := s.Audit(0, 1)[0]
	equal(t, "now", "202 9", fmt.Sprint(now.Status, " ", now.Result))
}

// unwritable has a store fail to write, as somebody else has its file, until it is given back.
func unwritable(t *testing.T, s *OverrideStore) (giveBack func()) {
	t.Helper()
	must(t, s.take(t.Context()))
	defer s.release()
	s.file.drop(nil)
	other, err := openLocked(s.file.path, os.O_RDWR, 0)
	must(t, err)
	return func() { must(t, other.Close()) }
}

// TestAmendmentsThatCouldNotBeWritten: what is amended while the disk fails is said at once, and is on disk as soon as
// something can be written.
func TestAmendmentsThatCouldNotBeWritten(t *testing.T) {
	record := func(t *testing.T, s *OverrideStore) {
		_, err := s.Record(t.Context(), Entry{Who: "me", Status: 200, Result: "later"})
		must(t, err)
	}
	tests := map[string]struct {
		fails, then func(*testing.T, *OverrideStore)
	}{
		"the next write": {then: record},
		"a write that fails between": {
			fails: func(t *testing.T, s *OverrideStore) {
				_, err := s.Record(t.Context(), Entry{Who: "me"})
				equal(t, "error", "audit: "+s.file.path+" is in use by another gorb", fmt.Sprint(err))
			},
			then: record,
		},
		"an end that fails between": {
			fails: func(t *testing.T, s *OverrideStore) {
				_, err := s.expire(t.Context(), time.Now().Add(2*time.Hour))
				equal(t, "error", "end of overrides: "+s.file.path+" is in use by another gorb", fmt.Sprint(err))
			},
			then: record,
		},
		"Close": {then: func(*testing.T, *OverrideStore) {}},
	}
	for name, tt := range tests {
		dir := t.TempDir()
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := openOverrides(t, dir)
				putOverride(t, s, ends(override(spec.Hide, "web", "")))
				id, err := s.Record(t.Context(), Entry{Who: "me", Status: 200, Result: "changed"})
				must(t, err)
				giveBack := unwritable(t, s)
				must(t, s.Amend(id, 202, "pending"))
				equal(t, "flush", nil, s.flush(t.Context()))
				must(t, s.Amend(id, 500, "withdrawn"))
				equal(t, "flush", nil, s.flush(t.Context()))
				if tt.fails != nil {
					tt.fails(t, s)
				}
				err = s.flush(t.Context())
				equal(t, "error", "amend the audit (entries: 1): "+s.file.path+" is in use by another gorb", fmt.Sprint(err))
				equal(t, "in memory", "500 withdrawn", fmt.Sprint(s.Audit(0, 1)[0].Status, " ", s.Audit(0, 1)[0].Result))
				equal(t, "kept", []uint64{id}, s.state.Load().behind)
				giveBack()
				tt.then(t, s)
				s = reopened(t, s, dir)
				e := s.Audit(id+1, 1)[0]
				equal(t, "on disk", "500 withdrawn", fmt.Sprint(e.Status, " ", e.Result))
			})
		})
	}
}

// TestAmendmentsAreTriedAgain: Run takes them to the disk when that is well again, though nothing else is written any more.
func TestAmendmentsAreTriedAgain(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := openOverrides(t, dir)
		id, err := s.Record(t.Context(), Entry{Who: "me"})
		must(t, err)
		giveBack := unwritable(t, s)
		must(t, s.Amend(id, 500, "withdrawn"))
		var log bytes.Buffer
		ctx, end := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { must(t, s.Run(ctx, zerolog.New(&log))) })
		time.Sleep(clockLook)
		giveBack()
		time.Sleep(clockLook)
		end()
		running.Wait()
		equal(t, "log", `{"level":"error","component":"overrides","error":"amend the audit (entries: 1): `+s.file.path+
			` is in use by another gorb","message":"what was amended in the audit is not on disk"}`+"\n", log.String())
		s.file.drop(nil) // a crash
		found, err := s.file.load()
		must(t, err)
		equal(t, "on disk", "withdrawn", found.state.audit[0].Result)
		must(t, found.file.Close())
	})
}

// TestAmendmentsThatAreLost: Close does not wait for a disk that fails, and says what it could not write.
func TestAmendmentsThatAreLost(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, err := OpenOverrides(dir)
		must(t, err)
		id, err := s.Record(t.Context(), Entry{Who: "me"})
		must(t, err)
		giveBack := unwritable(t, s)
		must(t, s.Amend(id, 500, "withdrawn"))
		equal(t, "error", "amend the audit (entries: 1): "+s.file.path+" is in use by another gorb", fmt.Sprint(s.Close()))
		giveBack()
	})
}

// TestAmendmentOfAnEntryThatLeaves: an entry that leaves the audit in the commit that amends it is not on disk after that.
func TestAmendmentOfAnEntryThatLeaves(t *testing.T) {
	dir := t.TempDir()
	s := openOverrides(t, dir)
	was := &overrideState{}
	for id := range uint64(maxEntries) {
		was.audit = append(was.audit, &Entry{ID: id + 1, Who: "me"})
	}
	must(t, s.save(&overrideState{}, was, change{entries: was.audit}))
	must(t, s.Amend(1, 500, "withdrawn"))
	_, err := s.Record(t.Context(), Entry{Who: "me"})
	must(t, err)
	s = reopened(t, s, dir)
	all := s.Audit(0, 2*maxEntries)
	equal(t, "entries", maxEntries, len(all))
	equal(t, "oldest", uint64(2), all[len(all)-1].ID)
}
