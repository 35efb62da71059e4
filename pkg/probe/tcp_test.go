package probe

import (
	"context"
	"io"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"
)

// serve answers connections to an address of its own in the way given, until the test ends.
func serve(t testing.TB, answer func(net.Conn)) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				answer(c)
			}()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return at(l)
}

func at(l net.Listener) netip.AddrPort { return netip.MustParseAddrPort(l.Addr().String()) }

// short is the patience of a check that is to run out of it, which its text says.
const short = 500 * time.Millisecond

// check makes one check. It has short patience where the text wanted says so, and much otherwise.
func check(t testing.TB, c Checker, err error, text string) Result {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	patience := 10 * time.Second
	if strings.Contains(text, "within 500ms") {
		patience = short
	}
	ctx, cancel := context.WithTimeout(declare(context.Background(), patience), patience)
	defer cancel()
	return c.Check(ctx, nil)
}

// checked makes a check and compares what comes of it.
func checked(t testing.TB, c Checker, err error, o Outcome, text string) {
	t.Helper()
	want(t, check(t, c, err, text), o, text)
}

func want(t testing.TB, r Result, o Outcome, text string) {
	t.Helper()
	if r.Outcome != o || r.Text != text {
		t.Errorf("got %d %q, want %d %q", r.Outcome, r.Text, o, text)
	}
}

func says(text string) func(net.Conn) {
	return func(c net.Conn) {
		_, _ = c.Write([]byte(text))
	}
}

func hang(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

func reset(c net.Conn) {
	_, _ = c.Read(make([]byte, 1))
	_ = c.(*net.TCPConn).SetLinger(0)
}

// closed is an address where nobody listens.
func closed(t testing.TB) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return at(l)
}

func TestTCP(t *testing.T) {
	echo := func(c net.Conn) {
		b := make([]byte, 100)
		n, _ := c.Read(b)
		_, _ = c.Write(b[:n])
		hang(c)
	}
	flood := func(c net.Conn) {
		b := make([]byte, 1<<20)
		for range 10 << 10 {
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	}
	re := regexp.MustCompile
	for name, tt := range map[string]struct {
		server  func(net.Conn)
		check   TCP
		outcome Outcome
		text    string
	}{
		"connects":              {hang, TCP{}, OK, ""},
		"answers":               {echo, TCP{Send: []byte("PING\r\n"), Expect: []byte("PI")}, OK, ""},
		"matches":               {echo, TCP{Send: []byte("PING\r\n"), Regexp: re(`^P.*NG\r\n$`)}, OK, ""},
		"greets":                {says("220 mail\r\n"), TCP{Expect: []byte("220 ")}, OK, ""},
		"differs":               {says("421 no\r\n"), TCP{Expect: []byte("220 ")}, Failed, `the answer begins with "421 ", wanted "220 "`},
		"hangs":                 {hang, TCP{Expect: []byte("220 ")}, Failed, "no answer within 500ms"},
		"hangs in the middle":   {func(c net.Conn) { says("22")(c); hang(c) }, TCP{Expect: []byte("220 ")}, Failed, `no answer within 500ms after "22", wanted "220 "`},
		"closes in the middle":  {says("22"), TCP{Expect: []byte("220 ")}, Failed, `closed after "22", wanted "220 "`},
		"closes":                {says(""), TCP{Expect: []byte("220 ")}, Failed, `closed without an answer, wanted "220 "`},
		"closes, and no match":  {says("nothing"), TCP{Regexp: re("thing$|any")}, OK, ""},
		"closes, no match":      {says("nothing"), TCP{Regexp: re("some")}, Failed, `closed after "nothing", wanted a match of some`},
		"resets":                {reset, TCP{Send: []byte("x"), Expect: []byte("220 ")}, Failed, "connection reset by peer"},
		"floods":                {flood, TCP{Regexp: re("some")}, Failed, "the answer has no match of some in its first 4 KiB"},
		"floods, what begins":   {flood, TCP{Expect: []byte{0, 0}}, OK, ""},
		"says what is no text ": {says("\x1b[2J\xff"), TCP{Expect: []byte("220 ")}, Failed, `the answer begins with "\x1b[2J", wanted "220 "`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.check.Addr = serve(t, tt.server)
			c, err := NewTCP(tt.check)
			checked(t, c, err, tt.outcome, tt.text)
		})
	}
}

func TestTCPDrip(t *testing.T) {
	c, err := NewTCP(TCP{Addr: serve(t, repeats("x", 5*time.Millisecond)), Regexp: regexp.MustCompile("y")})
	if r := check(t, c, err, "no answer within 500ms"); r.Outcome != Failed || !strings.HasPrefix(r.Text, `no answer within 500ms after "xx`) {
		t.Errorf("got %d %q", r.Outcome, r.Text)
	}
}

func TestTCPRefused(t *testing.T) {
	c, err := NewTCP(TCP{Addr: closed(t)})
	checked(t, c, err, Failed, "connect: connection refused")
}

// A check that only connects does not wake the server, and leaves it no connection.
func TestTCPIsNotNoticed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := NewTCP(TCP{Addr: at(l)})
	checked(t, c, err, OK, "")
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	first, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if first.RemoteAddr().String() != client.LocalAddr().String() {
		t.Errorf("the server saw %s, and not first %s", first.RemoteAddr(), client.LocalAddr())
	}
}
