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
	"syscall"
	"time"
)

// ErrNoDaemon says that no gorb listens on a socket.
var ErrNoDaemon = errors.New("no gorb runs that can be asked")

// Client asks a gorb that runs. It is safe for concurrent use.
type Client struct {
	path string
	http http.Client
}

// NewClient returns a client of the unix socket at path. Nothing is opened yet.
func NewClient(path string) *Client {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		},
		DisableKeepAlives: true,
	}
	return &Client{path: path, http: http.Client{Transport: transport, Timeout: time.Minute}}
}

// Do sends a request with a JSON body, nil: none, and decodes the answer into into, nil: it is dropped. Where the daemon
// says why not, the error is a *Failure; where none listens it wraps ErrNoDaemon.
func (c *Client) Do(ctx context.Context, method, path string, body, into any) error {
	var content io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://gorb"+path, content)
	if err != nil {
		return err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return c.unreachable(err)
	}
	defer answer.Body.Close()
	const most = 256 << 20 // the status of a very large table
	data, err := io.ReadAll(io.LimitReader(answer.Body, most))
	if err != nil {
		return c.unreachable(err)
	}
	if answer.StatusCode >= 300 {
		f := &Failure{Code: answer.StatusCode}
		if json.Unmarshal(data, f) != nil || f.Message == "" {
			f.Message = answer.Status
		}
		return f
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s: the answer is not what this gorb understands: %w", c.path, err)
	}
	return nil
}

// unreachable says why nobody answered.
func (c *Client) unreachable(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%s: %w", c.path, ErrNoDaemon)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: it is for root and the group %s (%w)", c.path, socketGroup, fs.ErrPermission)
	case errors.Is(err, context.Canceled):
		return context.Canceled
	}
	if late, ok := errors.AsType[net.Error](err); ok && late.Timeout() {
		return fmt.Errorf("%s: no answer within %v; the gorb there hangs, or has too much to do, and may still do what it was asked", c.path, c.http.Timeout)
	}
	return fmt.Errorf("%s: %w", c.path, err)
}

// Segment escapes a name for the path of a request, as one segment of it.
func Segment(name string) string {
	if name == "." || name == ".." { // which would be taken for a step in the path
		return strings.ReplaceAll(name, ".", "%2E")
	}
	return url.PathEscape(name)
}
