package httpapi

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"time"
)

// longAgo is a deadline that is over.
var longAgo = time.Unix(1, 0)

// connStream is a connection that was taken from net/http. One goroutine that waits in Read is all that an idle reader
// costs: its deadline is the clock, a deadline in the past is the wake, and an end or an error is that the reader has gone.
// A handler of net/http costs five times as much, and has two goroutines.
type connStream struct {
	conn net.Conn
	one  [1]byte
}

func (s *connStream) arm(until time.Time) { _ = s.conn.SetReadDeadline(until) } // what fails here fails in Read
func (s *connStream) wake()               { _ = s.conn.SetReadDeadline(longAgo) }
func (s *connStream) cut()                { _ = s.conn.Close() }

var errSentMore = errors.New("a reader of events has nothing to say")

func (s *connStream) wait() error {
	n, err := s.conn.Read(s.one[:])
	switch {
	case n > 0:
		return errSentMore // it would have to be read for ever
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil
	}
	return err
}

func (s *connStream) write(text []byte, by time.Time) error {
	if err := s.conn.SetWriteDeadline(by); err != nil {
		return err
	}
	_, err := s.conn.Write(text)
	return err
}

// handlerStream is a stream within a handler, for HTTP/2, whose connection has other streams too.
type handlerStream struct {
	ctx    context.Context // of the request
	cancel context.CancelFunc
	out    *http.ResponseController
	w      http.ResponseWriter
	until  time.Time
	woken  chan struct{} // of capacity one
}

func newHandlerStream(w http.ResponseWriter, r *http.Request) *handlerStream {
	ctx, cancel := context.WithCancel(r.Context())
	return &handlerStream{ctx: ctx, cancel: cancel, out: http.NewResponseController(w), w: w, woken: make(chan struct{}, 1)}
}

func (s *handlerStream) arm(until time.Time) { s.until = until }
func (s *handlerStream) cut()                { s.cancel() }

func (s *handlerStream) wake() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

func (s *handlerStream) wait() error {
	timer := time.NewTimer(time.Until(s.until))
	defer timer.Stop()
	select {
	case <-s.ctx.Done():
		return s.ctx.Err()
	case <-s.woken:
	case <-timer.C:
	}
	return nil
}

func (s *handlerStream) write(text []byte, by time.Time) error {
	if err := s.out.SetWriteDeadline(by); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := s.w.Write(text); err != nil {
		return err
	}
	err := errors.Join(s.out.Flush(), s.ctx.Err())
	_ = s.out.SetWriteDeadline(time.Time{}) // in HTTP/2 it ends the stream when it comes, whether something is written or not
	return err
}
