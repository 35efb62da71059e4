package probe

import "time"

// Verdict is what of a State counts for a weight, and nothing else: it only changes when a weight may. It is comparable.
// The zero value is that of a backend of which nothing is known yet, and which waits for its first answer.
type Verdict struct {
	Status  Status
	Initial Initial // of an unanswered backend
	// Good of Of checks were good: the share of a backend that is coming back gradually. 0 of 0 is all of it.
	Good, Of uint16
	// From is when the time began that Over is the length of: of an unanswered backend that until it has its weight, of one
	// that is up that until it has all of it. Without any both are zero.
	From time.Time
	Over time.Duration
}

// Verdict returns what counts of the State under a policy.
func (s State) Verdict(p Policy) Verdict {
	v := Verdict{Status: s.status}
	switch {
	case s.status == Unanswered:
		v.Initial = p.Initial
		if p.Initial == AsKernel && p.InitialWait > 0 {
			v.From, v.Over = s.since, p.InitialWait
		}
	case s.status == Up && s.recovers && p.Restore == Gradual:
		if good, of := s.Share(p); good < of {
			v.Good, v.Of = uint16(good), uint16(of)
		}
	case s.status == Up && s.recovers && p.Restore == SlowStart && p.SlowStart > 0:
		v.From, v.Over = s.since, p.SlowStart
	}
	return v
}

// Weight returns how much of its declared weight a backend may have now. See Effective.
func Weight(declared uint32, kernel *uint32, s State, p Policy, now time.Time) uint32 {
	return Effective(declared, kernel, s.Verdict(p), now)
}

// Effective returns how much of its declared weight a backend may have now: a change of that counts at once, whatever
// the verdict, and 0 is 0.
//
// The kernel's weight is what the backend had there when gorb first saw it, or has been given since by others. It is nil
// for one that was not there, and stays nil for it until it is answered, though gorb itself has added it at 0 by then:
// only that one has its weight when InitialWait is over, because one that was at 0 before may have been down. It counts
// for unanswered backends only.
//
// One that is up has at least 1, so that it is seen to serve: of a weight of 1 that is the whole (GORB's issue #47). The
// arithmetic is exact, so that two directors come to the same.
func Effective(declared uint32, kernel *uint32, v Verdict, now time.Time) uint32 {
	switch {
	case declared == 0 || v.Status == Down:
		return 0
	case v.Status == Unanswered:
		return initial(declared, kernel, v, now)
	case v.Of > 0:
		return max(scaled(declared, int64(v.Good), int64(v.Of)), 1)
	case v.Over > 0:
		return onRamp(declared, stepAt(declared, v, now))
	}
	return declared
}

// initial is the weight of an unanswered backend.
func initial(declared uint32, kernel *uint32, v Verdict, now time.Time) uint32 {
	switch {
	case v.Initial == InitialUp:
		return declared
	case v.Initial == InitialDown:
		return 0
	case kernel != nil:
		return min(*kernel, declared)
	case v.Over > 0 && now.Sub(v.From) >= v.Over:
		return declared
	}
	return 0
}

// ChangesAt returns when the backend's weight will be another though no check is answered until then, so that nobody has
// to look again and again; and false if there is no such time.
func (v Verdict) ChangesAt(declared uint32, kernel *uint32, now time.Time) (time.Time, bool) {
	over := v.From.Add(v.Over)
	switch {
	case declared == 0 || v.Over == 0 || v.Of > 0 || !now.Before(over):
		return time.Time{}, false
	case v.Status == Unanswered:
		return over, v.Initial == AsKernel && kernel == nil
	case v.Status != Up:
		return time.Time{}, false
	}
	step, steps := stepAt(declared, v, now), stepsOf(declared)
	has := onRamp(declared, step)
	for step++; step < steps && onRamp(declared, step) == has; step++ { // the first may be the 1 that it has anyway
	}
	if onRamp(declared, step) == has {
		return time.Time{}, false
	}
	// The first nanosecond in which stepAt gives that step.
	return v.From.Add(time.Duration((int64(v.Over)*step + steps - 1) / steps)), true
}

// maxSteps is how many steps a slow start has at most, so that a large weight is not written again every moment. It is as
// many as GORB's restoration has.
const maxSteps = 100

func stepsOf(declared uint32) int64 { return int64(min(declared, maxSteps)) }

// stepAt returns the step that a slow start has come to.
func stepAt(declared uint32, v Verdict, now time.Time) int64 {
	gone := min(max(now.Sub(v.From), 0), v.Over)
	return int64(gone) * stepsOf(declared) / int64(v.Over) // a month has 3e15 ns
}

// onRamp returns the weight at a step of a slow start.
func onRamp(declared uint32, step int64) uint32 {
	return max(scaled(declared, step, stepsOf(declared)), 1)
}

// scaled returns the share of a weight, rounded down.
func scaled(declared uint32, part, of int64) uint32 { return uint32(int64(declared) * part / of) }
