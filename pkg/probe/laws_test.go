package probe

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func drawPolicy(t *rapid.T) Policy {
	p := Policy{
		Interval:    time.Duration(rapid.IntRange(1, 100).Draw(t, "interval")) * time.Second,
		Rise:        rapid.IntRange(1, 4).Draw(t, "rise"),
		Fall:        rapid.IntRange(1, 4).Draw(t, "fall"),
		Backoff:     rapid.SampledFrom([]float64{1, 1.5, 2, 1000}).Draw(t, "backoff"),
		Initial:     rapid.SampledFrom([]Initial{AsKernel, InitialUp, InitialDown}).Draw(t, "initial"),
		InitialWait: rapid.SampledFrom([]time.Duration{0, time.Minute}).Draw(t, "initial wait"),
		Restore:     rapid.SampledFrom([]Restore{Gradual, SlowStart, Immediate}).Draw(t, "restore"),
		Window:      rapid.SampledFrom([]int{1, 3, 20, 100, 130}).Draw(t, "window"),
		SlowStart:   time.Duration(rapid.IntRange(1, 1000).Draw(t, "slow start")) * time.Second,
	}
	p.FastInterval = p.Interval / 10
	p.MaxInterval = p.Interval * time.Duration(rapid.IntRange(1, 100).Draw(t, "max"))
	return p
}

// drawResult draws a result after a State, and of how many more of its kind it is the first.
func drawResult(t *rapid.T, s State) (Result, int) {
	r := Result{
		Outcome: rapid.SampledFrom([]Outcome{OK, OK, OK, Failed, Failed, Unmade}).Draw(t, "outcome"),
		Took:    time.Duration(rapid.IntRange(0, 3000).Draw(t, "took")) * time.Millisecond,
	}
	return r, rapid.SampledFrom([]int{1, 1, 1, 2, 3, 50, 150}).Draw(t, "times")
}

var drawWeight = rapid.SampledFrom([]uint32{0, 1, 2, 3, 7, 99, 100, 101, 150, 65535, 1<<31 - 1})

var equalStates = cmp.AllowUnexported(State{}, window{})

// The laws of the judgement over any results of any policy, that may change under way.
func TestLawsOfTheJudgement(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, declared := drawPolicy(t), drawWeight.Draw(t, "weight")
		s, now := Begin(noon), noon
		twin, run, answers := s, 0, 0
		for range rapid.IntRange(1, 10).Draw(t, "parts") {
			if rapid.IntRange(0, 4).Draw(t, "edited") == 0 {
				p = drawPolicy(t)
			}
			r, times := drawResult(t, s)
			for range times {
				r.At = now.Add(r.Took)
				was := s
				copied := s
				copied.window.older = append([]uint64(nil), s.window.older...)
				s = s.Next(p, r)
				if diff := cmp.Diff(copied, was, equalStates, cmp.Transformer("len", lenNil)); diff != "" {
					t.Fatalf("Next changed what it was called on (-was +is):\n%s", diff)
				}
				twin = twin.Next(p, r)
				run, answers = counted(run, answers, r)
				checkStatus(t, p, was, s, r, run, answers)
				checkWeight(t, p, was, s, r, declared)
				wait := s.Wait(p)
				if wait < p.FastInterval || wait > max(p.Interval, p.MaxInterval) || s.Status() == Up && wait > p.Interval {
					t.Fatalf("the next check is due after %s", wait)
				}
				now = now.Add(max(wait, r.Took))
			}
		}
		if diff := cmp.Diff(twin.Verdict(p), s.Verdict(p)); diff != "" {
			t.Fatalf("the same results judge otherwise:\n%s", diff)
		}
	})
}

// lenNil makes an empty slice a nil one.
func lenNil(list []uint64) []uint64 {
	if len(list) == 0 {
		return nil
	}
	return list[:len(list):len(list)]
}

// counted counts answers, and those in a row; failures below 0.
func counted(run, answers int, r Result) (int, int) {
	switch r.Outcome {
	case OK:
		return max(run, 0) + 1, answers + 1
	case Failed:
		return min(run, 0) - 1, answers + 1
	}
	return run, answers
}

// checkStatus holds a change of the status against the counts of a model.
func checkStatus(t *rapid.T, p Policy, was, is State, r Result, run, answers int) {
	t.Helper()
	want := was.Status()
	decided := was.Status() == Unanswered && answers >= p.Rise+p.Fall
	switch {
	case r.Outcome == OK && (run >= p.Rise || decided) && want != Up:
		want = Up
	case r.Outcome == Failed && (-run >= p.Fall || decided || was.recovering(p, r.At)) && want != Down:
		want = Down
	}
	if is.Status() != want {
		t.Fatalf("status %d after %d, want %d: %d in a row of %d", is.Status(), was.Status(), want, run, answers)
	}
	if same := is.Since().Equal(was.Since()); same != (is.Status() == was.Status()) && r.At.After(was.Since()) {
		t.Fatalf("since %s, before since %s", is.Since(), was.Since())
	}
}

// checkWeight holds what weight there is after a result against what there was before it.
func checkWeight(t *rapid.T, p Policy, was, is State, r Result, declared uint32) {
	t.Helper()
	weight := Weight(declared, nil, is, p, r.At)
	good, of := is.Share(p)
	switch {
	case weight > declared:
		t.Fatalf("weight %d of %d", weight, declared)
	case is.Status() == Down && weight != 0:
		t.Fatalf("a backend that is down has %d", weight)
	case is.Status() == Up && declared > 0 && weight == 0:
		t.Fatal("a backend that is up has nothing")
	case is.Status() == Up && good == of && p.Restore != SlowStart && weight != declared:
		t.Fatalf("%d of %d when all of %d checks were good", weight, declared, of)
	case r.Outcome == OK && was.Status() == Up && weight < Weight(declared, nil, was, p, r.At):
		t.Fatalf("a success takes weight away: %d", weight)
	case r.Outcome == Failed && was.recovering(p, r.At) && weight != 0:
		t.Fatalf("a failure on the way back leaves %d", weight)
	case r.Outcome == Unmade && is.Verdict(p) != was.Verdict(p):
		t.Fatal("what is no answer changes the verdict")
	}
}

// A weight is constant until it is said to change, changes then, never falls while time passes, and does not change
// more often than a hundred times.
func TestWeightChangesWhenItSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		declared := drawWeight.Draw(t, "weight")
		v := Verdict{
			Status: rapid.SampledFrom([]Status{Unanswered, Up, Down}).Draw(t, "status"),
			From:   noon,
			Over:   time.Duration(rapid.Int64Range(1, int64(31*24*time.Hour)).Draw(t, "over")),
		}
		now := noon.Add(-time.Second)
		for changes := 0; ; changes++ {
			has := Effective(declared, nil, v, now)
			at, ok := v.ChangesAt(declared, nil, now)
			if changes > maxSteps {
				t.Fatal("too many changes")
			}
			if !ok {
				if last := Effective(declared, nil, v, noon.Add(v.Over)); last != has || last != declared && v.Status != Down {
					t.Fatalf("weight %d stays, %d when all is over", has, last)
				}
				return
			}
			if before := Effective(declared, nil, v, at.Add(-1)); before != has {
				t.Fatalf("%d, and %d before it changes", has, before)
			}
			if then := Effective(declared, nil, v, at); then <= has {
				t.Fatalf("%d, and %d when it changes", has, then)
			}
			now = at
		}
	})
}
