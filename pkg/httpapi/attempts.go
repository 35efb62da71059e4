package httpapi

import (
	"container/list"
	"net/netip"
	"sync"
	"time"
)

const (
	// mostWrong wrong credentials may come from an address at once, and one more with each wrongEvery that goes by: ten in
	// a minute.
	mostWrong  = 10
	wrongEvery = 6 * time.Second
	// mostWatched is how many addresses are remembered. The one that was quiet for longest is forgotten first: who has so
	// many can try ten times with each anyway, and gorb does not grow.
	mostWatched = 4096
)

// attempts counts wrong credentials by address. The zero value has seen none.
type attempts struct {
	mu sync.Mutex
	// mu guards everything below
	watched map[netip.Prefix]*list.Element // of *attempt
	order   list.List                      // the last that failed is in front
}

// attempt is what an address has on its account.
type attempt struct {
	from  netip.Prefix
	clean time.Time // when it will have nothing on it: each failure moves that by wrongEvery
}

// neighbours is whom an address cannot be told from: with IPv6 somebody who has one has its /64.
func neighbours(a netip.Addr) netip.Prefix {
	bits := 64
	if a.Is4() {
		bits = 32
	}
	p, _ := a.Prefix(bits) // the zero value for no address at all: those are one
	return p
}

// wait is for how long nothing from an address is looked at; 0: it is.
func (t *attempts) wait(from netip.Addr, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.watched[neighbours(from)]
	if e == nil {
		return 0
	}
	return max(0, e.Value.(*attempt).clean.Sub(now)-(mostWrong-1)*wrongEvery)
}

// fail notes a wrong credential.
func (t *attempts) fail(from netip.Addr, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	who := neighbours(from)
	e := t.watched[who]
	if e == nil {
		t.roomLocked(now)
		e = t.order.PushFront(&attempt{from: who})
		t.watched[who] = e
	}
	t.order.MoveToFront(e)
	a := e.Value.(*attempt)
	if a.clean.Before(now) {
		a.clean = now
	}
	a.clean = a.clean.Add(wrongEvery)
}

// roomLocked forgets what has passed, and more where that is not enough for another address.
func (t *attempts) roomLocked(now time.Time) {
	if t.watched == nil {
		t.watched = map[netip.Prefix]*list.Element{}
	}
	for e := t.order.Back(); e != nil; e = t.order.Back() {
		a := e.Value.(*attempt)
		if len(t.watched) < mostWatched && a.clean.After(now) {
			return
		}
		t.order.Remove(e)
		delete(t.watched, a.from)
	}
}
