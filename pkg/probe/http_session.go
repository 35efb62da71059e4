package probe

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/gorb-io/gorb/pkg/spec"
)

// session is a connection that speaks HTTP. HTTP/1 is read and written here and now, without goroutines, so that the
// end of the check is the end of all of it; HTTP/2 is package net/http's.
type session struct {
	link *link
	h2   *http.ClientConn // nil: HTTP/1
	ear  *ear             // of HTTP/2

	conn  net.Conn // the link, or TLS over it
	limit *io.LimitedReader
	br    *bufio.Reader
}

// open connects.
func (c *httpCheck) open(a *attempt) (*session, error) {
	t := question
	if c.decl.TLS != nil || c.decl.HTTP2 {
		t = dialogue
	}
	l, err := a.dial(&c.place, t)
	if err != nil {
		return nil, err
	}
	s := &session{link: l, conn: l}
	if c.decl.TLS != nil {
		protocol := "http/1.1"
		if c.decl.HTTP2 {
			protocol = "h2"
		}
		secured, err := a.secure(l, c.decl.TLS, c.decl.ServerName, protocol)
		if err != nil {
			_ = l.Close()
			return nil, err
		}
		s.conn = secured
	}
	if c.decl.HTTP2 {
		if err := s.speak2(a.ctx, c.first.url.Scheme); err != nil {
			_ = l.Close()
			return nil, s.spoilt(err)
		}
		return s, nil
	}
	s.limit = &io.LimitedReader{R: s.conn}
	s.br = bufio.NewReader(s.limit)
	return s, nil
}

// roundTrip asks, and reads the head of the answer.
func (s *session) roundTrip(a *attempt, r *http.Request) (*http.Response, error) {
	a.step("%s %s, host %s", r.Method, said(spec.HidePath(r.URL.RequestURI())), r.Host)
	if s.h2 != nil {
		return s.roundTrip2(a, r)
	}
	s.limit.N = maxHead
	var wire bytes.Buffer
	if err := r.Write(&wire); err != nil {
		return nil, &localError{err}
	}
	// A server may answer, and close, before it has read everything: its answer counts, if there is one.
	_, sent := s.conn.Write(wire.Bytes())
	resp, err := readAnswer(a, s.br, s.limit, r)
	switch {
	case err != nil && sent != nil && !isAlert(err):
		return nil, &stageError{"send", sent}
	case err != nil:
		return nil, alerted(err)
	}
	// What a server can put between the bytes of a body, package net/http limits.
	s.limit.N = 16 * maxBody
	return resp, nil
}

// maxRest is how long is waited for the rest of an answer whose verdict is known.
const maxRest = time.Second

// rest reads what is left of an answer, and waits for the server to close if it is about to. It reports whether there was
// not more of it than is read, and in time. A server that is still sending when it is left reports an error.
func (s *session) rest(resp *http.Response, body *io.LimitedReader) bool {
	if resp.ContentLength > maxBody && resp.Request.Method != http.MethodHead {
		return false
	}
	timer := time.AfterFunc(maxRest, s.link.expire)
	_, err := io.Copy(io.Discard, body)
	whole := err == nil && body.N > 0
	closed := resp.ContentLength < 0 && len(resp.TransferEncoding) == 0 // that was how it ended
	if whole && s.h2 == nil {
		if resp.Close && !closed {
			s.await()
		}
		whole = s.br.Buffered() == 0
	}
	return timer.Stop() && whole
}

// await waits until the server closes.
func (s *session) await() {
	_, err := s.br.Peek(1)
	if err == io.EOF && s.conn != s.link { // TLS says so before
		_, _ = s.link.Read(make([]byte, 1))
	}
}

// close ends the connection. TLS is not told: its farewell could wait for a server that does not read.
func (s *session) close() {
	_ = s.link.Close()
	if s.h2 != nil {
		_ = s.h2.Close()
	}
}

// reset ends the connection in the middle of an answer.
func (s *session) reset() {
	s.link.reset()
	s.close()
}
