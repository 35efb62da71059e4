package probe

import (
	"context"
	"io"
	"time"
)

// probe is what is checked, for one backend or more. All of it but the checker belongs to the engine's loop.
type probe struct {
	key     key
	checker Checker
	pool    *pool
	members []*member
	asked   []chan<- Answer
	keeps   bool // a connection, between checks
	kept    bool // there may be one

	run     *run          // the check that is made; nil: none
	stuck   bool          // it does not end
	gone    bool          // nobody wants it; it is still here because of run
	jitter  time.Duration // of the next check
	touched bool          // by the piece that is taken

	index  int    // in the agenda; -1: it is not there
	queued bool   // and where:
	class  class  // of the queue
	turn   int    // in it
	number uint64 // of its ticket
	place  int    // in the heap
}

// seat adds a member.
func (p *probe) seat(m *member) {
	m.probe, m.at = p, len(p.members)
	p.members = append(p.members, m)
}

// unseat takes a member away. It still knows whose it was.
func (p *probe) unseat(m *member) {
	last := len(p.members) - 1
	p.members[m.at] = p.members[last]
	p.members[m.at].at = m.at
	p.members[last] = nil
	p.members = p.members[:last]
}

// run is one check.
type run struct {
	probe    *probe
	gen      int
	start    instant
	deadline instant
	seen     instant       // when it was last seen to be overdue; 0: it was not
	pace     time.Duration // the shortest interval of the members
	reach    instant       // members that are due until then take the result
	asked    []chan<- Answer
	trace    *Trace
	ahead    bool // it took a slot before those that wait for a regular check
	cancel   context.CancelFunc
	result   Result
}

// counts says whether a check is for a member.
func (r *run) counts(m *member) bool { return r.asked == nil && r.gen >= m.gen && m.due <= r.reach }

// overdue reports whether a check does not end, now that it is looked at. It is seen to be late twice, and not much is
// between: a process or a machine that was stopped finds the checks late that it stopped, and gives them the time to say
// what came of them.
func (r *run) overdue(now instant) bool {
	if now < r.deadline.add(lateness-punctual) {
		return false
	}
	gone := now.since(r.seen)
	if r.seen == 0 || gone > 2*punctual {
		r.seen = now
		return false
	}
	return gone >= punctual
}

// due returns when the next check is due, without jitter.
func (p *probe) due() instant {
	at := never
	for _, m := range p.members {
		at = min(at, m.due)
	}
	return at
}

// reach returns the shortest interval of the members, and up to where members are due whom a check that starts now is for:
// each is judged by the checks that come nearest to its own interval, so that the same intervals come into step, and an
// interval that is longer than others stays what it is.
func (p *probe) reach(now instant) (pace time.Duration, until instant) {
	pace = p.members[0].wait
	if len(p.members) == 1 {
		return pace, never
	}
	for _, m := range p.members {
		pace = min(pace, m.wait)
	}
	return pace, max(now, p.due().add(pace/2))
}

const (
	askedTurn = -1 // of what somebody asked for
	firstTurn = 0  // of the first backend of a service
)

// rank returns the class of the next check, and its turn among those of the class.
func (p *probe) rank() (c class, turn int) {
	if len(p.asked) > 0 {
		return urgent, askedTurn
	}
	c = regular
	for _, m := range p.members {
		switch is := m.class(); {
		case is < c:
			c, turn = is, m.turn
		case is == c && c != regular:
			turn = min(turn, m.turn)
		}
	}
	return c, turn
}

// wake returns when the probe is to be looked at.
func (p *probe) wake() instant {
	at := never
	switch {
	case p.run != nil && !p.stuck:
		at = max(p.run.deadline.add(lateness-punctual), p.run.seen.add(punctual))
	case p.run != nil:
		at = p.due()
	case !p.queued && len(p.members) > 0:
		at = p.due().add(p.jitter)
	}
	return at
}

// close lets go what the checker keeps, connections, say.
func (p *probe) close() {
	if c, ok := p.checker.(io.Closer); ok {
		_ = c.Close() // nobody waits for it
	}
}

// news returns how a member is.
func (p *probe) news(m *member) News {
	return News{
		Change: Change{Ref: m.ref, Verdict: m.verdict}, Target: p.key.Target, Since: m.state.since, Text: m.state.failure,
	}
}
