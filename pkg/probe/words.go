package probe

import (
	"fmt"
	"time"
)

// Why says in words why a backend has another weight than the declared one; "" if it has that. The kernel's weight is as
// Effective takes it.
func Why(declared uint32, kernel *uint32, s State, p Policy, now time.Time) string {
	v := s.Verdict(p)
	switch {
	case Effective(declared, kernel, v, now) == declared:
		return ""
	case v.Status == Unanswered:
		return s.notChecked(kernel, v) + s.progress(p)
	case v.Status == Down:
		text := "down since " + clock(s.since, now)
		if s.failure != "" {
			text += ": " + s.failure
		}
		return text + s.progress(p)
	case v.Of > 0:
		return fmt.Sprintf("coming back: %d of the last %d checks were good", v.Good, v.Of)
	}
	return fmt.Sprintf("coming back since %s, all of its weight at %s", clock(s.since, now), clock(v.From.Add(v.Over), now))
}

// notChecked says what an unanswered backend has, and what keeps it from being answered.
func (s State) notChecked(kernel *uint32, v Verdict) string {
	text := "not checked yet"
	switch {
	case s.answers > 0:
		text = "not known yet"
	case s.last.Outcome == Unmade && s.last.Text != "":
		text += " (" + s.last.Text + ")"
	}
	switch {
	case v.Initial == InitialDown:
		return text
	case kernel == nil:
		return text + ": it is new"
	}
	return fmt.Sprintf("%s: the kernel has %d", text, *kernel)
}

// progress says how far a backend has got in coming up, where that takes several successes.
func (s State) progress(p Policy) string {
	if rise := atLeastOne(p.Rise); s.run > 0 && rise > 1 {
		return fmt.Sprintf("; %d of the %d good checks in a row that it needs", s.run, rise)
	}
	return ""
}

// clock writes a time as somebody reads it now: the date is left out within a day.
func clock(t, now time.Time) string {
	if d := now.Sub(t).Abs(); d >= 24*time.Hour {
		return t.Local().Format(time.DateTime)
	}
	return t.Local().Format(time.TimeOnly)
}
