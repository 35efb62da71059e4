package probe

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// partings are how connections ended, as their server saw it: each has a channel, in the order in which they came.
type partings chan chan error

func (p partings) add() chan<- error {
	left := make(chan error, 1)
	p <- left
	return left
}

// last is how the newest connection ended.
func (p partings) last() error {
	left := <-p
	for len(p) > 0 {
		left = <-p
	}
	return <-left
}

// TestHTTPEnd sees how a check leaves a server that has answered: it is reset only in the middle of its answer, and closes
// first if it said that it would.
func TestHTTPEnd(t *testing.T) {
	const closes = "HTTP/1.1 200 OK\r\nConnection: close\r\n"
	pair := &tls.Config{Certificates: []tls.Certificate{newAuthority(t).pair(t, "a.example", time.Now().Add(time.Hour))}}
	much := strings.Repeat("x", maxBody)
	for name, tt := range map[string]struct {
		pieces []string // the server pauses between them
		check  HTTP
		text   string
		first  bool // the server is to close first
		reset  bool
	}{
		"in one piece":      {[]string{closes + "Content-Length: 2\r\n\r\nok"}, HTTP{}, "", true, false},
		"in pieces":         {[]string{closes, "Content-Length: 4\r\n", "\r\n", "ok", "ok"}, HTTP{}, "", true, false},
		"chunked":           {[]string{closes + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", "2\r\nok\r\n", "0\r\n\r\n"}, HTTP{}, "", true, false},
		"until it closes":   {[]string{closes + "\r\n", "ok"}, HTTP{}, "", true, false},
		"1.0":               {[]string{"HTTP/1.0 200 OK\r\n\r\n", "ok"}, HTTP{}, "", true, false},
		"no body":           {[]string{"HTTP/1.1 204 OK\r\nConnection: close\r\n\r\n"}, HTTP{Expect: []Codes{{204, 204}}}, "", true, false},
		"a large body":      {[]string{closes + "Content-Length: 65536\r\n\r\n", much}, HTTP{Substring: "xx"}, "", true, false},
		"of another status": {[]string{"HTTP/1.1 503 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\n", "no"}, HTTP{}, "HTTP 503, wanted 200", true, false},
		"HEAD":              {[]string{closes + "Content-Length: 100000\r\n\r\n"}, HTTP{Method: "HEAD"}, "", true, false},
		"over TLS":          {[]string{closes + "Content-Length: 4\r\n\r\nok", "ok"}, HTTP{TLS: &TLS{files: TLSFiles{Insecure: true}}}, "", true, false},
		"stays open":        {[]string{"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok", "ok"}, HTTP{}, "", false, false},
		"kept":              {[]string{"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok", "ok"}, HTTP{Reuse: true}, "", false, false},
		"too large":         {[]string{closes + "\r\n" + much, "x"}, HTTP{}, "", false, true},
		"said to be so":     {[]string{closes + "Content-Length: 65537\r\n\r\n"}, HTTP{}, "", false, true},
		"too slow":          {[]string{closes + "Content-Length: 2\r\n\r\no"}, HTTP{}, "", false, true},
		"out of time":       {[]string{closes + "Content-Length: 2\r\n\r\no"}, HTTP{Substring: "ok"}, "the body has not ended: no answer within 500ms", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := make(partings, 100)
			tt.check.Addr = serve(t, func(raw net.Conn) {
				left, c := all.add(), raw
				if tt.check.TLS != nil {
					c = tls.Server(raw, pair)
				}
				r, err := http.ReadRequest(bufio.NewReader(c))
				if err != nil {
					left <- err
					return
				}
				_, _ = io.Copy(io.Discard, r.Body)
				for _, text := range tt.pieces {
					_, _ = io.WriteString(c, text)
					time.Sleep(2 * time.Millisecond)
				}
				if tt.first {
					// It has the time to close first, if it would.
					_ = raw.SetReadDeadline(time.Now().Add(2 * time.Millisecond))
					if _, err := raw.Read(make([]byte, 1)); !late(err) {
						left <- fmt.Errorf("before it closed: %v", err)
						return
					}
					_ = raw.SetReadDeadline(time.Time{})
					_ = c.(interface{ CloseWrite() error }).CloseWrite()
					_ = raw.(*net.TCPConn).CloseWrite()
				}
				_, err = raw.Read(make([]byte, 1))
				left <- err
			})
			o := OK
			if tt.text != "" {
				o = Failed
			}
			want := io.EOF
			if tt.reset {
				want = unix.ECONNRESET
			}
			for tries := 1; ; tries++ {
				begun := time.Now()
				c, err := NewHTTP(tt.check)
				checked(t, c, err, o, tt.text)
				if err := c.(io.Closer).Close(); err != nil {
					t.Error(err)
				}
				// Where all stood still for so long, it was right to leave.
				held := time.Since(begun) >= maxRest && tries < 10
				if err := all.last(); errors.Is(err, want) {
					return
				} else if !held || tt.reset {
					t.Fatalf("the server saw %v, want %v", err, want)
				}
			}
		})
	}
}

// TestTCPEnd sees that a server that was talked to is not reset, unless the time was over.
func TestTCPEnd(t *testing.T) {
	for text, want := range map[string]error{
		"":                             io.EOF,
		"connection":                   io.EOF,
		"no answer within 500ms after": unix.ECONNRESET,
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			all := make(partings, 100)
			addr := serve(t, func(c net.Conn) {
				left := all.add()
				says("220")(c)
				_, err := c.Read(make([]byte, 1))
				left <- err
			})
			expect := map[string]string{"": "220", "connection": "230"}[text]
			if expect == "" {
				expect = "220 x"
			}
			c, err := NewTCP(TCP{Addr: addr, Expect: []byte(expect)})
			check(t, c, err, text)
			if err := all.last(); !errors.Is(err, want) {
				t.Errorf("the server saw %v, want %v", err, want)
			}
		})
	}
}

// TestHTTP2OverTLS speaks HTTP/2 with package net/http's server.
func TestHTTP2OverTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto+" "+r.Host)
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	for _, reuse := range []bool{false, true} {
		c, err := NewHTTP(HTTP{
			Addr: netip.MustParseAddrPort(s.Listener.Addr().String()), TLS: &TLS{files: TLSFiles{Insecure: true}},
			Host: "a.example", HTTP2: true, Reuse: reuse, Substring: "HTTP/2.0 a.example",
		})
		for range 2 {
			checked(t, c, err, OK, "")
		}
		if err := c.(io.Closer).Close(); err != nil {
			t.Error(err)
		}
	}
}
