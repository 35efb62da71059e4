package probe

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// TestRefused has a route that leads nowhere count against the backend, and what this machine lacks not.
func TestRefused(t *testing.T) {
	for _, tt := range []struct {
		addr    string
		call    string
		errno   syscall.Errno
		outcome Outcome
		text    string
	}{
		{"10.0.0.1:80", "connect", syscall.ECONNREFUSED, Failed, "connect: connection refused"},
		{"10.0.0.1:80", "connect", syscall.EHOSTUNREACH, Failed, "connect: no route to host"},
		{"10.0.0.1:80", "connect", syscall.EINVAL, Failed, "connect: what goes there is thrown away (a blackhole route?)"},
		{"[fd00::1]:80", "connect", syscall.EACCES, Failed, "connect: nothing may go there (a prohibit route, or a firewall on the way?)"},
		{"[fe80::1]:80", "connect", syscall.EINVAL, Unmade, "connect: a link-local address, and no interface is named"},
		{"10.0.0.1:80", "bind", syscall.EINVAL, Unmade, "connect: source 10.0.0.9: invalid argument"},
		{"10.0.0.1:80", "connect", syscall.EADDRNOTAVAIL, Unmade, "connect: cannot assign requested address"},
		{"10.0.0.1:80", "connect", syscall.EPERM, Unmade, "connect: operation not permitted"},
		{"10.0.0.1:80", "connect", syscall.ENOBUFS, Unmade, "connect: no buffer space available"},
		{"10.0.0.1:80", "socket", syscall.EMFILE, Unmade, "connect: socket: too many open files"},
	} {
		p := place{addr: netip.MustParseAddrPort(tt.addr), source: netip.MustParseAddr("10.0.0.9")}
		a := begin(t.Context(), nil)
		err := &stageError{"connect", p.refused(os.NewSyscallError(tt.call, tt.errno))}
		want(t, a.end(err), tt.outcome, tt.text)
	}
}

// TestPatience has a check that began late say the timeout that is declared.
func TestPatience(t *testing.T) {
	ctx, cancel := context.WithTimeout(declare(t.Context(), 2*time.Second), time.Millisecond)
	defer cancel()
	c, err := NewHTTP(HTTP{Addr: serve(t, hang)})
	if err != nil {
		t.Fatal(err)
	}
	if r := c.Check(ctx, nil); r.Outcome != Failed || !strings.HasSuffix(r.Text, "no answer within 2s") {
		t.Errorf("got %d %q", r.Outcome, r.Text)
	}
	w := Watch{Policy: Policy{Timeout: 30 * time.Millisecond}, Checker: func() Checker { return c }}
	if r, _ := w.Once(t.Context()); r.Outcome != Failed || !strings.HasSuffix(r.Text, "no answer within 30ms") {
		t.Errorf("got %d %q", r.Outcome, r.Text)
	}
}

func TestSaid(t *testing.T) {
	for text, want := range map[string]string{
		"fine":                         "fine",
		"a\r\n":                        `a\r\n`,
		"\x1b[2J":                      `\x1b[2J`,
		strings.Repeat("\x00", 50<<20): `\x00…`,
		"a\x00\x01\x02b\xff\xfe\xfdc":  `a\x00…b\xff…c`,
		"größe \u202e":                 `größe \u202e`,
		strings.Repeat("x", 161):       strings.Repeat("x", 160) + "…",
	} {
		if got := said(text); got != want {
			t.Errorf("%.20q: %s, want %s", text, got, want)
		}
	}
}

// Whatever somebody says, a text is short, and printed.
func TestTexts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		said := rapid.SliceOfN(rapid.Byte(), 0, 400).Draw(t, "said")
		times := rapid.SampledFrom([]int{1, 50}).Draw(t, "times")
		long := strings.Repeat(string(said), times)
		for _, err := range []error{
			errors.New(long), verdict(long), failed("%s, wanted %s", quote([]byte(long)), quote(said)),
			&stageError{"connect", &localError{&os.PathError{Op: "open", Path: long, Err: io.EOF}}},
		} {
			a := begin(context.Background(), nil)
			text := a.end(err).Text
			if utf8.RuneCountInString(text) > maxText+1 || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Fatalf("%q", text)
			}
		}
	})
}
