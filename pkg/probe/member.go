package probe

import "time"

// member is a backend that a probe checks for.
type member struct {
	probe  *probe
	at     int // in its members
	ref    Ref
	policy *Policy // shared with others that have the same
	urgent bool
	turn   int  // of its first check: how many others of its service are to have theirs before
	gen    int  // no check that started under an older Wanted counts
	tried  bool // a check was made
	spread bool // it has its own place in the interval
	fallen bool // it was said to be down, and not yet that it is up again; whatever its target was then

	due   instant       // the next check, without jitter
	wait  time.Duration // from the last to it
	start instant       // of the last check that counted

	state   State
	verdict Verdict // as it was told
	cause   string  // why its last check could not be made, as it was said; "": it was
}

// newMember returns one that is to be checked at once.
func newMember(w *Watch, policy *Policy, gen int, now instant, state State) *member {
	return &member{
		ref: w.Ref, policy: policy, urgent: w.Urgent, gen: gen,
		due: now, wait: policy.Interval, state: state,
	}
}

// heir returns a member that goes on as this one, under another Ref. What was said of this one was not said of that,
// unless it is down.
func (m *member) heir() *member {
	h := *m
	h.fallen, h.cause = m.state.Status() == Down, ""
	return &h
}

// edit has a member go on under another name or policy: what it answered still counts.
func (m *member) edit(w *Watch, policy *Policy, now instant, dice func(time.Duration) time.Duration) {
	old := m.policy
	m.ref, m.policy, m.urgent = w.Ref, policy, w.Urgent
	if *old == *policy || !m.tried {
		return
	}
	m.wait = max(m.state.Wait(*policy), time.Millisecond)
	if r := m.probe.run; r != nil && r.counts(m) {
		return // the next is due an interval after this one was
	}
	at := m.start.add(m.wait)
	if at < now {
		at = min(m.due, now.add(dice(m.wait))) // not all at once, where the interval of all became shorter
	}
	m.due = at
}

// class returns how urgent the next check is.
func (m *member) class() class {
	switch {
	case m.tried:
		return regular
	case m.urgent:
		return urgent
	}
	return first
}

// take judges a result of a check that began at start and says when the next is due. Pace is the shortest interval of those
// who shared it.
func (m *member) take(r Result, start instant, pace time.Duration, now instant, dice func(time.Duration) time.Duration) {
	was := m.wait
	m.state = m.state.Next(*m.policy, r)
	m.wait = max(m.state.Wait(*m.policy), time.Millisecond)
	// The next is due an interval after this one was, for a period that is exact whatever jitter there is, and though it
	// came early because it was due for one with a shorter interval. It is due an interval after this one began if that was
	// late, or early for one with the same interval, which is in step from now on, or if the interval is another now.
	early := start < m.due && was <= pace
	if !m.tried || m.wait != was || early || start.since(m.due) > m.wait/4 {
		m.due = start
	}
	m.tried, m.start = true, start
	m.due = m.due.add(m.wait)
	if !m.spread && m.wait >= m.policy.Interval {
		// The first checks went out together. What follows is spread over the interval.
		m.spread = true
		m.due = m.due.add(-dice(m.wait))
	}
	m.due = max(m.due, now) // at once, if it took longer than that
}

// judge judges the backend anew, and says whether that is news.
func (m *member) judge() bool {
	was := m.verdict
	m.verdict = m.state.Verdict(*m.policy)
	return m.verdict != was
}
