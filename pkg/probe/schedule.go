package probe

import (
	"container/heap"
	"math"
	"time"
)

// instant is a time on the engine's clock: since its start, and monotonic, so that nobody who sets the clock of the
// machine makes checks come in a burst or not at all. A machine that slept goes on where it was.
type instant time.Duration

// never is after all others.
const never instant = math.MaxInt64

func (i instant) add(d time.Duration) instant    { return i + instant(d) }
func (i instant) since(j instant) time.Duration  { return time.Duration(i - j) }
func (i instant) time(epoch time.Time) time.Time { return epoch.Add(time.Duration(i)) }

// agenda holds the probes by when something is to be done about them. Each is in it once at most.
type agenda []appointment

// appointment has the time beside the probe: most of what a heap does is to compare.
type appointment struct {
	at instant
	*probe
}

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].at < a[j].at }

func (a agenda) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].index, a[j].index = i, j
}

// Push is of heap.Interface.
func (a *agenda) Push(x any) {
	p := x.(appointment)
	p.index = len(*a)
	*a = append(*a, p)
}

// Pop is of heap.Interface.
func (a *agenda) Pop() any {
	last := len(*a) - 1
	p := (*a)[last]
	(*a)[last] = appointment{}
	*a = (*a)[:last]
	p.index = -1
	return p
}

// put enters a probe, moves it, or takes it out where its time is never.
func (a *agenda) put(p *probe, at instant) {
	switch {
	case at == never && p.index >= 0:
		heap.Remove(a, p.index)
	case at == never:
	case p.index < 0:
		heap.Push(a, appointment{at, p})
	case (*a)[p.index].at != at:
		(*a)[p.index].at = at
		heap.Fix(a, p.index)
	}
}

// next returns when there is something to be done.
func (a agenda) next() instant {
	if len(a) == 0 {
		return never
	}
	return a[0].at
}
