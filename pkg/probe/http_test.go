package probe

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// replies reads a request and then says what it is given, and closes.
func replies(text string) func(net.Conn) {
	return func(c net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(c, text)
	}
}

// repliesAnd goes on in another way after it.
func repliesAnd(text string, then func(net.Conn)) func(net.Conn) {
	return func(c net.Conn) {
		replies(text)(c)
		then(c)
	}
}

// repeats says something for ever.
func repeats(text string, pause time.Duration) func(net.Conn) {
	return func(c net.Conn) {
		for {
			if _, err := io.WriteString(c, text); err != nil {
				return
			}
			time.Sleep(pause)
		}
	}
}

func TestHTTP(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nall ok\n"
	long := strings.Repeat("x", 1<<16)
	re := regexp.MustCompile
	for name, tt := range map[string]struct {
		server  func(net.Conn)
		check   HTTP
		outcome Outcome
		text    string
	}{
		"200":                     {replies(ok), HTTP{}, OK, ""},
		"substring":               {replies(ok), HTTP{Substring: "ok"}, OK, ""},
		"regexp":                  {replies(ok), HTTP{Regexp: re(`^all.*k\n$`)}, OK, ""},
		"no substring":            {replies(ok), HTTP{Substring: "good"}, Failed, `the body has no "good"`},
		"no match":                {replies(ok), HTTP{Regexp: re("go+d")}, Failed, `the body has no match of go+d`},
		"posts":                   {replies(ok), HTTP{Method: "POST", Body: []byte(long)}, OK, ""},
		"head":                    {replies("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"), HTTP{Method: "HEAD", Reuse: true}, OK, ""},
		"503":                     {replies("HTTP/1.1 503 No\r\n\r\n"), HTTP{}, Failed, "HTTP 503, wanted 200"},
		"wanted 404":              {replies("HTTP/1.1 404 No\r\n\r\n"), HTTP{Expect: []Codes{{200, 299}, {404, 404}}}, OK, ""},
		"wanted several":          {replies("HTTP/1.1 500 No\r\n\r\n"), HTTP{Expect: []Codes{{200, 299}, {404, 404}}}, Failed, "HTTP 500, wanted 200-299, 404"},
		"1.0":                     {replies("HTTP/1.0 200 OK\r\n\r\nall ok"), HTTP{Substring: "ok"}, OK, ""},
		"interim":                 {replies("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" + ok), HTTP{Substring: "ok"}, OK, ""},
		"interim for ever":        {repliesAnd("", repeats("HTTP/1.1 100 Continue\r\n\r\n", 0)), HTTP{}, Failed, "the headers are over 64 KiB"},
		"switches":                {replies("HTTP/1.1 101 Switch\r\n\r\n"), HTTP{}, Failed, "HTTP 101, wanted 200"},
		"closes":                  {replies(""), HTTP{}, Failed, "closed without an answer"},
		"closes in the status":    {replies("HTTP/1.1 200"), HTTP{}, Failed, "closed in the middle of the headers"},
		"closes in the headers":   {replies("HTTP/1.1 200 OK\r\nA: b\r\n"), HTTP{}, Failed, "closed in the middle of the headers"},
		"closes in the body":      {replies("HTTP/1.1 200 OK\r\nContent-Length: 70\r\n\r\nall"), HTTP{Substring: "ok"}, Failed, "the body: the connection was closed"},
		"closes in an unread one": {replies("HTTP/1.1 200 OK\r\nContent-Length: 70\r\n\r\nall"), HTTP{}, OK, ""},
		"hangs":                   {hang, HTTP{}, Failed, "no answer within 500ms"},
		"hangs in the headers":    {repliesAnd("HTTP/1.1 200 OK\r\n", hang), HTTP{}, Failed, "the headers have not ended: no answer within 500ms"},
		"hangs in the body":       {repliesAnd("HTTP/1.1 200 OK\r\nContent-Length: 70\r\n\r\nall", hang), HTTP{Substring: "ok"}, Failed, "the body has not ended: no answer within 500ms"},
		"hangs behind the match":  {repliesAnd("HTTP/1.1 200 OK\r\nContent-Length: 70\r\n\r\nall ok", hang), HTTP{Substring: "ok"}, OK, ""},
		"drips":                   {repliesAnd("HTTP/1.1 200 OK\r\nA: ", repeats("b", 5*time.Millisecond)), HTTP{}, Failed, "the headers have not ended: no answer within 500ms"},
		"resets":                  {reset, HTTP{}, Failed, "connection reset by peer"},
		"no HTTP":                 {says("SSH-2.0-x\r\n"), HTTP{}, Failed, `the answer is not HTTP, it begins with "SSH-2.0-x\r\n"`},
		"TLS":                     {says("\x15\x03\x01\x00\x02\x02\x16"), HTTP{}, Failed, "the answer is not HTTP, but TLS"},
		"no status":               {replies("HTTP/1.1 abc\r\n\r\n"), HTTP{}, Failed, `the answer is malformed: malformed HTTP status code "abc"`},
		"huge headers":            {repliesAnd("HTTP/1.1 200 OK\r\n", repeats("A: "+long+"\r\n", 0)), HTTP{}, Failed, "the headers are over 64 KiB"},
		"10 GB":                   {repliesAnd("HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n", repeats(long, 0)), HTTP{Substring: "ok"}, Failed, `the body has no "ok" in its first 64 KiB`},
		"10 GB unread":            {repliesAnd("HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n", repeats(long, 0)), HTTP{Reuse: true}, OK, ""},
		"chunks":                  {replies("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\no\n\r\n0\r\n\r\n"), HTTP{Substring: "o\n"}, OK, ""},
		"chunks of nonsense":      {replies("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), HTTP{Substring: "ok"}, Failed, "the body: invalid byte in chunk length"},
		"no HTTP/2, but 1":        {replies("HTTP/1.1 400 Bad Request\r\n\r\n"), HTTP{HTTP2: true}, Failed, "the server does not speak HTTP/2"},
		"no HTTP/2, but SSH":      {func(c net.Conn) { says("SSH-2.0-OpenSSH_9.2\r\n")(c); hang(c) }, HTTP{HTTP2: true}, Failed, "the server does not speak HTTP/2"},
		"no HTTP/2, but it hangs": {hang, HTTP{HTTP2: true}, Failed, "no answer within 500ms"},
		"no HTTP/2, but an end":   {func(c net.Conn) { _ = c.(*net.TCPConn).CloseWrite(); hang(c) }, HTTP{HTTP2: true}, Failed, "HTTP/2: the connection was closed"},
		"redirect, not followed":  {replies("HTTP/1.1 302 Go\r\nLocation: /\r\n\r\n"), HTTP{}, Failed, "HTTP 302, wanted 200"},
		"redirect, wanted":        {replies("HTTP/1.1 302 Go\r\nLocation: /\r\n\r\n"), HTTP{Expect: []Codes{{302, 302}}, Redirects: 3}, OK, ""},
		"redirect in a circle":    {replies("HTTP/1.1 302 Go\r\nLocation: /\r\n\r\n"), HTTP{Redirects: 3}, Failed, "more than 3 redirects"},
		"redirect to https":       {replies("HTTP/1.1 302 Go\r\nLocation: https://a/\r\n\r\n"), HTTP{Redirects: 3}, Failed, "HTTP 302 to https://a/, and only http is followed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.check.Addr = serve(t, tt.server)
			c, err := NewHTTP(tt.check)
			checked(t, c, err, tt.outcome, tt.text)
			if err := c.(io.Closer).Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// What is sent, over HTTP/1 and HTTP/2, and what is kept.
func TestHTTPAsks(t *testing.T) {
	var seen []string
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen = append(seen, fmt.Sprintf("%s %s %s %s agent=%s x=%s close=%t body=%s",
			r.Method, r.RequestURI, r.Proto, r.Host, r.UserAgent(), r.Header.Get("X"), r.Close, body))
		if r.URL.Path == "/go" {
			http.Redirect(w, r, "http://other.example/there?y=2", http.StatusSeeOther)
		}
	})
	for name, tt := range map[string]struct {
		check       HTTP
		connections int
		want        []string
	}{
		"plain": {
			HTTP{Host: "a.example", Path: "/p%20q?x=1&y", Header: http.Header{"X": {"1"}}},
			2,
			[]string{"GET /p%20q?x=1&y HTTP/1.1 a.example agent=gorb x=1 close=true body="},
		},
		"reused": {
			HTTP{Host: "a.example:1", Method: "PUT", Body: []byte("b"), Reuse: true},
			1,
			[]string{"PUT / HTTP/1.1 a.example:1 agent=gorb x= close=false body=b"},
		},
		"redirected": {
			HTTP{Host: "a.example", Method: "POST", Body: []byte("b"), Path: "/go", Redirects: 1},
			4,
			[]string{
				"POST /go HTTP/1.1 a.example agent=gorb x= close=true body=b",
				"GET /there?y=2 HTTP/1.1 other.example agent=gorb x= close=true body=",
			},
		},
		"HTTP/2": {
			HTTP{Host: "a.example", HTTP2: true, Method: "POST", Body: []byte("b")},
			2,
			[]string{"POST / HTTP/2.0 a.example agent=gorb x= close=false body=b"},
		},
		"HTTP/2, reused": {
			HTTP{Host: "a.example", HTTP2: true, Reuse: true},
			1,
			[]string{"GET / HTTP/2.0 a.example agent=gorb x= close=false body="},
		},
	} {
		t.Run(name, func(t *testing.T) {
			seen = nil
			connections := 0
			s := httptest.NewUnstartedServer(handler)
			s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateNew {
					connections++
				}
			}
			s.Config.Protocols = new(http.Protocols)
			s.Config.Protocols.SetHTTP1(true)
			s.Config.Protocols.SetUnencryptedHTTP2(true)
			s.Start()
			tt.check.Addr = netip.MustParseAddrPort(s.Listener.Addr().String())
			c, err := NewHTTP(tt.check)
			for range 2 {
				checked(t, c, err, OK, "")
			}
			_ = c.(io.Closer).Close()
			s.Close()
			if diff := cmp.Diff(append(tt.want, tt.want...), seen); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			if connections != tt.connections {
				t.Errorf("%d connections, want %d", connections, tt.connections)
			}
		})
	}
}

// A kept connection that the server has closed since is no failure.
func TestHTTPReuseOfClosed(t *testing.T) {
	c, err := NewHTTP(HTTP{Addr: serve(t, replies("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")), Reuse: true})
	defer func() { _ = c.(io.Closer).Close() }()
	for range 3 {
		checked(t, c, err, OK, "")
	}
}

func TestHTTPRefuses(t *testing.T) {
	addr := netip.MustParseAddrPort("127.0.0.1:80")
	for name, h := range map[string]HTTP{
		"no address":     {},
		"a bad method":   {Addr: addr, Method: "G T"},
		"a tunnel":       {Addr: addr, Method: "CONNECT"},
		"a bad path":     {Addr: addr, Path: "x"},
		"a bad host":     {Addr: addr, Host: "a/b"},
		"a header break": {Addr: addr, Header: http.Header{"A": {"b\r\nc"}}},
		"a bad status":   {Addr: addr, Expect: []Codes{{300, 200}}},
		"a body to HEAD": {Addr: addr, Method: "HEAD", Substring: "x"},
		"a source":       {Addr: addr, Source: netip.IPv6Loopback()},
	} {
		if c, err := NewHTTP(h); err == nil {
			t.Errorf("%s: taken: %+v", name, c)
		}
	}
}

func TestStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	c, err := NewHTTP(HTTP{Addr: serve(t, func(c net.Conn) {
		cancel()
		hang(c)
	})})
	if err != nil {
		t.Fatal(err)
	}
	want(t, c.Check(ctx, nil), Unmade, "the check was stopped")
}

func TestLocalErrors(t *testing.T) {
	c, err := NewTCP(TCP{Addr: closed(t), Source: netip.MustParseAddr("192.0.2.1")})
	checked(t, c, err, Unmade, "connect: source 192.0.2.1: cannot assign requested address")
}

// Whatever a server says, a check ends in time and with an answer.
func FuzzHTTP(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
		"HTTP/1.0 302 x\r\nLocation: http://[::1%25x]/\r\n\r\n", "HTTP/1.1 100\r\n\r\n", "PRI * HTTP/2.0\r\n",
	} {
		f.Add([]byte(s))
	}
	var now atomic.Pointer[[]byte]
	addr := serve(f, func(c net.Conn) {
		said := *now.Load()
		if _, err := c.Read(make([]byte, 4<<10)); err == nil {
			_, _ = c.Write(said)
		}
	})
	var checks []Checker
	for _, h := range []HTTP{
		{Redirects: 2, Substring: "ab"}, {Reuse: true, Regexp: regexp.MustCompile("a+$")}, {HTTP2: true, Substring: "a"},
	} {
		h.Addr = addr
		c, err := NewHTTP(h)
		if err != nil {
			f.Fatal(err)
		}
		checks = append(checks, c)
	}
	tcp, err := NewTCP(TCP{Addr: addr, Send: []byte("x"), Regexp: regexp.MustCompile("a+$")})
	if err != nil {
		f.Fatal(err)
	}
	checks = append(checks, tcp)
	f.Fuzz(func(t *testing.T, said []byte) {
		now.Store(&said)
		for _, c := range checks {
			r := checkWithin(c, time.Minute, time.Minute)
			if r.Outcome == Unmade || (r.Outcome == OK) != (r.Text == "") || strings.ContainsAny(r.Text, "\n\x1b") {
				t.Errorf("%d %q", r.Outcome, r.Text)
			}
			if strings.HasSuffix(r.Text, "within 1m0s") {
				t.Errorf("%q: the server has closed, and the check goes on", r.Text)
			}
		}
	})
}
