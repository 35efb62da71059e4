package httpapi

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
)

// Remote is how a gorb is asked over a network.
type Remote struct {
	Token string         // that is shown; "": none
	Roots *x509.CertPool // who may sign its certificate; nil: whom the system trusts
}

// NewRemote returns a client of a gorb at an http or https URL. Proxies are as HTTP_PROXY, HTTPS_PROXY and NO_PROXY say.
// Nothing is opened yet.
func NewRemote(server string, as Remote) (*Client, error) {
	base, err := serverURL(server)
	if err != nil {
		return nil, err
	}
	if strings.ContainsFunc(as.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("the token has characters that no token has") // which are not repeated
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, TLSHandshakeTimeout: longestAnswer,
		TLSClientConfig: &tls.Config{RootCAs: as.Roots, MinVersion: tls.VersionTLS12},
	}
	return &Client{
		where: base, base: base, token: as.Token, patience: longestAnswer, pid: new(atomic.Int64), remote: true,
		http: http.Client{Transport: transport, Timeout: longestAnswer, CheckRedirect: stay},
	}, nil
}

// serverURL checks where a gorb is to be, and returns what is before the paths of its routes. A password is not repeated.
func serverURL(server string) (string, error) {
	u, err := url.Parse(server)
	switch {
	case err != nil:
		return "", errors.New("it is no URL, such as https://lb1.example:4672")
	case u.User != nil:
		return "", errors.New("there is a credential in the URL, which everybody on this machine can read")
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return "", fmt.Errorf("%q is no URL of a gorb, such as https://lb1.example:4672", server)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", fmt.Errorf("%q has more than the URL of a gorb, such as https://lb1.example:4672", server)
	}
	return strings.TrimRight(u.Scheme+"://"+u.Host+u.EscapedPath(), "/"), nil
}

// unconnected says why there is no answer from a gorb over a network.
func (c *Client) unconnected(err error) error {
	if asked, ok := errors.AsType[*url.Error](err); ok {
		err = asked.Err // it has the URL as well
	}
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%s: nobody listens there (%w)", c.where, syscall.ECONNREFUSED)
	case unknown:
		return fmt.Errorf("%s: %w: %w", c.where, ErrUntrusted, err)
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return fmt.Errorf("%s: it speaks HTTP without TLS; http:// asks so", c.where)
	}
	return fmt.Errorf("%s: %w", c.where, err)
}

// ErrUntrusted says that nobody who is trusted has signed a server's certificate.
var ErrUntrusted = errors.New("its certificate is signed by nobody whom this machine trusts")
