package httpapi

import (
	"math/rand/v2"
	"strconv"
	"sync"
	"time"
)

const (
	// heartbeat is after how long without an event a reader is sent a comment, so that both ends, and what is between
	// them, see that the other one is there.
	heartbeat = 15 * time.Second
	// readerPatience is how long a reader may take to take what it is sent.
	readerPatience = 10 * time.Second
	// readerLife is how long a reader is served. It comes back, is asked again who it is, and misses nothing.
	readerLife = time.Hour
)

// eventReader is somebody who reads the events. It belongs to the goroutine that serves it, but for its stream.
type eventReader struct {
	hub    *Hub
	filter eventFilter
	at     uint64 // the number of the last event that it was sent, or that was not for it
	cuts   uint64 // those of the hub before it was let in
	local  bool   // it came over the socket
	stream eventStream
}

// eventStream is the way to a reader.
type eventStream interface {
	// arm sets when wait ends by itself. A wake between arm and wait ends wait.
	arm(until time.Time)
	wait() error // an error: the reader has gone
	wake()       // has wait end; from any goroutine
	write(text []byte, by time.Time) error
	cut() // has everything end with an error; from any goroutine
}

// admit takes a place for a reader, if there is one. Who has one leaves.
func (h *Hub) admit(r *eventReader) error {
	h.joined.Lock()
	defer h.joined.Unlock()
	switch {
	case h.ended:
		return errEventsEnd
	case r.local && h.local >= h.limits.Socket, !r.local && h.count-h.local >= h.limits.Readers:
		return errManyReaders
	}
	if h.count++; r.local {
		h.local++
	}
	h.here.Add(1)
	return nil
}

// enter has a reader woken from now on, unless it is too late.
func (h *Hub) enter(r *eventReader) bool {
	h.joined.Lock()
	defer h.joined.Unlock()
	if !h.ended {
		h.readers[r] = struct{}{}
	}
	return !h.ended
}

// leave is for whom admit let in.
func (h *Hub) leave(r *eventReader) {
	h.joined.Lock()
	delete(h.readers, r)
	if h.count--; r.local {
		h.local--
	}
	h.joined.Unlock()
	h.here.Done()
}

// Readers is how many read the events now.
func (h *Hub) Readers() int {
	h.joined.Lock()
	defer h.joined.Unlock()
	return h.count
}

// opening is what a reader is sent first: how long to wait before it comes back, which differs so that not all come at
// once, and from where it goes on then, also if no event comes before.
func (r *eventReader) opening() []byte {
	text := append([]byte("retry: "), strconv.Itoa(2000+rand.IntN(3000))...)
	text = append(append(text, "\nid: "...), r.hub.id(r.at)...)
	return append(text, "\n\n"...)
}

// serve sends events, from what is said first on, until the reader has gone, is too slow, or is cut off.
func (r *eventReader) serve(first []byte) {
	if r.isCut() {
		return
	}
	now := time.Now()
	end := now.Add(readerLife - rand.N(readerLife/10))
	if r.stream.write(first, now.Add(readerPatience)) != nil {
		return
	}
	for beat := now.Add(heartbeat); now.Before(end); now = time.Now() {
		sent, ok := r.catchUp()
		switch {
		case !ok:
			return
		case sent:
			beat = now.Add(heartbeat)
		case !now.Before(beat):
			if r.stream.write([]byte(":\n\n"), now.Add(readerPatience)) != nil {
				return
			}
			beat = now.Add(heartbeat)
		}
		r.stream.arm(beat)
		if r.behind() || r.isCut() {
			continue // it came before it was armed, and the wake may have been lost
		}
		if r.stream.wait() != nil {
			return
		}
	}
}

// isCut reports whether all were cut off since this one was let in.
func (r *eventReader) isCut() bool { return r.hub.cuts.Load() != r.cuts }

// behind reports whether there is something to look at.
func (r *eventReader) behind() bool { return r.hub.shown.Load() > r.at }

// texts are what is collected for readers; an idle one has none.
var texts = sync.Pool{New: func() any { return new([]byte) }}

// catchUp sends what is new, and reports whether there was anything, and whether the reader may stay: one that does not
// take what it is sent in time, or is so slow that the ring has lost what it is to get next, may not. It finds the way back
// with Last-Event-ID.
func (r *eventReader) catchUp() (sent, ok bool) {
	if r.isCut() {
		return false, false
	}
	if !r.behind() {
		return false, true
	}
	text := texts.Get().(*[]byte)
	defer texts.Put(text)
	for r.behind() {
		*text, r.at, ok = r.hub.collect((*text)[:0], r.at, &r.filter)
		if !ok {
			return sent, false
		}
		if r.isCut() {
			return sent, false
		}
		if len(*text) == 0 {
			continue // nothing of it is for this one
		}
		if r.stream.write(*text, time.Now().Add(readerPatience)) != nil {
			return sent, false
		}
		sent = true
	}
	return sent, true
}
