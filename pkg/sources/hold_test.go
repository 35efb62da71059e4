package sources

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// numbered is an object of its own for each number.
func numbered(n int) object { return object{service: identity{fwmark: uint32(n + 1)}} }

func TestLimits(t *testing.T) {
	l := limits{percent: 50, floor: 5}
	tests := []struct {
		gone, all int
		want      bool
	}{
		{0, 0, false},
		{0, 10, false},
		{1, 1, true}, // all of them
		{1, 2, false},
		{4, 5, false}, // fewer than five
		{4, 4, true},
		{5, 9, true},
		{5, 10, false}, // half is not more than half
		{6, 10, true},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%d of %d", tt.gone, tt.all), func(t *testing.T) {
			equal(t, "exceeded", tt.want, l.exceeded(tt.gone, tt.all))
		})
	}
}

// TestGuardProperties has a source say anything at all: what leaves without having been missing for as long as is asked
// is never more than the limits allow of what was there, and once the source says the same again it ends.
func TestGuardProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := limits{
			percent: rapid.IntRange(0, 100).Draw(t, "percent"),
			floor:   rapid.IntRange(0, 6).Draw(t, "floor"),
			hold:    time.Minute,
		}
		now := time.Unix(0, 0)
		force := map[object]bool{}        // what is there: said, or held
		missing := map[object]time.Time{} // since when each of those has not been said
		said := map[object]bool{}         // what the source says
		var g guard
		step := func() {
			gone := map[object]bool{}
			for o := range force {
				if said[o] {
					delete(missing, o)
					continue
				}
				if _, ok := missing[o]; !ok {
					missing[o] = now
				}
				gone[o] = true
			}
			was, all := g, len(force)
			// What was confirmed is not the source's any more.
			for o := range gone {
				_, held := g.held[o]
				if since := missing[o]; !held && !since.Equal(now) && now.Sub(since) >= l.hold {
					delete(gone, o)
					delete(force, o)
					delete(missing, o)
					all--
				}
			}
			g = g.next(now, l, gone, all)
			if len(was.held) > 0 {
				all = was.all
			}
			left := 0
			for o := range gone {
				if _, held := g.held[o]; !held {
					left++
					delete(force, o)
					delete(missing, o)
				}
			}
			if l.exceeded(left, all) {
				t.Fatalf("%d of %d left at once with %+v", left, all, l)
			}
			for o := range g.held {
				if said[o] {
					t.Fatalf("%v is said and held", o)
				}
			}
			for o := range said {
				force[o] = true // additions always pass
			}
		}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "seconds")) * time.Second)
			if rapid.Bool().Draw(t, "again") {
				g = g.confirmed(now, l)
			} else {
				said = map[object]bool{}
				for _, n := range rapid.SliceOfN(rapid.IntRange(0, 15), 0, 16).Draw(t, "says") {
					said[numbered(n)] = true
				}
			}
			step()
		}
		for n := 0; len(g.held) > 0; n++ {
			if n > 2 {
				t.Fatal("the hold does not end")
			}
			now = g.due(l)
			for _, since := range g.held {
				if now.Before(since.Add(l.hold)) {
					now = since.Add(l.hold)
				}
			}
			g = g.confirmed(now, l)
			step()
		}
	})
}

// TestGuardHoldsWhatHasNotReturned has a source bring back what it left out, one after the other.
func TestGuardHoldsWhatHasNotReturned(t *testing.T) {
	l := limits{percent: 50, floor: 5, hold: time.Minute}
	start := time.Unix(0, 0)
	gone := map[object]bool{}
	for n := range 6 {
		gone[numbered(n)] = true
	}
	g := guard{}.next(start, l, gone, 9)
	for n := range 6 {
		equal(t, "held", 6-n, len(g.held))
		delete(gone, numbered(n))
		last := g
		g = g.next(start.Add(time.Second), l, gone, 9)
		if n == 1 { // four of nine are within the limits, and more so within wider ones
			wider := limits{percent: 90, floor: 5, hold: time.Minute}
			equal(t, "held by other limits", 0, len(last.next(start, wider, gone, 9).held))
		}
	}
	equal(t, "held", 0, len(g.held))
	equal(t, "goes on", false, g.holding)
}

func TestGuardDoesNotLetGoEarly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := limits{percent: 50, floor: 5, hold: time.Minute}
		gone := map[object]bool{}
		for n := range rapid.IntRange(6, 20).Draw(t, "gone") {
			gone[numbered(n)] = true
		}
		now := time.Unix(0, 0)
		g := guard{}.next(now, l, gone, len(gone))
		before := rapid.IntRange(0, 59).Draw(t, "seconds")
		if got := g.confirmed(now.Add(time.Duration(before)*time.Second), l); len(got.held) != len(gone) {
			t.Fatalf("%d of %d are held after %d s", len(got.held), len(gone), before)
		}
		if got := g.confirmed(now.Add(time.Minute), l); len(got.held) != 0 {
			t.Fatalf("%d are held after a minute", len(got.held))
		}
	})
}
