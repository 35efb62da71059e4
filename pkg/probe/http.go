package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/gorb-io/gorb/pkg/spec"
)

// An HTTP asks a server over HTTP and looks at the answer. No proxy is used, and nothing is kept from one check to the
// next unless Reuse says so.
type HTTP struct {
	Addr   netip.AddrPort
	Source netip.Addr // the address to leave from; the zero value: as the routing says
	Mark   uint32     // of the packets; 0: none. It wants CAP_NET_ADMIN

	TLS        *TLS   // nil: plain http
	ServerName string // whose certificate is wanted; "": that of Host, or else of the address
	HTTP2      bool   // HTTP/2 and nothing else: over TLS as ALPN agrees, over plain http without asking

	Method string      // "": GET
	Path   string      // with its query; "": /
	Host   string      // what the Host header says; "": the address, and the port if it is not the usual one
	Header http.Header // nil: none but what HTTP wants
	Body   []byte

	Expect    []Codes // the statuses that are good; empty: 200
	Substring string  // what is in the first 64 KiB of the body; "": anything
	Regexp    *regexp.Regexp

	// Redirects is how many redirects are followed; 0: none. They are followed to the same address and port only,
	// whatever name they give: that is for the Host header. It is this backend that is checked, no name is resolved for
	// a check, and no backend decides where else gorb connects to.
	Redirects int
	Reuse     bool // the connection is kept for the next check
}

// Codes is a range of statuses.
type Codes struct{ First, Last int }

// String is the range as it is declared.
func (c Codes) String() string {
	if c.First == c.Last {
		return strconv.Itoa(c.First)
	}
	return fmt.Sprintf("%d-%d", c.First, c.Last)
}

type httpCheck struct {
	place place
	decl  HTTP
	first ask
	kept  *session // nil unless Reuse
}

// ask is a request.
type ask struct {
	method string
	url    *url.URL // its host is that of the Host header
	body   []byte
}

// NewHTTP prepares a check. It is an io.Closer, which is to be closed after its last check: that ends what Reuse keeps.
func NewHTTP(h HTTP) (Checker, error) {
	p, err := newPlace(h.Addr, h.Source, h.Mark)
	if err != nil {
		return nil, err
	}
	if h.Method == "" {
		h.Method = http.MethodGet
	}
	if len(h.Expect) == 0 {
		h.Expect = just200
	}
	if err := h.refuse(); err != nil {
		return nil, err
	}
	at, err := h.address(p.addr)
	if err != nil {
		return nil, err
	}
	if h.ServerName == "" {
		h.ServerName = at.Hostname()
	}
	h.Header = h.headers()
	return &httpCheck{place: p, decl: h, first: ask{method: h.Method, url: at, body: h.Body}}, nil
}

// plainHeaders is what is sent where nothing else is declared: one for all such checks, never written to.
var plainHeaders = http.Header{"User-Agent": {"gorb"}}

// headers is what is sent.
func (h *HTTP) headers() http.Header {
	if len(h.Header) == 0 {
		return plainHeaders
	}
	all := http.Header{}
	for name, values := range h.Header {
		for _, v := range values {
			all.Add(name, v)
		}
	}
	if _, ok := all["User-Agent"]; !ok {
		all["User-Agent"] = plainHeaders["User-Agent"]
	}
	return all
}

// just200 is the statuses that are good where none is declared.
var just200 = []Codes{{http.StatusOK, http.StatusOK}}

// refuse says what of a declaration cannot be.
func (h *HTTP) refuse() error {
	switch {
	case !httpguts.ValidHeaderFieldName(h.Method):
		return fmt.Errorf("method %q is not one", h.Method)
	case h.Method == http.MethodConnect:
		return errors.New("method CONNECT asks for a tunnel")
	case h.Substring != "" && h.Regexp != nil:
		return errors.New("the body is to have a substring or match a regexp, not both")
	case (h.Substring != "" || h.Regexp != nil) && h.Method == http.MethodHead:
		return errors.New("the answer to HEAD has no body")
	case h.Substring != "" && len(h.Substring) > maxBody:
		return fmt.Errorf("the substring has %d bytes, over the %d that are looked at", len(h.Substring), maxBody)
	case h.Redirects < 0:
		return errors.New("redirects is less than 0")
	}
	for _, c := range h.Expect {
		if c.First < 100 || c.Last > 999 || c.First > c.Last {
			return fmt.Errorf("status %s is not one", c)
		}
	}
	for name, values := range h.Header {
		if !httpguts.ValidHeaderFieldName(name) {
			return fmt.Errorf("header %q is not a name", name)
		}
		switch http.CanonicalHeaderKey(name) {
		case "Host":
			return errors.New("header Host: use host_header")
		case "Connection", "Content-Length", "Transfer-Encoding", "Trailer", "Upgrade", "Expect":
			return fmt.Errorf("header %s is about the connection, which is not yours", name)
		}
		for _, v := range values {
			if !httpguts.ValidHeaderFieldValue(v) {
				return fmt.Errorf("header %s: %q cannot be sent", name, v)
			}
		}
	}
	return nil
}

// address is what is asked for, as a URL.
func (h *HTTP) address(addr netip.AddrPort) (*url.URL, error) {
	scheme, usual := "http", uint16(80)
	if h.TLS != nil {
		scheme, usual = "https", 443
	}
	host := h.Host
	if host == "" {
		// A zone is for this machine alone.
		ip := addr.Addr().WithZone("").String()
		if host = net.JoinHostPort(ip, strconv.Itoa(int(addr.Port()))); addr.Port() == usual {
			host = strings.TrimSuffix(host, ":"+strconv.Itoa(int(usual)))
		}
	}
	path := h.Path
	if path == "" {
		path = "/"
	}
	if !strings.HasPrefix(path, "/") || strings.Contains(path, "#") {
		return nil, fmt.Errorf("path %q must begin with / and have no #", path)
	}
	at, err := url.Parse(scheme + "://" + host + path)
	switch {
	case err != nil || at.User != nil:
		return nil, fmt.Errorf("%s%s: not a host and a path", host, path)
	case at.Host != host || !httpguts.ValidHostHeader(host):
		return nil, fmt.Errorf("host_header %q is not a host", host)
	}
	return at, nil
}

// Check makes a check.
func (c *httpCheck) Check(ctx context.Context, t *Trace) Result {
	a := begin(ctx, t)
	return a.end(c.run(&a))
}

// Close ends what is kept for a next check.
func (c *httpCheck) Close() error {
	if c.kept != nil {
		c.kept.close()
		c.kept = nil
	}
	return nil
}

// run asks, and asks on where it is sent.
func (c *httpCheck) run(a *attempt) error {
	q := c.first
	for hops := 0; ; hops++ {
		next, err := c.exchange(a, q)
		if err != nil || next == nil {
			return err
		}
		if hops >= c.decl.Redirects {
			return failed("more than %d redirects", c.decl.Redirects)
		}
		q = *next
		a.step("redirected to %s", said(spec.HidePath(q.url.String())))
	}
}

// good reports whether a status is one that is wanted.
func (c *httpCheck) good(status int) bool {
	for _, e := range c.decl.Expect {
		if e.First <= status && status <= e.Last {
			return true
		}
	}
	return false
}

// wanted is the statuses that are good, in words.
func (h *HTTP) wanted() string {
	var all []string
	for _, c := range h.Expect {
		all = append(all, c.String())
	}
	return strings.Join(all, ", ")
}

// redirect is where an answer leads, nil if nowhere: a status that is wanted is the end of it.
func (c *httpCheck) redirect(q ask, resp *http.Response) (*ask, error) {
	to := resp.Header.Get("Location")
	if c.decl.Redirects == 0 || to == "" || c.good(resp.StatusCode) {
		return nil, nil
	}
	next := ask{method: q.method, body: q.body}
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther:
		if q.method != http.MethodGet && q.method != http.MethodHead {
			next = ask{method: http.MethodGet}
		}
	case http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, nil
	}
	at, err := q.url.Parse(to)
	switch {
	case err != nil || at.Host == "" || !httpguts.ValidHostHeader(at.Host) || at.User != nil:
		return nil, failed("HTTP %d to %q, which is not an address", resp.StatusCode, said(spec.HidePath(to)))
	case at.Scheme != q.url.Scheme:
		return nil, failed("HTTP %d to %s, and only %s is followed", resp.StatusCode, said(spec.HidePath(at.Redacted())), q.url.Scheme)
	}
	at.Fragment, at.RawFragment = "", ""
	if at.Path == "" {
		at.Path = "/"
	}
	next.url = at
	return &next, nil
}
