package probe

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
)

// speak2 begins HTTP/2. A server may send 64 KiB of a body unasked, the least that HTTP/2 has.
func (s *session) speak2(ctx context.Context, scheme string) error {
	s.ear = &ear{Conn: s.conn}
	dial := func(context.Context, string, string) (net.Conn, error) { return s.ear, nil }
	t := &http.Transport{
		DialContext: dial, DialTLSContext: dial,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHead,
		HTTP2:                  &http.HTTP2Config{MaxReceiveBufferPerStream: maxBody, MaxReceiveBufferPerConnection: maxBody},
		Protocols:              new(http.Protocols),
	}
	t.Protocols.SetUnencryptedHTTP2(true) // as far as the transport can see: TLS is done by secure
	var err error
	s.h2, err = t.NewClientConn(ctx, scheme, "backend:1")
	return err
}

func (s *session) roundTrip2(a *attempt, r *http.Request) (*http.Response, error) {
	r = r.WithContext(a.ctx)
	r.Close = false // HTTP/2 has no such header
	resp, err := s.h2.RoundTrip(r)
	if err != nil && !late(err) {
		return nil, s.spoilt(err)
	}
	return resp, err
}

// spoilt says why there is no answer over HTTP/2. The errors are of types that only package net/http has.
func (s *session) spoilt(err error) error {
	text := strings.TrimPrefix(err.Error(), "http2: ")
	has := func(sign string) bool { return strings.Contains(text, sign) }
	_, isErrno := errors.AsType[syscall.Errno](err)
	switch {
	case late(err):
		return err
	case isAlert(err):
		return alerted(err)
	case s.ear.other.Load(), has("frame"):
		return verdict("the server does not speak HTTP/2")
	case isErrno:
		return &stageError{"HTTP/2", err}
	case has("EOF"), has("connection lost"), has("closed"), has("could not be established"):
		return &stageError{"HTTP/2", verdict("the connection was closed")}
	}
	return &stageError{"HTTP/2", verdict(said(text))}
}

// ear listens whether a server begins with SETTINGS, as it must (RFC 9113, section 3.4). Package net/http does not always
// say so: it may notice first that it has closed the connection for that.
type ear struct {
	net.Conn
	heard int
	other atomic.Bool // it does not
}

// Read is of net.Conn.
func (e *ear) Read(p []byte) (int, error) {
	const at, settings = 3, 4 // behind the length of the frame is its type
	n, err := e.Conn.Read(p)
	if e.heard <= at && e.heard+n > at && p[at-e.heard] != settings {
		e.other.Store(true)
	}
	e.heard = min(e.heard+n, at+1)
	return n, err
}
