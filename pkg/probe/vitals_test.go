package probe

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestStuckCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, still)
		free := make(chan struct{})
		w.answer["stuck"] = func(context.Context) Outcome { <-free; return OK }
		twice := plain
		twice.Fall = 2
		w.sleep(second)
		w.set(1, w.watch("stuck", "stuck", twice), w.watch("other", "other", plain))
		equal(t, "there is one slot", w.engine.Vitals().Queued, 1)
		w.sleep(3 * second)
		equal(t, "it gave its slot back", w.heard(), map[string]string{"stuck": "unanswered", "other": "up"})
		equal(t, "it is known", w.engine.Vitals().Stuck, 1)
		w.sleep(10 * second)
		equal(t, "it counts as a failure each time", w.heard(), map[string]string{"stuck": "down"})
		if _, _, err := w.engine.Now(t.Context(), Ref{"web", "stuck"}); !errors.Is(err, errStuck) {
			t.Error(err)
		}
		seen, err := w.engine.Snapshot(t.Context(), Ref{"web", "stuck"})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "in words", seen[Ref{"web", "stuck"}].State.Last().Text, "no answer within 1s, and the check has not ended")
		close(free)
		w.sleep(11 * second)
		equal(t, "it ended", w.heard(), map[string]string{"stuck": "up"})
		equal(t, "nothing is stuck", w.engine.Vitals().Stuck, 0)
	})
}

// A check that comes back long after its time was held up here, and its failure says nothing of the backend.
func TestFailureOfWhatIsHeldUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, still)
		for what, late := range map[string]time.Duration{"just": 250 * time.Millisecond, "long": 251 * time.Millisecond, "program": second} {
			w.answer[what] = func(ctx context.Context) Outcome { <-ctx.Done(); time.Sleep(late); return Failed }
		}
		program := w.watch("program", "program", plain)
		program.Target.Kind = kindExec
		w.set(9, w.watch("just", "just", plain), w.watch("long", "long", plain), program)
		w.sleep(2 * second)
		equal(t, "news", w.heard(), map[string]string{"just": "down", "long": "unanswered", "program": "down"})
		seen, err := w.engine.Snapshot(t.Context(), Ref{"web", "long"})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "in words", seen[Ref{"web", "long"}].State.Last().Text, "the check was held up here")
	})
}

func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, still)
		free := make(chan struct{})
		w.answer["stuck"] = func(context.Context) Outcome { <-free; return OK }
		w.answer["hangs"] = hangs
		ctx, cancel := context.WithCancel(t.Context())
		e := New(still, w.engine.log)
		e.Set(Wanted{Services: map[string][]Watch{"web": {w.watch("a", "stuck", plain), w.watch("b", "hangs", plain)}}, Checks: 9})
		done := make(chan struct{})
		go func() { defer close(done); _ = e.Run(ctx) }()
		w.sleep(100 * time.Millisecond)
		cancel()
		at := time.Now()
		<-done
		equal(t, "it waits for a check, but not for ever", time.Since(at), lateness)
		if _, _, err := e.Now(t.Context(), Ref{"web", "a"}); !errors.Is(err, ErrStopped) {
			t.Error(err)
		}
		if _, err := e.Snapshot(t.Context()); !errors.Is(err, ErrStopped) {
			t.Error(err)
		}
		close(free)
	})
}

func TestVitals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, still)
		w.answer["hangs"] = hangs
		patient := plain
		patient.Timeout = 8 * second
		w.set(1, w.watch("a", "a", plain), w.watch("b", "hangs", patient))
		w.sleep(5 * second)
		is := w.engine.Vitals()
		equal(t, "the newest result", is.Newest.Sub(w.begun), 0)
		equal(t, "nothing is late", is.Late, 0)
		w.set(1, w.watch("a", "a", plain), w.watch("b", "hangs", patient), w.watch("c", "c", plain))
		w.sleep(2 * second)
		equal(t, "one waits for a slot", w.engine.Vitals(), Vitals{
			Probes: 3, Active: 1, Queued: 1, Newest: w.begun, Late: 2 * second,
		})
	})
}

func TestVitalsOfAnEngineThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, still)
		free, calls := make(chan struct{}), 0
		w.answer["a"] = func(ctx context.Context) Outcome {
			if calls++; calls == 1 {
				return takes(500 * time.Millisecond)(ctx)
			}
			<-free // as the engine itself
			time.Sleep(50 * time.Millisecond)
			return Failed
		}
		w.set(1, w.watch("a", "a", plain))
		w.sleep(10*second + 100*time.Millisecond)
		w.heard()
		equal(t, "it sleeps", w.engine.Vitals().Hangs, 0)
		b := w.watch("b", "b", plain)
		b.Checker = func() Checker { <-free; return checkFunc(idle) }
		w.set(1, w.watch("a", "a", plain), b)
		w.sleep(5 * second)
		newest := w.begun.Add(500 * time.Millisecond)
		equal(t, "it is at one thing", w.engine.Vitals(), Vitals{
			Probes: 1, Active: 1, Newest: newest, Hangs: 5 * second, Late: 2350 * time.Millisecond,
		})
		w.set(1, w.watch("a", "a", plain), b) // does not wait
		close(free)
		w.sleep(100 * time.Millisecond)
		equal(t, "it goes on, and nothing is down for that", w.heard(), map[string]string{"a": "up", "b": "up"})
		equal(t, "nothing is stuck", w.engine.Vitals().Stuck, 0)
	})
}
