package sources

import (
	"cmp"
	"net/netip"
	"time"

	"github.com/gorb-io/gorb/pkg/spec"
)

// leastHold is the least time that a removal is held for, unless the declaration says otherwise.
const leastHold = 60 * time.Second

// object is what the kernel knows a service by, or a backend of it. With the zero backend it is the service.
type object struct {
	service identity
	backend netip.AddrPort
}

func backendOf(service identity, b *spec.Backend) object {
	return object{service: service, backend: netip.AddrPortFrom(b.Host, b.Port)}
}

// objects lists what is in d, services and backends.
func objects(d *spec.Desired) map[object]bool {
	n := len(d.Services)
	for i := range d.Services {
		n += len(d.Services[i].Backends)
	}
	all := make(map[object]bool, n)
	eachObject(d, func(o object, _, _ string) { all[o] = true })
	return all
}

// limits say when the guard of a source holds a removal, and for how long.
type limits struct {
	percent int           // more than so much of what the source alone declares
	floor   int           // and at least so many
	hold    time.Duration // how long the removal must have been the same
}

func limitsOf(d spec.SourceDecl) limits {
	return limits{
		percent: d.MaxRemoval,
		floor:   d.MaxRemovalFloor,
		hold:    cmp.Or(max(d.Hold, 0), max(2*d.Interval, leastHold)),
	}
}

// exceeded says whether the removal of so many of all is held: all of them, or more than the limits allow.
func (l limits) exceeded(gone, all int) bool {
	return gone > 0 && (gone >= all || gone >= l.floor && gone*100 > l.percent*all)
}

// guard holds the removals of one source back. It is a value and knows no clock; the zero value holds nothing.
type guard struct {
	held map[object]time.Time // since when each is missing from what the source says; never changed once made
	all  int                  // how many the source alone declared when the hold began

	first time.Time // the first of held; zero: nothing is

	holding bool // it has begun to hold, by the limits below
	percent int
	floor   int
}

// resumed is the guard of a source in whose hold an earlier run ended. What it held is known when the source has spoken.
func resumed(l limits) guard { return guard{holding: true, percent: l.percent, floor: l.floor} }

// next is the guard after the source, which alone had all in force, leaves some of it out. What of that is not held may
// go. While something is held the measure stays what it was, so that additions do not let a removal through; and when a
// part of it returns the rest stays held, because a source that is mended bit by bit has not confirmed what still lacks.
func (g guard) next(now time.Time, l limits, gone map[object]bool, all int) guard {
	if len(g.held) > 0 {
		all = g.all
	}
	goesOn := g.holding && l.percent == g.percent && l.floor == g.floor
	if !goesOn && !l.exceeded(len(gone), all) {
		return guard{}
	}
	next := guard{held: make(map[object]time.Time, len(gone)), all: all, holding: true, percent: l.percent, floor: l.floor}
	for o := range gone {
		since, ok := g.held[o]
		if !ok {
			since = now
		}
		next.hold(o, since)
	}
	return next.tidy()
}

// emptied is g with nothing held yet.
func (g guard) emptied(all int) guard {
	g.held, g.all, g.first = make(map[object]time.Time, len(g.held)), all, time.Time{}
	return g
}

// tidy is the zero guard where nothing is held.
func (g guard) tidy() guard {
	if len(g.held) == 0 {
		return guard{}
	}
	return g
}

// hold adds an object to a guard that is being made.
func (g *guard) hold(o object, since time.Time) {
	g.held[o] = since
	if g.first.IsZero() || since.Before(g.first) {
		g.first = since
	}
}

// again is the guard that holds what it does from now on.
func (g guard) again(now time.Time) guard {
	next := g.emptied(g.all)
	for o := range g.held {
		next.hold(o, now)
	}
	return next
}

// confirmed is the guard after the source, read again, has said what it said before. It lets go what has been missing
// for long enough.
func (g guard) confirmed(now time.Time, l limits) guard {
	if !g.over(now, l) {
		return g
	}
	left := g.emptied(0)
	for o, since := range g.held {
		if now.Before(since.Add(l.hold)) {
			left.hold(o, since)
		}
	}
	left.all = g.all - len(g.held) + len(left.held)
	return left.tidy()
}

// over says whether something has been missing for long enough, if the source, read again, says that it still is.
func (g guard) over(now time.Time, l limits) bool {
	due := g.due(l)
	return !due.IsZero() && !now.Before(due)
}

// due is when the source is to be asked again; zero: nothing is held.
func (g guard) due(l limits) time.Time {
	if g.first.IsZero() {
		return g.first
	}
	return g.first.Add(l.hold)
}
