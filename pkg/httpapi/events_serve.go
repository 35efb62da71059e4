package httpapi

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

var (
	errEventsEnd   = errors.New("gorb is ending")
	errManyReaders = errors.New("too many read the events already")
)

// ServeHTTP answers GET /events with server-sent events, from now on, or from the event on that follows the one whose ID
// is given in Last-Event-ID, or in ?last_event_id= by who cannot set headers. ?type=backend,table and ?service=web, each
// once or more, leave out all else, a service also what is about none. The data of an event is JSON in one line, of the
// type that its EventType names.
//
// An ID is good for a run of gorb. A reader that comes back with one after which events are lost, or with one of another
// run, first gets a "gap" event, and then what there is. A reader that is slow, or sends something, is cut off, and so is
// each after about an hour; all come back with the last ID, as browsers do by themselves.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	filter, err := newEventFilter(r.URL.Query())
	if err != nil {
		f := failureOf(err)
		write(w, f.Code, f)
		return
	}
	for name, value := range map[string]string{
		"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		"X-Accel-Buffering": "no", // nginx would collect them
	} {
		w.Header().Set(name, value)
	}
	if r.Method == http.MethodHead {
		return
	}
	at, gap := h.resume(cmp.Or(r.Header.Get("Last-Event-ID"), r.URL.Query().Get("last_event_id")))
	reader := &eventReader{hub: h, filter: filter, at: at, cuts: h.cuts.Load(), local: bySocket(r)}
	if cuts, ok := r.Context().Value(cutsBefore{}).(uint64); ok {
		reader.cuts = cuts
	}
	first := reader.opening()
	if gap != nil {
		gap.stamp(time.Now())
		body, _ := json.Marshal(gap) // there is nothing in it that could fail
		first = append(first, h.render(at, EventGap, body)...)
	}
	if err := h.admit(reader); err != nil {
		w.Header().Set("Retry-After", strconv.Itoa(5+rand.IntN(10)))
		w.Header().Set("Connection", "close") // it leaves that to others until it comes again
		write(w, http.StatusServiceUnavailable, Fail(0, err.Error()))
		return
	}
	conn, err := takeConn(w)
	if err != nil { // HTTP/2
		stream := newHandlerStream(w, r)
		defer stream.cut()
		h.host(reader, stream, first)
		return
	}
	go func() {
		defer conn.cut()
		h.host(reader, conn, append(head(w.Header()), first...))
	}()
}

// cutsBefore is the key of what before notes.
type cutsBefore struct{}

// before goes before what decides who may read: who was let in by what has just ceased to count is cut off too.
func (h *Hub) before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), cutsBefore{}, h.cuts.Load())))
	})
}

// host serves a reader who was admitted.
func (h *Hub) host(r *eventReader, stream eventStream, first []byte) {
	defer h.leave(r)
	r.stream = stream
	if h.enter(r) {
		r.serve(first)
	}
}

// takeConn takes the connection from net/http, where there is one of its own.
func takeConn(w http.ResponseWriter) (*connStream, error) {
	conn, rest, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	if rest.Reader.Buffered() > 0 { // it has said more than its request
		_ = conn.Close() // and serving it finds that out
	}
	return &connStream{conn: conn}, nil
}

// head is what goes before the events on a connection that was taken. They end with the connection.
func head(header http.Header) []byte {
	var text bytes.Buffer
	text.WriteString("HTTP/1.1 200 OK\r\nConnection: close\r\nDate: " + time.Now().UTC().Format(http.TimeFormat) + "\r\n")
	_ = header.Write(&text) // to memory
	text.WriteString("\r\n")
	return text.Bytes()
}
