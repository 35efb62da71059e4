package probe

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
)

// still are dice that spread nothing: all is exact.
func still(time.Duration) time.Duration { return 0 }

// plain is a policy with nothing special.
var plain = Policy{
	Interval: 10 * time.Second, FastInterval: 2 * time.Second, Timeout: time.Second,
	Rise: 1, Fall: 1, Backoff: 1, MaxInterval: time.Minute, Restore: Immediate, Window: 100,
}

// world is a place where targets answer as a test says, and who takes down when they were asked.
type world struct {
	t      *testing.T
	engine *Engine
	log    chan asked
	begun  time.Time
	answer map[string]func(context.Context) Outcome
}

// asked is one check.
type asked struct {
	At   time.Duration
	What string
}

type checkFunc func(context.Context, *Trace) Result

func (f checkFunc) Check(ctx context.Context, t *Trace) Result { return f(ctx, t) }

// idle is a target that answers at once.
func idle(context.Context, *Trace) Result { return Result{Outcome: OK} }

// start runs an engine in a bubble.
func start(t *testing.T, dice func(time.Duration) time.Duration) *world {
	w := prepare(t, dice)
	w.run()
	return w
}

func prepare(t *testing.T, dice func(time.Duration) time.Duration) *world {
	return &world{
		t: t, log: make(chan asked, 100_000), begun: time.Now(),
		engine: New(dice, zerolog.Nop()),
		answer: make(map[string]func(context.Context) Outcome),
	}
}

func (w *world) run() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := w.engine.Run(w.t.Context()); err != nil {
			w.t.Error(err)
		}
	}()
	w.t.Cleanup(func() { <-done }) // the context of the test has ended
}

// checker makes the checks of a target, which is well unless the test says otherwise.
func (w *world) checker(what string) func() Checker {
	answer := w.answer[what]
	return func() Checker {
		return checkFunc(func(ctx context.Context, t *Trace) Result {
			w.log <- asked{time.Since(w.begun), what}
			if t != nil {
				t.Steps = append(t.Steps, Step{Text: "asked " + what})
			}
			if answer == nil {
				return Result{Outcome: OK}
			}
			return Result{Outcome: answer(ctx), Text: "as the test says"}
		})
	}
}

// watch is a backend that is checked by a target.
func (w *world) watch(backend, what string, p Policy) Watch {
	return Watch{Ref: Ref{"web", backend}, Target: Target{"tcp", what}, Policy: p, Checker: w.checker(what)}
}

// set makes these the backends of the service.
func (w *world) set(slots int, watches ...Watch) {
	w.give(slots, map[string][]Watch{"web": watches})
}

// give is an edit of some services.
func (w *world) give(slots int, services map[string][]Watch) {
	w.engine.Set(Wanted{Services: services, Checks: slots, Exec: slots})
	synctest.Wait()
}

// atOnce is edits that the engine sees together, because it is busy while they come.
func (w *world) atOnce(slots int, edits ...map[string][]Watch) {
	w.engine.questions <- func() {
		for _, services := range edits {
			w.engine.Set(Wanted{Services: services, Checks: slots, Exec: slots})
		}
	}
	synctest.Wait()
}

// asked returns the checks since it was called last.
func (w *world) asked() []asked {
	var all []asked
	for len(w.log) > 0 {
		all = append(all, <-w.log)
	}
	return all
}

// heard returns the news since it was called last.
func (w *world) heard() map[string]string {
	synctest.Wait()
	all := make(map[string]string)
	select {
	case news := <-w.engine.Changes():
		for _, n := range news {
			is := [...]string{"unanswered", "up", "down"}[n.Verdict.Status]
			if n.Gone {
				is = "gone"
			}
			all[n.Backend] = is
		}
	default:
	}
	return all
}

func (w *world) sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
