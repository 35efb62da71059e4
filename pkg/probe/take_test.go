package probe

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

func TestOneProbeForMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, still)
		patient := plain
		patient.Interval, patient.Fall = 30*second, 2
		calls := 0
		w.answer["x"] = func(context.Context) Outcome {
			if calls++; calls > 1 {
				return Failed
			}
			return OK
		}
		w.set(10, w.watch("quick", "x", plain), w.watch("patient", "x", patient))
		equal(t, "both are up", w.heard(), map[string]string{"quick": "up", "patient": "up"})
		w.sleep(20 * second)
		equal(t, "one takes the second check", w.heard(), map[string]string{"quick": "down"})
		w.sleep(10 * second) // the patient one fails, and confirms it after 2 s
		equal(t, "one failure is not two", w.heard(), map[string]string{})
		w.sleep(2 * second)
		equal(t, "two are", w.heard(), map[string]string{"patient": "down"})
		equal(t, "the shorter interval is the probe's", w.asked(), []asked{
			{0, "x"}, {10 * second, "x"}, {20 * second, "x"}, {30 * second, "x"}, {32 * second, "x"},
		})
		w.sleep(3 * second)
		w.asked()
		w.set(10, w.watch("quick", "x", plain), w.watch("late", "x", plain))
		equal(t, "who joins has what is known", w.heard(), map[string]string{"patient": "gone", "quick": "down", "late": "down"})
		equal(t, "and nothing is checked for it", w.asked(), nil)
	})
}

// A backend is judged by the checks that come nearest to its interval, and not more often over time than that says. A
// change is confirmed after the fast interval however early that check was.
func TestLongerIntervalStaysWhatItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, still)
		calls := 0
		w.answer["x"] = func(context.Context) Outcome {
			if calls++; calls == 32 {
				return Failed
			}
			return OK
		}
		slow := plain
		slow.Interval, slow.Fall = 15*second, 2
		w.set(10, w.watch("quick", "x", plain), w.watch("slow", "x", slow))
		w.sleep(301 * second)
		seen, err := w.engine.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "checks of the quick one", seen[Ref{"web", "quick"}].State.answers, 31)
		equal(t, "and of the slow one", seen[Ref{"web", "slow"}].State.answers, 21)
		w.asked()
		w.heard()
		w.sleep(12 * second) // at 310 s the slow one has the check that it is to have at 315 s
		equal(t, "the quick one is down, and the slow one confirms it", w.asked(), []asked{{310 * second, "x"}, {312 * second, "x"}})
	})
}

// Only services that are named change, and of a probe that they share the members that are edited.
func TestOnlyWhatIsNamedChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, still)
		watch := func(service, backend, what string) Watch {
			b := w.watch(backend, what, plain)
			b.Ref.Service = service
			return b
		}
		w.give(10, map[string][]Watch{
			"s": {watch("s", "a", "x"), watch("s", "b", "b")},
			"t": {watch("t", "c", "x"), watch("t", "d", "x"), watch("t", "e", "e")},
		})
		w.sleep(4 * second)
		w.heard()
		edited := watch("t", "c", "x")
		edited.Policy.Interval = 30 * second
		w.give(10, map[string][]Watch{"t": {edited, watch("t", "d", "y")}})
		equal(t, "news", w.heard(), map[string]string{"c": "up", "d": "up", "e": "gone"})
		seen, err := w.engine.Snapshot(t.Context(), Ref{"s", "a"}, Ref{"s", "b"}, Ref{"t", "c"}, Ref{"t", "d"}, Ref{"t", "e"})
		if err != nil {
			t.Fatal(err)
		}
		due := make(map[string]time.Duration)
		for ref, s := range seen {
			equal(t, ref.Backend, s.State.Status(), Up)
			due[ref.Backend] = s.Due.Sub(w.begun)
		}
		equal(t, "due", due, map[string]time.Duration{"a": 10 * second, "b": 10 * second, "c": 30 * second, "d": 14 * second})
		w.give(10, map[string][]Watch{"s": nil})
		equal(t, "nothing more of it", w.heard(), map[string]string{"a": "gone", "b": "gone"})
		w.asked()
		w.sleep(27 * second)
		equal(t, "and checks", w.asked(), []asked{{14 * second, "y"}, {24 * second, "y"}, {30 * second, "x"}})
	})
}

// A target that one backend gives up and another takes in the same Set keeps its state, whichever service comes first and
// however long each waits for an answer. So does one that is taken again before the engine has seen that it was given up.
func TestTargetsThatMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, still)
		watch := func(service, what string, timeout time.Duration) []Watch {
			b := w.watch(service, what, plain)
			b.Ref.Service, b.Policy.Timeout = service, timeout
			return []Watch{b}
		}
		w.give(10, map[string][]Watch{"b": watch("b", "x", second), "e": watch("e", "y", second)})
		w.sleep(4 * second)
		w.heard()
		w.give(10, map[string][]Watch{
			"a": watch("a", "x", 2*second), "b": watch("b", "y", 3*second),
			"e": nil, "f": watch("f", "x", second),
		})
		equal(t, "all are known", w.heard(), map[string]string{"a": "up", "b": "up", "e": "gone", "f": "up"})
		w.atOnce(10, map[string][]Watch{"a": nil, "b": nil}, map[string][]Watch{"a": watch("a", "y", second)})
		equal(t, "in two Sets at once", w.heard(), map[string]string{"a": "up", "b": "gone"})
		equal(t, "only the first checks were made for it", len(w.asked()), 2)
	})
}

// What was another for a moment, so that the engine did not see it, is told again: whoever set it knows nothing of it.
func TestWhatIsSetIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, still)
		w.set(10, w.watch("a", "x", plain))
		equal(t, "its first answer", w.heard(), map[string]string{"a": "up"})
		w.atOnce(10, map[string][]Watch{"web": {w.watch("a", "y", plain)}}, map[string][]Watch{"web": {w.watch("a", "x", plain)}})
		equal(t, "once more", w.heard(), map[string]string{"a": "up"})
		equal(t, "and it was checked once", w.asked(), []asked{{0, "x"}})
	})
}

func TestInbox(t *testing.T) {
	b := inbox{full: make(chan struct{}, 1)}
	one, two := []Watch{{Ref: Ref{"s", "one"}}}, []Watch{{Ref: Ref{"s", "two"}}}
	given := map[string][]Watch{"s": one, "t": one}
	b.put(Wanted{Services: given, Checks: 1, Exec: 2})
	b.put(Wanted{Services: map[string][]Watch{"s": two, "u": nil}, Checks: 3, Exec: 4})
	<-b.full
	b.put(Wanted{Services: map[string][]Watch{"v": two}, Checks: 5, Exec: 4})
	want := Wanted{Services: map[string][]Watch{"s": two, "t": one, "u": nil, "v": two}, Checks: 5, Exec: 4}
	equal(t, "the newest of each", b.empty(), want)
	equal(t, "nothing is left", len(b.full), 0)
	equal(t, "what was given is as it was", given, map[string][]Watch{"s": one, "t": one})
}

// A large configuration does not keep the engine from its checks.
func TestChecksGoOnWhileMuchIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, still)
		w.answer["x"] = takes(second)
		var watches []Watch
		for i := range 3 * piece {
			watches = append(watches, w.watch(strconv.Itoa(i), "x", plain))
		}
		active := 0
		last := w.watch("last", "last", plain)
		last.Checker = func() Checker {
			active = w.engine.Vitals().Active
			return checkFunc(idle)
		}
		w.set(10, append(watches, last)...)
		equal(t, "checks that were made when the last came", active, 1)
		equal(t, "all are there", w.engine.Vitals(), Vitals{Probes: 2, Active: 1, Newest: w.begun})
	})
}

func TestResultOfWhatIsReplacedIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, still)
		w.answer["deaf"] = func(context.Context) Outcome { time.Sleep(900 * time.Millisecond); return Failed }
		w.set(10, w.watch("a", "deaf", plain))
		w.sleep(100 * time.Millisecond)
		w.set(10, w.watch("a", "well", plain))
		equal(t, "the new target answers", w.heard(), map[string]string{"a": "up"})
		w.sleep(5 * second)
		equal(t, "the old one does not count", w.heard(), map[string]string{})

		w.set(10, w.watch("a", "deaf", plain))
		w.sleep(100 * time.Millisecond)
		w.set(10)
		w.set(10, w.watch("a", "deaf", plain))
		w.sleep(700 * time.Millisecond)
		equal(t, "removed and added again", w.heard(), map[string]string{"a": "unanswered"})
		w.sleep(100 * time.Millisecond)
		equal(t, "the check from before does not count", w.heard(), map[string]string{})
		w.sleep(900 * time.Millisecond)
		equal(t, "its own does", w.heard(), map[string]string{"a": "down"})
		equal(t, "one after the other", w.asked(), []asked{
			{0, "deaf"},
			{100 * time.Millisecond, "well"},
			{5100 * time.Millisecond, "deaf"},
			{6 * second, "deaf"},
		})
	})
}

func TestEditsKeepWhatIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, still)
		w.set(10, w.watch("a", "a", plain))
		w.sleep(4 * second)
		equal(t, "up", w.heard(), map[string]string{"a": "up"})
		w.set(10, w.watch("b", "a", plain))
		equal(t, "renamed", w.heard(), map[string]string{"a": "gone", "b": "up"})
		other := plain
		other.Timeout = 3 * second
		w.set(10, w.watch("b", "a", other))
		equal(t, "another timeout", w.heard(), map[string]string{"b": "up"})
		other.Interval = 5 * second
		w.set(10, w.watch("b", "a", other))
		equal(t, "another interval", w.heard(), map[string]string{"b": "up"})
		w.sleep(6 * second)
		equal(t, "no news", w.heard(), map[string]string{})
		equal(t, "only the interval counts", w.asked(), []asked{{0, "a"}, {5 * second, "a"}, {10 * second, "a"}})
	})
}

func TestRemovedCheckIsBrokenOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, still)
		w.answer["hangs"] = hangs
		patient := plain
		patient.Timeout = 8 * second
		w.set(1, w.watch("a", "hangs", patient))
		w.sleep(second)
		w.set(1, w.watch("b", "b", plain))
		equal(t, "its slot is free", w.heard(), map[string]string{"a": "gone", "b": "up"})
		equal(t, "nothing is left of it", w.engine.Vitals(), Vitals{Probes: 1, Newest: w.begun.Add(second)})
	})
}
