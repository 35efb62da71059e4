package httpapi

import (
	"context"
	"encoding/json"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// EventLimits bound what a Hub keeps and whom it serves. A zero is the default.
type EventLimits struct {
	Events  int // how many of the last events are kept: 16384
	Bytes   int // how much text of them, as it is sent: 8 MiB
	Readers int // how many read at once over TCP: three quarters of its connections
	Socket  int // how many over the unix socket: three quarters of its connections
}

func (l EventLimits) filled() EventLimits {
	// The readers leave the rest of the connections, however many they are, and those over the one way leave the other.
	const events, size, socket = 16 << 10, 8 << 20, socketConns / 4 * 3
	readers := max(1, mostConns(openFiles())/4*3)
	if l.Events <= 0 {
		l.Events = events
	}
	if l.Bytes <= 0 {
		l.Bytes = size
	}
	if l.Readers <= 0 {
		l.Readers = readers
	}
	if l.Socket <= 0 {
		l.Socket = socket
	}
	return l
}

// wakeEvery is the least time between two wakes of the readers. The first event after a quiet time goes out at once, and
// those of a storm together: ten thousand readers cost ten wakes a second each at most, however many events there are.
const wakeEvery = 100 * time.Millisecond

// Hub has the last events, and those who read them. An event is made into text once; readers look into the one ring that
// keeps it, so that a reader has nothing of its own and nobody waits for one.
type Hub struct {
	run    string // what the IDs of this run begin with
	limits EventLimits
	news   chan struct{} // of capacity one: there is something that readers were not woken for
	newest atomic.Uint64 // the number of the newest event; 0: there was none
	shown  atomic.Uint64 // that of the newest at the last wake. Readers go by it, or those who are awake would stay so
	cuts   atomic.Uint64 // how often all readers were cut off

	mu     sync.RWMutex // guards what follows. Readers share it, so that Publish waits for those that run at most
	ring   []frame      // event n is at n % len
	oldest uint64       // the number of the first that is there
	bytes  int          // of the texts

	joined  sync.Mutex // guards what follows
	readers map[*eventReader]struct{}
	count   int // of those who have a place
	local   int // of these, those over the socket
	ended   bool
	here    sync.WaitGroup // for count to be 0
}

// frame is an event as it is sent.
type frame struct {
	text     []byte
	kind     EventType
	services []string // that it is about
	more     bool     // and others
}

// NewHub returns a hub without readers or events.
func NewHub(limits EventLimits) *Hub {
	limits = limits.filled()
	return &Hub{
		run:    strconv.FormatInt(time.Now().UnixMicro(), 36),
		limits: limits,
		news:   make(chan struct{}, 1),
		ring:   make([]frame, limits.Events),
		oldest: 1,

		readers: make(map[*eventReader]struct{}),
	}
}

// Publish has an event sent to all who read, and keeps it for those who come back. It does not wait for them, and may be
// called from anywhere, on a nil Hub too. What it is given belongs to it afterwards.
func (h *Hub) Publish(data EventData) {
	if h == nil {
		return
	}
	data.stamp(time.Now())
	data.fit()
	body, err := json.Marshal(data)
	if err != nil {
		return // only a time beyond the year 9999 cannot be written
	}
	var f frame
	f.kind, f.services, f.more = data.about()

	h.mu.Lock()
	n := h.newest.Load() + 1
	f.text = h.render(n, f.kind, body)
	h.keep(n, f)
	h.mu.Unlock()
	h.rouse()
}

// rouse has Run wake the readers.
func (h *Hub) rouse() {
	select {
	case h.news <- struct{}{}:
	default: // it is known already
	}
}

// CutAll cuts off all who read, those too who are just let in: they come back with their last ID, and whether they may is
// asked again. It waits for nobody.
func (h *Hub) CutAll() {
	h.cuts.Add(1)
	h.rouse()
}

// id is how event n is called. A client gives it back, perhaps to another run.
func (h *Hub) id(n uint64) string { return h.run + "-" + strconv.FormatUint(n, 10) }

// render gives an event the form of https://html.spec.whatwg.org/multipage/server-sent-events.html. JSON in one line is
// one line of data.
func (h *Hub) render(n uint64, kind EventType, body []byte) []byte {
	text := make([]byte, 0, len("id: -\nevent: \ndata: \n\n")+len(h.run)+20+len(kind)+len(body))
	text = append(append(text, "id: "...), h.run...)
	text = strconv.AppendUint(append(text, '-'), n, 10)
	text = append(append(text, "\nevent: "...), kind...)
	text = append(append(text, "\ndata: "...), body...)
	return append(text, "\n\n"...)
}

// keep puts event n into the ring, in place of as many as it needs room of. The newest is always there.
func (h *Hub) keep(n uint64, f frame) {
	h.bytes += len(f.text)
	for h.oldest < n && (n-h.oldest >= uint64(len(h.ring)) || h.bytes > h.limits.Bytes) {
		old := &h.ring[h.oldest%uint64(len(h.ring))]
		h.bytes -= len(old.text)
		*old = frame{}
		h.oldest++
	}
	h.ring[n%uint64(len(h.ring))] = f
	h.newest.Store(n)
}

// mostCollected is how much text is collected before it is sent.
const mostCollected = 16 << 10

// collect adds to a text the events after number at that a filter wants, up to some amount, and returns the number of the
// last that it looked at. It is false where the ring has lost some of those.
func (h *Hub) collect(text []byte, at uint64, f *eventFilter) ([]byte, uint64, bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if at+1 < h.oldest {
		return text, at, false
	}
	for newest := h.newest.Load(); at < newest && len(text) < mostCollected; {
		at++
		if e := &h.ring[at%uint64(len(h.ring))]; f.wants(e) {
			text = append(text, e.text...)
		}
	}
	return text, at, true
}

// Run wakes the readers when there is something new, until ctx ends; then they are all cut off, and nobody is let in any
// more. Until it runs events are kept, and readers wait.
func (h *Hub) Run(ctx context.Context) error {
	defer h.end()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-h.news:
			h.wake()
		}
		select {
		case <-ctx.Done():
		case <-time.After(wakeEvery):
		}
	}
}

func (h *Hub) wake() {
	h.shown.Store(h.newest.Load())
	h.joined.Lock()
	defer h.joined.Unlock()
	for r := range h.readers {
		r.stream.wake()
	}
}

// end cuts off the readers, and waits until they have gone.
func (h *Hub) end() {
	h.joined.Lock()
	h.ended = true
	for r := range h.readers {
		r.stream.cut()
	}
	h.joined.Unlock()
	h.here.Wait()
}
