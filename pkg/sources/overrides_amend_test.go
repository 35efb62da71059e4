package sources

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

// TestAmendmentsOfManyBatches has more amendments wait than are taken to the disk at once: Close takes all of them.
func TestAmendmentsOfManyBatches(t *testing.T) {
	dir := t.TempDir()
	s := openOverrides(t, dir)
	last := amendOften(t, s)
	s = reopened(t, s, dir)
	equal(t, "after a restart", last, s.Audit(0, 1)[0].Result)
}

// TestAmendmentsAreWritten: Run takes all of them to the disk, though nothing else is written any more.
func TestAmendmentsAreWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openOverrides(t, "")
		last := amendOften(t, s)
		ctx, end := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { must(t, s.Run(ctx, zerolog.Nop())) })
		time.Sleep(time.Minute)
		equal(t, "after a minute", last, s.Audit(0, 1)[0].Result)
		end()
		running.Wait()
	})
}

// amendOften amends an entry so often that it is more than two batches, and returns what it says last.
func amendOften(t *testing.T, s *OverrideStore) string {
	t.Helper()
	id, err := s.Record(t.Context(), Entry{Who: "me"})
	must(t, err)
	last := ""
	for i := range 2*maxBatch + 1 {
		last = fmt.Sprint(i)
		must(t, s.Amend(id, 202, last))
	}
	return last
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
		s.flush(t.Context())
	}
	close(over)
	readers.Wait()
	for what, e := range map[string]Entry{"the page": page[0], "the state": *before.audit[0]} {
		equal(t, what, "200 changed", fmt.Sprint(e.Status, " ", e.Result))
	}
	now := s.Audit(0, 1)[0]
	equal(t, "now", "202 9", fmt.Sprint(now.Status, " ", now.Result))
}
