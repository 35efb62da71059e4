package probe

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
)

const (
	maxHead = 64 << 10 // of the headers of an answer, those of interim answers included
	maxBody = 64 << 10 // of the body is read
)

// exchange asks and judges the answer. It returns what to ask next if the answer leads on.
func (c *httpCheck) exchange(a *attempt, q ask) (next *ask, err error) {
	s, again, err := c.session(a)
	if err != nil {
		return nil, err
	}
	resp, err := s.roundTrip(a, c.request(q))
	// The server may have closed what was kept, or be about to (408), while it was idle.
	if again && !late(err) && (err != nil || resp.StatusCode == http.StatusRequestTimeout) {
		a.step("the kept connection was closed")
		s.close()
		if s, err = c.open(a); err != nil {
			return nil, err
		}
		resp, err = s.roundTrip(a, c.request(q))
	}
	if err != nil {
		s.close()
		return nil, err
	}
	a.step("%s %s", resp.Proto, said(resp.Status))
	body := &io.LimitedReader{R: resp.Body, N: maxBody + 1}
	next, err = c.judge(a, q, resp, body)
	c.leave(s, resp, body)
	return next, err
}

// judge says whether an answer is what is wanted, or leads on.
func (c *httpCheck) judge(a *attempt, q ask, resp *http.Response, body io.Reader) (*ask, error) {
	next, err := c.redirect(q, resp)
	switch {
	case err != nil || next != nil:
		return next, err
	case !c.good(resp.StatusCode):
		return nil, failed("HTTP %d, wanted %s", resp.StatusCode, c.decl.wanted())
	case c.decl.Substring == "" && c.decl.Regexp == nil:
		return nil, nil
	}
	return nil, c.search(a, body)
}

// request makes the request that asks q.
func (c *httpCheck) request(q ask) *http.Request {
	r := &http.Request{
		Method: q.method, URL: q.url, Host: q.url.Host, Header: c.decl.Header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Close: !c.decl.Reuse,
	}
	if len(q.body) > 0 {
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(q.body)), int64(len(q.body))
	} else if q.method == http.MethodPost || q.method == http.MethodPut || q.method == http.MethodPatch {
		r.Body = http.NoBody
	}
	return r
}

// search looks for what the body is to have, and reads no further than it must.
func (c *httpCheck) search(a *attempt, body io.Reader) error {
	got := make([]byte, 0, 4<<10)
	for len(got) < maxBody {
		if len(got) == cap(got) {
			got = append(got, 0)[:len(got)]
		}
		n, err := body.Read(got[len(got):min(cap(got), maxBody)])
		// What has been searched is not searched again, but for what may be the beginning of the substring.
		from := max(0, len(got)-len(c.decl.Substring))
		got = got[:len(got)+n]
		if c.decl.Regexp == nil && bytes.Contains(got[from:], []byte(c.decl.Substring)) {
			a.step("the body has %q", c.decl.Substring)
			return nil
		}
		if err == io.EOF {
			return c.found(a, got, "")
		}
		if late(err) {
			return &stageError{"the body has not ended", err}
		}
		if err != nil {
			return &stageError{"the body", err}
		}
	}
	return c.found(a, got, " in its first 64 KiB")
}

// found judges a body that has been read as far as it is looked at.
func (c *httpCheck) found(a *attempt, got []byte, where string) error {
	switch {
	case c.decl.Regexp == nil:
		return failed("the body has no %s%s", said(strconv.Quote(c.decl.Substring)), where)
	case !c.decl.Regexp.Match(got):
		return failed("the body has no match of %s%s", said(c.decl.Regexp.String()), where)
	}
	a.step("the body matches %s", c.decl.Regexp)
	return nil
}

// session is the connection to ask over, and whether it is one that was kept.
func (c *httpCheck) session(a *attempt) (*session, bool, error) {
	if s := c.kept; s != nil {
		c.kept = nil
		s.link.watch(a.ctx)
		a.step("on the connection of the check before")
		return s, true, nil
	}
	s, err := c.open(a)
	return s, false, err
}

// leave ends a connection behind an answer whose verdict is known, or keeps it for the next check if that is asked for.
func (c *httpCheck) leave(s *session, resp *http.Response, body *io.LimitedReader) {
	switch whole := s.rest(resp, body); {
	case !whole:
		s.reset()
	case c.decl.Reuse && !resp.Close && s.link.release():
		c.kept = s
	default:
		s.close()
	}
	_ = resp.Body.Close()
}

// readAnswer reads the head of an answer, behind those of interim ones.
func readAnswer(a *attempt, br *bufio.Reader, limit *io.LimitedReader, r *http.Request) (*http.Response, error) {
	for {
		if err := isHTTP(br); err != nil {
			return nil, err
		}
		resp, err := http.ReadResponse(br, r)
		switch {
		case limit.N <= 0 && err != nil:
			return nil, verdict("the headers are over 64 KiB")
		case err != nil:
			return nil, malformed(err)
		case resp.StatusCode < 100:
			return nil, failed("the answer is malformed: status %d", resp.StatusCode)
		case resp.StatusCode >= 200, resp.StatusCode == http.StatusSwitchingProtocols:
			return resp, nil
		}
		a.step("%s %s", resp.Proto, said(resp.Status))
	}
}

// isHTTP looks whether an answer begins as one of HTTP does.
func isHTTP(br *bufio.Reader) error {
	const begin = "HTTP/"
	got, err := br.Peek(len(begin))
	switch {
	case bytes.HasPrefix([]byte(begin), got) && err == nil:
		return nil
	case len(got) == 0 && errors.Is(err, io.EOF):
		return verdict("closed without an answer")
	case len(got) == 0 || late(err):
		return err
	case got[0] == 0x15 || got[0] == 0x16: // an alert, a handshake: RFC 8446, section 5.1
		return verdict("the answer is not HTTP, but TLS")
	}
	got, _ = br.Peek(br.Buffered())
	return failed("the answer is not HTTP, it begins with %s", quote(got))
}

// malformed says what is wrong with the head of an answer.
func malformed(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return verdict("closed in the middle of the headers")
	case late(err):
		return &stageError{"the headers have not ended", err}
	}
	return failed("the answer is malformed: %s", said(err.Error()))
}
