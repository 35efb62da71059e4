package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

func TestDescriptorsNeeded(t *testing.T) {
	var n needs
	equal(t, "of nothing", n.need(10, 2), 1024)
	for range 100 {
		n.count(&probe{key: key{Target: Target{Kind: "http"}}, keeps: true}, 1)
		n.count(&probe{key: key{Target: Target{Kind: kindExec}}}, 1)
	}
	equal(t, "bounded by the slots, twice for what is stuck", n.need(10, 2), 1024+100+20+7*4)
	equal(t, "bounded by the probes", n.need(1000, 1000), 1024+100+100+7*100)
	if got, err := raiseDescriptors(64); err != nil || got < 64 {
		t.Errorf("raiseDescriptors(64) = %d, %v", got, err)
	}
}

func TestDescriptorsAllotted(t *testing.T) {
	for _, tc := range []struct {
		name              string
		limit             uint64
		plain, exec, keep int
		checks, programs  int
		want              [3]int // checks, programs, connections that are kept
	}{
		{"what is left", 1100, 3000, 0, 0, 10_000, 64, [3]int{76, 1, 0}},
		{"little is left", 1030, 3000, 0, 0, 10_000, 64, [3]int{32, 1, 0}},
		{"at least half is for the rest", 48, 3000, 0, 0, 10_000, 64, [3]int{24, 1, 0}},
		{"no more than are wanted", 1524, 3000, 0, 0, 100, 64, [3]int{200, 1, 0}},
		{"half for programs", 1164, 3000, 100, 0, 10_000, 64, [3]int{70, 10, 0}},
		{"few programs", 1164, 3000, 2, 0, 10_000, 64, [3]int{126, 2, 0}},
		{"half for what is kept", 1124, 3000, 0, 3000, 10_000, 64, [3]int{50, 1, 50}},
		{"little is kept", 1124, 3000, 0, 9, 10_000, 64, [3]int{91, 1, 9}},
		{"few checks, much is kept", 1124, 3000, 0, 3000, 10, 64, [3]int{20, 1, 80}},
		{"next to nothing", 3, 3000, 100, 100, 10_000, 64, [3]int{1, 1, 0}},
	} {
		n := needs{plain: tc.plain, exec: tc.exec, keep: tc.keep}
		a := n.allot(tc.limit, tc.checks, tc.programs)
		equal(t, tc.name, [3]int{a.checks, a.exec, a.keep}, tc.want)
	}
}

// Where the limit is too low for all checks that may be made, fewer are, those that are stuck are counted, and the rest
// waits. So it is while a configuration is still being taken.
func TestDescriptorsLimitChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := prepare(t, still)
		log := make(lines, 10_000)
		w.engine.log = zerolog.New(log)
		w.engine.needs.raise = func(uint64) (uint64, error) { return 1100, nil }
		w.run()
		w.answer["hangs"] = hangs
		var all []Watch
		for i := range 3000 {
			b := w.watch(strconv.Itoa(i), "hangs", plain)
			b.Target.Args = strconv.Itoa(i)
			all = append(all, b)
		}
		w.set(10_000, all...)
		is := w.engine.Vitals()
		equal(t, "made, and waiting", [2]int{is.Active, is.Queued}, [2]int{76, 2924})
		equal(t, "made in all", len(w.asked()), 76)
		equal(t, "it is said", <-log, `{"level":"warn","need":4024,"limit":1100,"checks":76,"message":"checks may need more open`+
			` files at once than are allowed, and no more are made at once than there are some for: raise the limit`+
			` (LimitNOFILE= of systemd, ulimit -n) or lower max_checks"}`)
		w.sleep(5500 * time.Millisecond)
		equal(t, "by and by", len(w.asked()), 5*76)
		equal(t, "they are late", w.engine.Vitals().Late, 5500*time.Millisecond)
		w.set(10_000, all[:20]...)
		w.sleep(second)
		equal(t, "nobody waits", w.engine.Vitals().Queued, 0)
	})
}

// Connections are kept as far as there are descriptors for them.
func TestDescriptorsLimitWhatIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := prepare(t, still)
		w.engine.needs.raise = func(uint64) (uint64, error) { return 1124, nil }
		w.run()
		var open atomic.Int64
		var all []Watch
		for i := range 400 {
			b := w.watch(strconv.Itoa(i), "x", plain)
			b.Target.Args, b.Keeps = strconv.Itoa(i), true
			b.Checker = func() Checker { return &keeper{open: &open} }
			all = append(all, b)
		}
		w.set(1000, all...)
		equal(t, "kept", open.Load(), 50)
		w.sleep(10 * second)
		equal(t, "and still", open.Load(), 50)
		w.set(1000, all[:20]...)
		w.sleep(20 * second)
		equal(t, "fewer backends", open.Load(), 20)
		w.set(1000)
		equal(t, "none", open.Load(), 0)
	})
}

// keeper keeps a connection, as it were.
type keeper struct {
	open *atomic.Int64
	kept bool
}

func (k *keeper) Check(context.Context, *Trace) Result {
	if !k.kept {
		k.kept = true
		k.open.Add(1)
	}
	return Result{Outcome: OK}
}

func (k *keeper) Close() error {
	if k.kept {
		k.kept = false
		k.open.Add(-1)
	}
	return nil
}

// The engine raises the limit to what it may need, and says once where that does not go.
func TestDescriptorsOfTheEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		w := prepare(t, still)
		w.engine.log = zerolog.New(&said)
		limit, why := uint64(1026), error(nil)
		w.engine.needs.raise = func(need uint64) (uint64, error) { return min(limit, need), why }
		w.run()
		warned := func() any {
			var line struct {
				Need, Limit uint64
				Error       string
			}
			if said.Len() == 0 {
				return nil
			}
			if err := json.Unmarshal(said.Bytes(), &line); err != nil {
				t.Fatal(err)
			}
			said.Reset()
			return line
		}
		type line = struct {
			Need, Limit uint64
			Error       string
		}
		a, b, c := w.watch("a", "a", plain), w.watch("b", "b", plain), w.watch("c", "c", plain)
		a.Keeps = true
		w.set(1000, a)
		equal(t, "enough", warned(), nil)
		w.set(1000, a, b)
		equal(t, "one more", warned(), any(line{1027, 1026, ""}))
		w.set(1000, b, a)
		equal(t, "it is said", warned(), nil)
		why = errors.New("not allowed")
		w.set(1000, a, b, c)
		equal(t, "another need", warned(), any(line{1028, 1026, "not allowed"}))
		w.set(1000, b, c)
		equal(t, "what is gone needs nothing", warned(), nil)
		w.set(1000, a, b, c)
		equal(t, "and when it is back", warned(), any(line{1028, 1026, "not allowed"}))
		w.set(1, a, b, c)
		equal(t, "fewer checks at once", warned(), any(line{1027, 1026, "not allowed"}))
	})
}
