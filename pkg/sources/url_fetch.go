package sources

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/gorb-io/gorb/pkg/spec"
)

const (
	maxSaid      = 200       // runes of what a server says that are repeated
	maxErrorPage = 4 << 10   // bytes of the page beside a failure that are looked at
	maxValidator = 1 << 10   // bytes of an ETag that are sent back
	maxHeaders   = 128 << 10 // bytes of an answer's headers
	maxRedirects = 5
)

// answered is what a server said that is no failure.
type answered struct {
	unchanged bool // 304; nothing else is there then
	validators
	format spec.Format
	data   []byte
}

// validators are what a server calls a version of a page.
type validators struct {
	etag, modified string // to be sent back; "": not
	version        string // to be shown
}

// fetch makes one request. Every error is an *urlError.
func (u *URL) fetch(ctx context.Context) (answered, error) {
	ctx, cancel := context.WithTimeout(ctx, u.decl.Timeout)
	defer cancel()
	got, err := u.exchange(ctx)
	if err == nil {
		return got, nil
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("no whole answer within %v", u.decl.Timeout)
	}
	return answered{}, u.failed(err)
}

// exchange sends the request and reads the answer.
func (u *URL) exchange(ctx context.Context) (answered, error) {
	req, err := u.request(ctx)
	if err != nil {
		return answered{}, err
	}
	transport, err := u.open()
	if err != nil {
		return answered{}, err
	}
	client := http.Client{Transport: transport, CheckRedirect: u.redirect}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return answered{}, err
	}
	defer resp.Body.Close()
	conditional := req.Header.Get("If-None-Match")+req.Header.Get("If-Modified-Since") != ""
	switch {
	case resp.StatusCode == http.StatusNotModified && conditional:
		return answered{unchanged: true}, nil
	case resp.StatusCode == http.StatusNotModified:
		return answered{}, errors.New("304 Not Modified, though nothing was named that it could have been modified since")
	case resp.StatusCode != http.StatusOK:
		return answered{}, refused(resp)
	}
	return u.whole(resp)
}

// whole takes a 200.
func (u *URL) whole(resp *http.Response) (answered, error) {
	format, err := formatFor(u.decl.Format, resp.Header.Get("Content-Type"), u.at.Path)
	if err != nil {
		return answered{}, err
	}
	data, err := body(resp)
	if err != nil {
		return answered{}, err
	}
	return answered{validators: validatorsOf(resp.Header), format: format, data: data}, nil
}

// body reads a body to its end, which must be one that a connection cut off half way does not have.
func body(resp *http.Response) ([]byte, error) {
	r, err := unpacked(resp)
	if err != nil {
		return nil, err
	}
	// A body without a length ends where the connection ends, and half a TOML document is a document. What is packed has
	// an end of its own.
	if resp.ContentLength < 0 && len(resp.TransferEncoding) == 0 && !packed(resp) {
		return nil, errors.New("the answer does not say how long it is, so that a part would look like the whole")
	}
	if resp.ContentLength > spec.MaxRemoteSize {
		return nil, errTooBig
	}
	var data bytes.Buffer
	if _, err := data.ReadFrom(io.LimitReader(r, spec.MaxRemoteSize+1)); err != nil {
		return nil, err
	}
	if data.Len() > spec.MaxRemoteSize {
		return nil, errTooBig
	}
	return data.Bytes(), nil
}

var errTooBig = fmt.Errorf("is over %d MiB", spec.MaxRemoteSize>>20)

// packed says whether the body is gzip's.
func packed(resp *http.Response) bool {
	encoding := strings.ToLower(resp.Header.Get("Content-Encoding"))
	return encoding == "gzip" || encoding == "x-gzip"
}

// unpacked is the body without its Content-Encoding. The transport does not unpack by itself, because it would not limit how
// much there is before.
func unpacked(resp *http.Response) (io.Reader, error) {
	if packed(resp) {
		return gzip.NewReader(&capped{r: resp.Body, left: spec.MaxRemoteSize})
	}
	if encoding := resp.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return nil, fmt.Errorf("Content-Encoding %s was not asked for", encoding)
	}
	return resp.Body, nil
}

// capped is a reader with an end that is an error.
type capped struct {
	r    io.Reader
	left int
}

func (b *capped) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooBig
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// validatorsOf is what the headers of a 200 call the page.
func validatorsOf(h http.Header) validators {
	v := validators{etag: validator(h.Get("ETag")), modified: validator(h.Get("Last-Modified"))}
	if v.version = said(v.etag); v.version == "" {
		v.version = said(v.modified)
	}
	// Times of files are told in whole seconds, and nginx makes its ETag of nothing but that time and the size. What was
	// written a moment ago may be written once more and be called the same (RFC 9110, 8.8.2.2): such a page is asked for
	// whole once more.
	modified, err := http.ParseTime(v.modified)
	now, dateErr := http.ParseTime(h.Get("Date"))
	if err == nil && dateErr == nil && now.Sub(modified) < racy {
		v.etag, v.modified = "", ""
	}
	return v
}

// validator is a header that can be sent back, or "".
func validator(text string) string {
	if len(text) > maxValidator || !sendable(text) {
		return ""
	}
	return text
}

// refused says what another status than 200 and 304 means, with the first line that the server wrote.
func refused(resp *http.Response) error {
	e := &statusError{status: strings.TrimSpace(fmt.Sprintf("%d %s", resp.StatusCode, http.StatusText(resp.StatusCode)))}
	r, err := unpacked(resp)
	if err != nil {
		return e
	}
	page, _ := io.ReadAll(io.LimitReader(r, maxErrorPage)) // what came before an error is as good
	e.line = strings.TrimSpace(string(page))
	if i := strings.IndexAny(e.line, "\r\n"); i >= 0 {
		e.line = e.line[:i]
	}
	return e
}

// statusError is an answer with another status than 200 and 304.
type statusError struct {
	status string
	line   string // the first of the page; ""
}

func (e *statusError) Error() string {
	if e.line == "" {
		return e.status
	}
	return e.status + ": " + e.line
}
