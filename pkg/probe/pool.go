package probe

// pool is the right to make so many checks at once, and who waits for it.
type pool struct {
	wanted  int // how many the configuration allows
	max     int // and the descriptors too
	most    int // checks that may have descriptors, those that are stuck too
	active  int // checks that are made
	ahead   int // how many of them took their slots before those that wait for a regular check
	stuck   int // checks that do not end though their time is over; see free
	waiting int
	number  uint64 // of the newest ticket
	queues  [classes]queue
}

// class ranks what waits for a slot.
type class uint8

const (
	urgent  class = iota // the first check where a service has no weight, and what somebody asked for
	first                // the first check
	regular              // any other
	classes
)

// free says whether another check may start. One that is stuck gives its slot back, or a few programs that hang would
// keep everything else from being checked; but there are never more than twice as many checks as there may be, nor than
// there are descriptors for.
func (l *pool) free() bool { return l.active < l.max && l.active+l.stuck < l.most }

// limit says how many checks the descriptors allow; it is at least 1.
func (l *pool) limit(most int) { l.max, l.most = min(l.wanted, most), min(2*l.wanted, most) }

// kept is how many slots those that go ahead leave to regular checks that wait: an eighth, and at least one, but not the
// only one there is. First checks go before any other, but many new backends that do not answer would hold all slots for
// a timeout each, one lot after the other, and nobody would notice meanwhile that a known one has died.
func (l *pool) kept() int { return min((l.max+7)/8, l.max-1) }

// lend takes a slot for a check.
func (l *pool) lend(r *run) {
	if l.active++; r.ahead {
		l.ahead++
	}
}

// give gives it back.
func (l *pool) give(r *run) {
	if l.active--; r.ahead {
		l.ahead--
	}
}

// push lets a probe wait for a slot, or go on to do so in a better place.
func (l *pool) push(p *probe, c class, turn int) {
	if p.queued && p.class == c {
		l.queues[c].sooner(p, turn)
		return
	}
	l.leave(p)
	l.waiting++
	l.number++
	p.queued, p.class, p.turn, p.number = true, c, turn, l.number
	l.queues[c].push(p)
}

// pop returns who is next, nil if nobody waits, and whether it goes ahead of those that wait for a regular check. While
// others are still coming, only whose turn is before all of theirs goes ahead: who comes late may be of another service.
func (l *pool) pop(coming bool) (p *probe, ahead bool) {
	p = l.queues[regular].head()
	if p == nil || l.ahead < l.max-l.kept() {
		if first := l.first(); first != nil && (!coming || first.turn <= firstTurn) {
			p, ahead = first, true
		}
	}
	if p != nil {
		l.leave(p)
	}
	return p, ahead
}

// first returns who is next of those that go ahead; nil: nobody does.
func (l *pool) first() *probe {
	for c := range regular {
		if p := l.queues[c].head(); p != nil {
			return p
		}
	}
	return nil
}

// leave lets a probe wait no longer.
func (l *pool) leave(p *probe) {
	if p.queued {
		p.queued = false
		l.waiting--
		l.queues[p.class].remove(p)
	}
}

// longest returns since when the one is due that has waited longest; never if nobody waits.
func (l *pool) longest() instant {
	since := never
	for c := range classes {
		if p := l.queues[c].oldest(); p != nil {
			since = min(since, p.due())
		}
	}
	return since
}
