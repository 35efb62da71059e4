package probe

import "time"

const (
	// unmadeEvery is the time in which only so many lines are written of checks that cannot be made, and then one with
	// the number of the others.
	unmadeEvery = instant(time.Minute)
	unmadeLines = 10
)

// unmade is what is known of checks that cannot be made.
type unmade struct {
	members int     // whose last check could not
	from    instant // of the time
	lines   int     // that were written in it
	others  int     // that were not
}

// due returns when the others are to be told of.
func (u *unmade) due() instant {
	if u.others == 0 {
		return never
	}
	return u.from + unmadeEvery
}

// cause returns why a check could not be made; "" if it was made, or there was none.
func (r *Result) cause() string {
	switch {
	case r.At.IsZero() || r.Outcome != Unmade:
		return ""
	case r.Text == "":
		return "it is not known why"
	}
	return r.Text
}

// hinder takes down why the last check of a member could not be made, and says so if that is new. "" is that it was made,
// or that the member goes.
func (e *Engine) hinder(m *member, cause string, now instant) {
	if m.cause == cause || e.base.Err() != nil { // at the end all checks are broken off
		return
	}
	u := &e.unmade
	if m.cause != "" {
		u.members--
	}
	if m.cause = cause; cause == "" {
		return
	}
	u.members++
	e.tellUnmade(now)
	if u.lines == 0 {
		u.from = now
	}
	if u.lines == unmadeLines {
		u.others++
		return
	}
	u.lines++
	m.about(e.log.Warn()).Str("err", cause).Msg("a check cannot be made, and says nothing")
}

// tellUnmade ends a time that is over.
func (e *Engine) tellUnmade(now instant) {
	u := &e.unmade
	if u.lines == 0 || now < u.from+unmadeEvery {
		return
	}
	if u.others > 0 {
		e.log.Warn().Int("others", u.others).Int("backends", u.members).Msg("checks of more backends cannot be made")
	}
	u.lines, u.others = 0, 0
}
