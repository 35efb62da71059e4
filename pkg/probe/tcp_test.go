package probe

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"syscall"
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

const (
	// short is the patience of a check that is to run out of it, which its text says.
	short = 500 * time.Millisecond
	// ample is that of all others.
	ample = 10 * time.Second
)

// check makes one check. It has short patience where the text wanted says so, and much otherwise. One that comes less far
// in that time than the text says, as may be on a busy machine, is made again, with more.
func check(t testing.TB, c Checker, err error, text string) Result {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text, "within 500ms") {
		return checkWithin(c, ample, ample)
	}
	for patience := short; ; patience *= 5 {
		if r := checkWithin(c, short, patience); strings.HasPrefix(r.Text, text) || patience > ample {
			return r
		}
	}
}

// checkWithin makes a check that has a time, and says that it had another.
func checkWithin(c Checker, declared, patience time.Duration) Result {
	ctx, cancel := context.WithTimeout(declare(context.Background(), declared), patience)
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

// closed is an address where nobody listens, and nobody else can until the test ends: it is bound.
func closed(t testing.TB) netip.AddrPort {
	t.Helper()
	syscall.ForkLock.RLock()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	is := name.(*syscall.SockaddrInet4)
	return netip.AddrPortFrom(netip.AddrFrom4(is.Addr), uint16(is.Port))
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
	const text = `no answer within 500ms after "xx`
	if r := check(t, c, err, text); r.Outcome != Failed || !strings.HasPrefix(r.Text, text) {
		t.Errorf("got %d %q", r.Outcome, r.Text)
	}
}

func TestTCPRefused(t *testing.T) {
	c, err := NewTCP(TCP{Addr: closed(t)})
	checked(t, c, err, Failed, "connect: connection refused")
}

// A check that only connects does not wake the server, and leaves it no connection. One that stands still for as long as
// the kernel puts off its answer, 200 ms, is noticed: of several one is not.
func TestTCPIsNotNoticed(t *testing.T) {
	var why string
	for range 10 {
		if why = noticed(t); why == "" {
			return
		}
	}
	t.Error(why)
}

// noticed says how a server noticed a check; "": it did not.
func noticed(t *testing.T) string {
	t.Helper()
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
		return fmt.Sprintf("the server saw %s, and not first %s", first.RemoteAddr(), client.LocalAddr())
	}
	return ""
}
