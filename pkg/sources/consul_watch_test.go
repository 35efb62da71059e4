package sources

import (
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/gorb-io/gorb/pkg/spec"
)

// TestWatchDelivers plays a watch against a store that changes, fails, lags and is restored at any time, and holds it to
// what it promises: it delivers nothing that has not been still, unless the store was not for long; it asks no more often
// than it may; it answers every demand; and when all is quiet it has delivered what the store holds.
func TestWatchDelivers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := paceOf(spec.SourceDecl{})
		w := newWatch(p)
		now := time.Unix(1e9, 0)
		type version struct {
			index   uint64
			content byte
		}
		store := version{index: 100}
		var (
			delivered = -1 // the content; -1: nothing yet
			owed      bool
			broken    bool
			began     time.Time
			seen      = -1      // the content that was answered last; -1: there was an error
			since     time.Time // when it was answered first
		)
		answerOf := func(v version) answer {
			return answer{index: v.index, sum: sha256.Sum256([]byte{v.content})}
		}
		step := func(quiet bool) {
			now = now.Add(w.pause(now))
			if !began.IsZero() && !broken && now.Sub(began) < p.gap {
				t.Fatalf("asked %v after the question before", now.Sub(began))
			}
			began = now
			q := w.ask(now)
			if w.asking.any() {
				owed = true
			}
			a := answerOf(store)
			end := now.Add(time.Millisecond)
			switch kind := rapid.IntRange(0, 9).Draw(t, "kind"); {
			case !quiet && kind == 0:
				a = answer{err: errors.New("no")}
			case !quiet && kind == 1 && !q.consistent && w.index > 0: // a server that lags
				a = answerOf(version{index: 50, content: 200})
			case q.index == 0 || store.index > q.index || !quiet && kind == 2: // or it returns without a change
			case !quiet && kind < 8 && q.wait > 2*time.Millisecond: // a change comes while the question is out
				end = now.Add(time.Duration(rapid.Int64Range(int64(time.Millisecond), int64(q.wait)-1).Draw(t, "after")))
				store = version{store.index + 1, byte(rapid.IntRange(0, 3).Draw(t, "content"))}
				a = answerOf(store)
			default:
				end = now.Add(q.wait)
			}
			limit := p.unrest
			if w.owed.or(w.asking).any() {
				limit = p.patient
			}
			restless := !w.unrest.IsZero() && end.Sub(w.unrest) >= limit
			now = end
			switch {
			case a.err != nil:
				seen = -1
			case a.sum == answerOf(store).sum && int(store.content) != seen:
				seen, since = int(store.content), now
			}
			turn := w.take(now, a)
			if broken = a.err != nil; broken {
				w.fail(now, 3*time.Second)
			}
			if turn.owed.any() && !owed {
				t.Fatal("answered a demand that nobody made")
			}
			if turn.owed.any() {
				owed = false
			}
			if !turn.deliver {
				return
			}
			if a.sum != answerOf(store).sum {
				t.Fatal("what a server that lags said was delivered")
			}
			if int(store.content) != delivered && now.Sub(since) < p.settle && !restless {
				t.Fatalf("delivered %v after the last change", now.Sub(since))
			}
			delivered = int(store.content)
		}
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "between") {
			case 0: // between two questions
				store = version{store.index + 1, byte(rapid.IntRange(0, 3).Draw(t, "content"))}
			case 1: // restored
				store = version{uint64(rapid.IntRange(60, 99).Draw(t, "index")), byte(rapid.IntRange(0, 3).Draw(t, "content"))}
			case 2:
				w.demand(demands{asked: true})
			}
			step(false)
		}
		w.demand(demands{again: true})
		for range 4 {
			step(true)
		}
		if delivered != int(store.content) {
			t.Fatalf("delivered %d, and the store holds %d", delivered, store.content)
		}
		if owed {
			t.Fatal("a demand is not answered")
		}
	})
}

// TestWatchNoise asks ever more rarely while answers come early and say nothing new, and at once again after a change.
func TestWatchNoise(t *testing.T) {
	w := newWatch(paceOf(spec.SourceDecl{}))
	now := time.Unix(1e9, 0)
	a := answer{index: 1}
	for range 20 {
		now = now.Add(w.pause(now))
		w.ask(now)
		a.index++
		now = now.Add(time.Millisecond)
		w.take(now, a)
	}
	equal(t, "pause", w.pace.noise-time.Millisecond, w.pause(now))
	w.ask(now)
	a.sum[0]++
	w.take(now, a)
	if pause := w.pause(now); pause > 2*w.pace.gap {
		t.Errorf("%v until the next question after a change", pause)
	}
}

// TestWatchIndexZero never asks with the index 0 as if it were one, which would not block.
func TestWatchIndexZero(t *testing.T) {
	w := newWatch(paceOf(spec.SourceDecl{}))
	now := time.Unix(1e9, 0)
	equal(t, "first index", uint64(0), w.ask(now).index)
	w.take(now, answer{})
	equal(t, "second index", uint64(1), w.ask(now).index)
}
