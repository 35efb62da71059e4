package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// ErrNoDaemon says that no gorb listens on a socket.
var ErrNoDaemon = errors.New("no gorb runs that can be asked")

// A SilentError says that a gorb does not answer.
type SilentError struct {
	Path   string        // the socket, or the URL
	PID    int           // of who listens there; 0: not known
	After  time.Duration // for so long it was waited for; 0: not at all, as so many wait already
	Read   bool          // it was asked for something, and not to do something
	Remote bool          // it was asked over a network
}

func (e *SilentError) Error() string {
	text := e.Path + ": gorb "
	if e.PID != 0 {
		text += fmt.Sprintf("(pid %d) ", e.PID)
	}
	text += "does not answer"
	if e.After != 0 {
		text += fmt.Sprintf(" within %v", e.After)
	}
	text += "; it hangs, or has too much to do"
	if e.Remote {
		text += ", or something on the way lets nothing pass"
	}
	if !e.Read {
		text += ", and may still do what it was asked"
	}
	return text
}

// Client asks a gorb that runs. It is safe for concurrent use.
type Client struct {
	where    string        // the socket, or the URL, as errors name it
	base     string        // what is before the path of a request
	token    string        // that is shown; "": none
	patience time.Duration // for the answer to begin; http has that for all of it
	http     http.Client
	pid      *atomic.Int64 // of who listens; 0: not known yet
	remote   bool          // it is no socket
}

const (
	// longestAnswer is how long an answer may take as a whole.
	longestAnswer = time.Minute
	// mostAnswer is how much of one is read: the status of a very large table.
	mostAnswer = 256 << 20
)

// NewClient returns a client of the unix socket at path. Nothing is opened yet.
func NewClient(path string) *Client {
	pid := new(atomic.Int64)
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			conn, err := d.DialContext(ctx, "unix", path)
			if err == nil {
				pid.Store(int64(listener(conn)))
			}
			return conn, err
		},
		DisableKeepAlives: true,
	}
	return &Client{
		where: path, base: "http://gorb", patience: longestAnswer, pid: pid,
		http: http.Client{Transport: transport, Timeout: longestAnswer, CheckRedirect: stay},
	}
}

// stay follows no redirect: what is asked is for who was named, and a token all the more.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Within has the client wait no longer than this for an answer to begin. One that has begun may be long.
func (c *Client) Within(patience time.Duration) *Client {
	c.patience = patience
	return c
}

// Do sends a request with a JSON body, nil: none, and decodes the answer into into, nil: it is dropped. Where the daemon
// says why not, the error is a *Failure; where it says nothing a *SilentError; where none listens at a socket it wraps
// ErrNoDaemon.
func (c *Client) Do(ctx context.Context, method, path string, body, into any) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r, err := c.request(ctx, method, path, body)
	if err != nil {
		return err
	}
	tired := time.AfterFunc(c.patience, func() { cancel(c.silent(method, c.patience)) })
	answer, err := c.http.Do(r)
	if !tired.Stop() && err == nil {
		answer.Body.Close()
		return context.Cause(ctx)
	}
	if err != nil {
		return c.unreachable(ctx, method, err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(io.LimitReader(answer.Body, mostAnswer+1))
	switch {
	case err != nil:
		return c.unreachable(ctx, method, err)
	case len(data) > mostAnswer:
		return fmt.Errorf("%s: the answer is over %d bytes", c.where, mostAnswer)
	case answer.StatusCode >= 300:
		return failureIn(answer, data)
	case into == nil:
		return nil
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s: the answer is not what this gorb understands: %w", c.where, err)
	}
	return nil
}

// request makes a request.
func (c *Client) request(ctx context.Context, method, path string, body any) (*http.Request, error) {
	var content io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, content)
	if err != nil {
		return nil, err
	}
	if body != nil {
		r.Header.Set("Content-Type", mediaJSON)
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	return r, nil
}

// failureIn is the failure that an answer tells of.
func failureIn(answer *http.Response, data []byte) *Failure {
	f := &Failure{Code: answer.StatusCode}
	switch to := answer.Header.Get("Location"); {
	case answer.StatusCode < 400:
		f.Message = fmt.Sprintf("it says %s to %s, which is not followed", answer.Status, to)
	case bytes.Contains(data, []byte("HTTP request to an HTTPS server")): // Go's net/http
		f.Message = "it speaks TLS alone; https:// asks so"
	case json.Unmarshal(data, f) != nil || f.Message == "":
		f.Message = fmt.Sprintf("it says %s, and not in gorb's words", answer.Status)
	}
	return f
}

// unreachable says why nobody answered.
func (c *Client) unreachable(ctx context.Context, method string, err error) error {
	silent := new(SilentError)
	switch {
	case errors.As(context.Cause(ctx), &silent):
		return silent
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case c.remote:
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%s: %w", c.where, ErrNoDaemon)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: it is for root and the group %s (%w)", c.where, socketGroup, fs.ErrPermission)
	case errors.Is(err, syscall.EAGAIN): // so many wait there already, whom it does not answer either
		return c.silent(method, 0)
	}
	if late, ok := errors.AsType[net.Error](err); ok && late.Timeout() {
		return c.silent(method, c.http.Timeout)
	}
	if c.remote {
		return c.unconnected(err)
	}
	return fmt.Errorf("%s: %w", c.where, err)
}

func (c *Client) silent(method string, after time.Duration) *SilentError {
	return &SilentError{c.where, int(c.pid.Load()), after, method == http.MethodGet, c.remote}
}

// Segment escapes a name for the path of a request, as one segment of it.
func Segment(name string) string {
	if name == "." || name == ".." { // which would be taken for a step in the path
		return strings.ReplaceAll(name, ".", "%2E")
	}
	return url.PathEscape(name)
}
