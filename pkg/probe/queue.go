package probe

import "container/heap"

// queue holds who waits for a slot: by turns, and of the same turn first come, first served.
type queue struct {
	turns turns
	since []ticket // by when they came; some wait no more
	past  int      // how many of them are gone for certain
}

// ticket is somebody's place. Who comes again has another.
type ticket struct {
	number uint64
	*probe
}

func (q *queue) push(p *probe) {
	heap.Push(&q.turns, p)
	if len(q.since) > 64 && len(q.since) > 2*len(q.turns) {
		q.tidy()
	}
	q.since = append(q.since, ticket{p.number, p})
}

// tidy forgets who waits no more.
func (q *queue) tidy() {
	n := 0
	for _, t := range q.since[q.past:] {
		if t.waits() {
			q.since[n] = t
			n++
		}
	}
	clear(q.since[n:])
	q.since, q.past = q.since[:n], 0
}

// waits reports whether it still does, and did all the time.
func (t ticket) waits() bool { return t.queued && t.probe.number == t.number }

// remove takes somebody out.
func (q *queue) remove(p *probe) { heap.Remove(&q.turns, p.place) }

// sooner gives somebody who waits an earlier turn.
func (q *queue) sooner(p *probe, turn int) {
	p.turn = turn
	heap.Fix(&q.turns, p.place)
}

// head returns who is next; nil: nobody waits.
func (q *queue) head() *probe {
	if len(q.turns) == 0 {
		return nil
	}
	return q.turns[0]
}

// oldest returns who came first of those that wait; nil: nobody does.
func (q *queue) oldest() *probe {
	for ; q.past < len(q.since); q.past++ {
		if t := q.since[q.past]; t.waits() {
			return t.probe
		}
		q.since[q.past] = ticket{}
	}
	q.since, q.past = q.since[:0], 0
	return nil
}

// turns are those that wait, as a heap.
type turns []*probe

func (t turns) Len() int { return len(t) }

func (t turns) Less(i, j int) bool {
	if t[i].turn != t[j].turn {
		return t[i].turn < t[j].turn
	}
	return t[i].number < t[j].number
}

func (t turns) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].place, t[j].place = i, j
}

// Push is of heap.Interface.
func (t *turns) Push(x any) {
	p := x.(*probe)
	p.place = len(*t)
	*t = append(*t, p)
}

// Pop is of heap.Interface.
func (t *turns) Pop() any {
	last := len(*t) - 1
	p := (*t)[last]
	(*t)[last] = nil
	*t = (*t)[:last]
	return p
}
