package probe

import (
	"math"
	"time"
)

// State is what the results of one backend make of it. It is a value: Next returns another and leaves its receiver as it
// is, and copies are independent. The same results at the same times make the same State.
//
// What the results say counts, and nothing else: the kernel's weights are no memory of it, so that a second writer cannot
// move it, and a restart of gorb begins anew. Then the share is of the checks since, as it is for a new backend: one that
// answers well has its whole weight with its first success, and does not lose any of it for want of a history. One that
// was coming back has its whole weight at once then.
type State struct {
	last     Result
	failure  string // what its last failure said; "" when it comes up
	since    time.Time
	window   window
	run      int32  // successes in a row, or as a negative number failures
	answers  uint32 // how many came, as far as it counts
	status   Status
	recovers bool // it is up, after it was down, and has not had its whole weight since
}

// Begin returns the State of a backend of which nothing is known, from now on.
func Begin(now time.Time) State { return State{since: now} }

// Next returns the State after one more result, as the policy of now judges it. An Unmade one is no answer: it is only
// remembered.
//
// Rise successes in a row bring a backend up and Fall failures down, from Unanswered too: a restart of gorb takes nothing
// down that a policy of three failures would have kept. So that somebody may wait for its answer, an unanswered backend
// whose answers go to and fro is what the one in place Rise+Fall says. One that is coming back goes down with its first
// failure, whatever Fall says.
func (s State) Next(p Policy, r Result) State {
	s.last = r
	if r.Outcome == Unmade {
		return s
	}
	recovering := s.recovering(p, r.At)
	s = s.count(p, r)
	switch {
	case r.Outcome == OK && s.status != Up && (s.run >= atLeastOne(p.Rise) || s.undecided(p)):
		// One that begins as down, by its policy, comes back when it comes up.
		s.recovers = s.status == Down || p.Initial == InitialDown
		s.status, s.since, s.failure = Up, r.At, ""
	case r.Outcome == Failed && s.status != Down && (-s.run >= atLeastOne(p.Fall) || recovering || s.undecided(p)):
		s.status, s.since = Down, r.At
	}
	s.recovers = s.recovering(p, r.At)
	return s
}

// count takes an answer down.
func (s State) count(p Policy, r Result) State {
	ok := r.Outcome == OK
	s.window = s.window.push(ok, windowOf(p))
	if s.answers < math.MaxUint32 {
		s.answers++
	}
	switch {
	case ok && s.run < math.MaxInt32:
		s.run = max(s.run, 0) + 1
	case !ok && s.run > -math.MaxInt32:
		s.run = min(s.run, 0) - 1
	}
	if !ok {
		s.failure = r.Text
	}
	return s
}

// undecided reports whether a backend has had as many answers as it may without being up or down.
func (s State) undecided(p Policy) bool {
	return s.status == Unanswered && int64(s.answers) >= int64(atLeastOne(p.Rise))+int64(atLeastOne(p.Fall))
}

// recovering reports whether a backend is on its way to its whole weight, after it was down.
func (s State) recovering(p Policy, now time.Time) bool {
	if !s.recovers || s.status != Up {
		return false
	}
	switch p.Restore {
	case Gradual:
		good, of := s.window.share(windowOf(p))
		return good < of
	case SlowStart:
		return now.Sub(s.since) < p.SlowStart
	}
	return false
}

func atLeastOne(n int) int32 { return int32(min(max(n, 1), math.MaxInt32)) }

// Status returns how the backend is.
func (s State) Status() Status { return s.status }

// Since returns when it came to be so, and of an unanswered backend when it began.
func (s State) Since() time.Time { return s.since }

// Last returns its newest result, be it an answer or not. Before the first it is zero.
func (s State) Last() Result { return s.last }

// Share returns how many of its last checks were good, and how many these are: Window of them, or as many as have been
// answered.
func (s State) Share(p Policy) (good, of int) { return s.window.share(windowOf(p)) }

// Wait returns how long it is from the start of the last check to that of the next: Interval, FastInterval where that is
// shorter and a change is being confirmed or awaited, and longer with each failure in a row while the backend is down.
func (s State) Wait(p Policy) time.Duration {
	switch {
	case s.status == Unanswered, s.status == Up && s.run < 0, s.status == Down && s.run > 0:
		return min(p.FastInterval, p.Interval)
	case s.status == Down:
		return backedOff(p, max(-s.run-atLeastOne(p.Fall), 0))
	}
	return p.Interval
}

// backedOff returns the interval after so many failures of a backend that is down.
func backedOff(p Policy, failures int32) time.Duration {
	if !(p.Backoff > 1) {
		return p.Interval
	}
	longest := max(p.MaxInterval, p.Interval)
	d := float64(p.Interval) * math.Pow(p.Backoff, float64(failures)) // infinite, at worst
	if d >= float64(longest) {
		return longest
	}
	return time.Duration(d)
}
