package probe

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

const second = time.Second

func TestPeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, still)
		w.answer["a"] = takes(900 * time.Millisecond)
		w.set(10, w.watch("a", "a", plain))
		w.sleep(31 * second)
		equal(t, "an interval is from start to start", w.asked(), []asked{
			{0, "a"}, {10 * second, "a"}, {20 * second, "a"}, {30 * second, "a"},
		})
		equal(t, "it is up", w.heard(), map[string]string{"a": "up"})
	})
}

func TestSlowCheckDoesNotOverlapItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, still)
		w.answer["a"] = takes(12 * second)
		patient := plain
		patient.Timeout = 15 * second
		w.set(10, w.watch("a", "a", patient))
		w.sleep(41 * second)
		equal(t, "one after the other", w.asked(), []asked{
			{0, "a"}, {12 * second, "a"}, {24 * second, "a"}, {36 * second, "a"},
		})
	})
}

func TestFirstChecksGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, still)
		for _, what := range []string{"old", "new", "urgent"} {
			w.answer[what] = takes(500 * time.Millisecond)
		}
		w.answer["hangs"] = hangs
		old, hanging := w.watch("old", "old", plain), w.watch("hangs", "hangs", plain)
		w.set(1, old)
		w.sleep(9500 * time.Millisecond)
		w.set(1, old, hanging) // takes the slot over the time at which the other is due
		w.sleep(900 * time.Millisecond)
		first := w.watch("urgent", "urgent", plain)
		first.Urgent = true
		w.set(1, old, hanging, w.watch("new", "new", plain), first)
		w.sleep(2 * second)
		equal(t, "in this order", w.asked(), []asked{
			{0, "old"},
			{9500 * time.Millisecond, "hangs"},
			{10500 * time.Millisecond, "urgent"},
			{11 * second, "new"},
			{11500 * time.Millisecond, "old"},
		})
	})
}

// New backends that do not answer take an eighth of the slots less once a known one waits, which is checked as soon as one
// of them ends. They are all checked as fast as before.
func TestFirstChecksLeaveSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, still)
		watches := []Watch{w.watch("old", "old", plain)}
		w.set(8, watches...)
		w.sleep(9500 * time.Millisecond)
		w.answer["hangs"] = hangs
		for i := range 40 {
			b := w.watch(string(rune('A'+i)), "hangs", plain)
			b.Target.Args += b.Ref.Backend
			b.Urgent = i%2 == 0
			watches = append(watches, b)
		}
		w.set(8, watches...)
		w.sleep(10 * second)
		got := make(map[string]map[time.Duration]int)
		for _, a := range w.asked() {
			if got[a.What] == nil {
				got[a.What] = make(map[time.Duration]int)
			}
			got[a.What][a.At]++
		}
		const from = 9500 * time.Millisecond
		equal(t, "checks", got, map[string]map[time.Duration]int{
			"old":   {0: 1, from + second: 1},
			"hangs": {from: 8, from + second: 8, from + 2*second: 8, from + 3*second: 8, from + 4*second: 8, from + 10*second: 8},
		})
	})
}

func TestSlotsThatAreLeft(t *testing.T) {
	for slots, left := range map[int]int{1: 0, 2: 1, 8: 1, 9: 2, 1000: 125} {
		equal(t, "slots", (&pool{max: slots}).kept(), left)
	}
}

func TestSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dice := rand.New(rand.NewPCG(1, 2))
		w := start(t, func(d time.Duration) time.Duration { return time.Duration(dice.Int64N(int64(d))) })
		var watches []Watch
		for i := range 1000 {
			name := string(rune('a' + i))
			watches = append(watches, w.watch(name, name, plain))
		}
		w.set(100, watches...)
		equal(t, "first checks are made at once", len(w.asked()), 1000)
		last := make(map[string]time.Duration)
		for range 40 {
			w.sleep(second)
			all := w.asked()
			if len(all) < 50 || len(all) > 160 {
				t.Errorf("%v: %d checks in a second, wanted about 100", time.Since(w.begun), len(all))
			}
			for _, a := range all {
				gap := a.At - last[a.What]
				const late = 625*time.Millisecond + maxSlack
				if was := last[a.What]; gap > 10*second+late || was > 0 && gap < 10*second-late {
					t.Errorf("%s: a check at %v, after one at %v", a.What, a.At, was)
				}
				last[a.What] = a.At
			}
		}
	})
}

func TestNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, still)
		calls := 0
		w.answer["a"] = func(ctx context.Context) Outcome {
			if calls++; calls == 2 {
				return Failed
			}
			return takes(500 * time.Millisecond)(ctx)
		}
		w.set(1, w.watch("a", "a", plain))
		result, trace, err := w.engine.Now(t.Context(), Ref{"web", "a"})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "what it found", result.Outcome, Failed)
		equal(t, "what it did", trace, &Trace{Steps: []Step{{Text: "asked a"}}})
		equal(t, "it counts for nothing", w.heard(), map[string]string{"a": "up"})
		w.sleep(10 * second)
		equal(t, "after the one that was made", w.asked(), []asked{
			{0, "a"}, {500 * time.Millisecond, "a"}, {10 * second, "a"},
		})
		if _, _, err := w.engine.Now(t.Context(), Ref{"web", "b"}); !errors.Is(err, ErrUnknown) {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 0)
		defer cancel()
		if _, _, err := w.engine.Now(ctx, Ref{"web", "a"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

// Who has asked for a check of a backend that goes while it is made is not left waiting.
func TestNowOfWhatGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, still)
		first := true
		w.answer["a"] = func(ctx context.Context) Outcome {
			if first {
				first = false
				return OK
			}
			return hangs(ctx)
		}
		w.set(1, w.watch("a", "a", plain))
		var err error
		go func() { _, _, err = w.engine.Now(t.Context(), Ref{"web", "a"}) }()
		synctest.Wait()
		w.set(1)
		w.sleep(10 * second)
		if !errors.Is(err, ErrUnknown) {
			t.Errorf("the answer is %v", err)
		}
	})
}

func TestWhatIsAskedForGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, still)
		w.answer["c"], w.answer["hangs"] = takes(100*time.Millisecond), hangs
		patient := plain
		patient.Interval, patient.FastInterval, patient.Timeout = 9500*time.Millisecond, 9500*time.Millisecond, 8*second
		w.set(1, w.watch("c", "c", plain), w.watch("b", "b", plain), w.watch("d", "d", plain), w.watch("h", "hangs", patient))
		w.sleep(11 * second) // the one that hangs has the slot from 9.6 s to 17.6 s; the others wait since 10 s, c first
		w.asked()
		for _, backend := range []string{"d", "c"} {
			go func() {
				if _, _, err := w.engine.Now(t.Context(), Ref{"web", backend}); err != nil {
					t.Error(err)
				}
			}()
			synctest.Wait()
		}
		w.sleep(7 * second)
		equal(t, "what is asked for, and then each in its turn", w.asked(), []asked{
			{17600 * time.Millisecond, "d"},
			{17600 * time.Millisecond, "c"},
			{17700 * time.Millisecond, "b"},
			{17700 * time.Millisecond, "d"},
			{17700 * time.Millisecond, "c"},
		})
	})
}

func TestNewsOfOneWhoDoesNotListen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, still)
		calls := 0
		w.answer["a"] = func(context.Context) Outcome {
			calls++
			return []Outcome{Failed, OK}[calls%2]
		}
		w.set(1, w.watch("a", "a", plain))
		w.sleep(35 * second)
		equal(t, "checks go on", len(w.asked()), 4)
		news := <-w.engine.Changes()
		equal(t, "it is told once", len(news), 1)
		equal(t, "what is newest", news[0].Verdict.Status, Down)
		equal(t, "since when", time.Since(news[0].Since), 5*second)
		equal(t, "and why", news[0].Text, "as the test says")
		equal(t, "and not again", w.heard(), map[string]string{})
	})
}

func TestProgramsHaveTheirOwnSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, still)
		w.answer["x"], w.answer["y"] = takes(500*time.Millisecond), takes(500*time.Millisecond)
		x, y := w.watch("x", "x", plain), w.watch("y", "y", plain)
		x.Target.Kind, y.Target.Kind = kindExec, kindExec
		w.set(1, x, y, w.watch("a", "a", plain))
		w.sleep(second)
		equal(t, "a does not wait", w.heard(), map[string]string{"x": "up", "y": "up", "a": "up"})
		seen := map[string]time.Duration{}
		for _, a := range w.asked() {
			seen[a.What] = a.At
		}
		equal(t, "one program at a time", seen, map[string]time.Duration{"x": 0, "a": 0, "y": 500 * time.Millisecond})
	})
}

// takes answers well after a while.
func takes(d time.Duration) func(context.Context) Outcome {
	return func(ctx context.Context) Outcome {
		select {
		case <-ctx.Done():
			return Failed
		case <-time.After(d):
			return OK
		}
	}
}

// hangs does not answer.
func hangs(ctx context.Context) Outcome {
	<-ctx.Done()
	return Failed
}
