package probe

import (
	"maps"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// BenchmarkTake is for how long a configuration of 100,000 backends in 5,000 services keeps the engine: the first, one
// that changes nothing, one that replaces all, and an edit of one service. The longest piece is for how long no result is
// judged meanwhile.
func BenchmarkTake(b *testing.B) {
	const n = 100_000
	all, others := byService(manyWatches(n, "", 10*time.Second)), byService(manyWatches(n, "x", 10*time.Second))
	one := map[string][]Watch{"s7": all["s7"]}
	other := map[string][]Watch{"s7": others["s7"]}
	for _, bb := range []struct {
		name         string
		before, next map[string][]Watch
	}{
		{"first", nil, all}, {"same", all, all}, {"others", all, others}, {"one", all, one}, {"other", all, other},
	} {
		b.Run(bb.name, func(b *testing.B) {
			var longest time.Duration
			fresh := func() *Engine {
				e := New(still, zerolog.Nop())
				takeAll(e, bb.before)
				return e
			}
			e := fresh()
			for b.Loop() {
				if bb.name == "first" || bb.name == "others" {
					b.StopTimer()
					e = fresh()
					b.StartTimer()
				}
				longest = max(longest, takeAll(e, bb.next))
			}
			b.ReportMetric(float64(longest.Microseconds())/1000, "longest-ms")
		})
	}
}

// takeAll takes services and returns how long the longest piece was.
func takeAll(e *Engine, services map[string][]Watch) (longest time.Duration) {
	at := time.Now()
	e.take(Wanted{Services: maps.Clone(services), Checks: 1000, Exec: 10})
	for longest = time.Since(at); e.taking != nil; longest = max(longest, time.Since(at)) {
		e.news, e.untold = nil, make(map[Ref]int) // somebody reads them
		at = time.Now()
		e.takePiece(e.now())
	}
	return longest
}

func byService(watches []Watch) map[string][]Watch {
	all := make(map[string][]Watch)
	for _, w := range watches {
		all[w.Ref.Service] = append(all[w.Ref.Service], w)
	}
	return all
}
