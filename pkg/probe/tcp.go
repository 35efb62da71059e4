package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"regexp"

	"github.com/gorb-io/gorb/pkg/spec"
)

// maxGreeting is how much of a server's answer a regular expression of a tcp check looks at.
const maxGreeting = 4 << 10

// A TCP connects, says something if asked to, and looks at what comes back if asked to.
type TCP struct {
	Addr   netip.AddrPort
	Source netip.Addr // the address to leave from; the zero value: as the routing says
	Mark   uint32     // of the packets; 0: none. It wants CAP_NET_ADMIN

	Send   []byte         // what is said first; empty: nothing
	Expect []byte         // what the answer begins with; empty: anything, unless there is a Regexp
	Regexp *regexp.Regexp // what is somewhere in the first 4 KiB of the answer, tried whenever more of it comes
}

type tcpCheck struct {
	place  place
	send   []byte
	expect []byte
	regexp *regexp.Regexp
}

// NewTCP prepares a check. Where nothing is said nor expected, the server's kernel answers it and its program does not
// notice.
func NewTCP(t TCP) (Checker, error) {
	p, err := newPlace(t.Addr, t.Source, t.Mark)
	if err != nil {
		return nil, err
	}
	switch {
	case len(t.Expect) > 0 && t.Regexp != nil:
		return nil, errors.New("expect is a prefix or a regexp, not both")
	case len(t.Expect) > maxGreeting:
		return nil, fmt.Errorf("expect has %d bytes, over %d", len(t.Expect), maxGreeting)
	}
	return &tcpCheck{place: p, send: t.Send, expect: t.Expect, regexp: t.Regexp}, nil
}

// tcpKind is a TCP.
func tcpKind(_ *Kinds, a *spec.Args, w *writing) recipe {
	w.text("send", a.Send)
	w.text("expect", a.Expect)
	w.text("regexp", a.Regexp)
	send, expect, compiled := []byte(a.Send), []byte(a.Expect), compiling(a.Regexp)
	return recipe{make: func(s spot) (Checker, error) {
		re, err := compiled()
		if err != nil {
			return nil, err
		}
		return NewTCP(TCP{Addr: s.addr, Source: a.Source, Mark: a.Mark, Send: send, Expect: expect, Regexp: re})
	}}
}

// Check makes a check.
func (c *tcpCheck) Check(ctx context.Context, t *Trace) Result {
	a := begin(ctx, t)
	return a.end(c.run(&a))
}

func (c *tcpCheck) run(a *attempt) error {
	t := question
	if len(c.send) == 0 && len(c.expect) == 0 && c.regexp == nil {
		t = silence
	}
	conn, err := a.dial(&c.place, t)
	if err != nil {
		return err
	}
	defer conn.Close()
	if len(c.send) > 0 {
		if _, err := conn.Write(c.send); err != nil {
			return &stageError{"send", err}
		}
		a.step("sent %d bytes", len(c.send))
	}
	switch {
	case len(c.expect) > 0:
		return c.prefix(a, conn)
	case c.regexp != nil:
		return c.search(a, conn)
	}
	return nil
}

// prefix reads no more than what is expected, and no further than where it differs.
func (c *tcpCheck) prefix(a *attempt, r io.Reader) error {
	got := make([]byte, len(c.expect))
	for n := 0; n < len(got); {
		m, err := r.Read(got[n:])
		n += m
		if !bytes.HasPrefix(c.expect, got[:n]) {
			return failed("the answer begins with %s, wanted %s", quote(got[:n]), quote(c.expect))
		}
		if err != nil && n < len(got) {
			return a.cut(err, got[:n], "wanted "+quote(c.expect))
		}
	}
	a.step("the answer begins with %s", quote(got))
	return nil
}

// search reads until the expression is found.
func (c *tcpCheck) search(a *attempt, r io.Reader) error {
	got := make([]byte, 0, 512)
	for {
		if len(got) == cap(got) {
			got = append(got, 0)[:len(got)]
		}
		n, err := r.Read(got[len(got):min(cap(got), maxGreeting)])
		got = got[:len(got)+n]
		if n > 0 && c.regexp.Match(got) {
			a.step("the answer, %s, matches %s", quote(got), c.regexp)
			return nil
		}
		if err != nil {
			return a.cut(err, got, "wanted a match of "+said(c.regexp.String()))
		}
		if len(got) >= maxGreeting {
			return failed("the answer has no match of %s in its first 4 KiB", said(c.regexp.String()))
		}
	}
}

// cut says how an answer ended before it was what was wanted.
func (a *attempt) cut(err error, got []byte, wanted string) error {
	switch {
	case len(got) == 0 && errors.Is(err, io.EOF):
		return failed("closed without an answer, %s", wanted)
	case len(got) == 0:
		return err
	case errors.Is(err, io.EOF):
		return failed("closed after %s, %s", quote(got), wanted)
	case late(err) && a.ctx.Err() == context.Canceled:
		return err
	}
	return failed("%s after %s, %s", a.words(err), quote(got), wanted)
}
