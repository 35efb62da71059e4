package sources

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"

	"github.com/gorb-io/gorb/pkg/spec"
)

// reserved are the headers that are gorb's to set.
var reserved = []string{
	"Accept", "Accept-Encoding", "Connection", "Content-Length", "Host", "If-Modified-Since", "If-None-Match",
	"Proxy-Authorization", "Proxy-Connection", "Range", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// checkClient says what of a declaration cannot be, without looking at a file.
func checkClient(decl spec.SourceDecl, at *url.URL) error {
	if (decl.CertFile == "") != (decl.KeyFile == "") {
		return errors.New("cert_file and key_file go together")
	}
	if at.Scheme == "http" && decl.CAFile+decl.CertFile != "" {
		return errors.New("ca_file and cert_file need https")
	}
	for _, name := range slices.Sorted(maps.Keys(decl.HeaderFiles)) {
		switch key := textproto.CanonicalMIMEHeaderKey(name); {
		case !isToken(name):
			return fmt.Errorf("header_files: %q is not the name of a header", name)
		case slices.Contains(reserved, key):
			return fmt.Errorf("header_files: %s is set by gorb itself", key)
		case key == "Authorization" && decl.BearerTokenFile != "":
			return errors.New("header_files: Authorization is what bearer_token_file sets")
		}
	}
	return nil
}

// isToken says whether a text can be the name of a header (RFC 9110, 5.6.2).
func isToken(text string) bool {
	const others = "!#$%&'*+-.^_`|~"
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune(others, r))
	})
}

// sendable says whether a text can be the value of a header (RFC 9110, 5.5).
func sendable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// request is the next request, with what the files say now.
func (u *URL) request(ctx context.Context) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.at.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "gorb")
	req.Header.Set("Accept", "application/toml, application/json, application/yaml, */*;q=0.5")
	req.Header.Set("Accept-Encoding", "gzip")
	u.hidden = append(u.hidden[:0], inQuery(u.at)...)
	if u.decl.BearerTokenFile != "" {
		token, err := u.secret(u.decl.BearerTokenFile)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for _, name := range slices.Sorted(maps.Keys(u.decl.HeaderFiles)) {
		value, err := u.secret(u.decl.HeaderFiles[name])
		if err != nil {
			return nil, err
		}
		req.Header.Set(name, value)
	}
	if u.page != nil && u.page.etag != "" {
		req.Header.Set("If-None-Match", u.page.etag)
	}
	if u.page != nil && u.page.modified != "" {
		req.Header.Set("If-Modified-Since", u.page.modified)
	}
	return req, nil
}

// inQuery is what of a query may be a credential: all of it, and the longer values.
func inQuery(at *url.URL) []string {
	if at.RawQuery == "" {
		return nil
	}
	const short = 6
	hidden := []string{at.RawQuery}
	for _, values := range at.Query() {
		for _, v := range values {
			if len(v) > short {
				hidden = append(hidden, v)
			}
		}
	}
	return hidden
}

// secret is the one line that a file holds. No error repeats it.
func (u *URL) secret(file string) (string, error) {
	data, err := readRegular(file)
	if err != nil {
		return "", err
	}
	line := strings.TrimSpace(string(data))
	switch {
	case line == "":
		return "", refusal(file, "is empty")
	case len(line) > maxHeaders || !sendable(line):
		return "", refusal(file, "holds more than one line of plain text")
	}
	u.hidden = append(u.hidden, line)
	return line, nil
}

// transport is what one request is made with, and what the files with certificates say now.
func (u *URL) transport() (http.RoundTripper, error) {
	config := &tls.Config{}
	if u.decl.CAFile != "" {
		text, err := readRegular(u.decl.CAFile)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, refusal(u.decl.CAFile, "there is no certificate in it")
		}
	}
	if u.decl.CertFile != "" {
		pair, err := keyPair(u.decl.CertFile, u.decl.KeyFile)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return &http.Transport{
		Proxy:                  proxy,
		DialContext:            (&net.Dialer{}).DialContext, // the request's timeout is the connection's
		TLSClientConfig:        config,
		DisableKeepAlives:      true,
		DisableCompression:     true, // see unpacked
		MaxResponseHeaderBytes: maxHeaders,
	}, nil
}

// keyPair is a client's certificate.
func keyPair(certFile, keyFile string) (tls.Certificate, error) {
	cert, err := readRegular(certFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := readRegular(keyFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%s and %s: %w", certFile, keyFile, err)
	}
	return pair, nil
}

// proxy is the proxy that the environment names.
func proxy(req *http.Request) (*url.URL, error) {
	at, err := http.ProxyFromEnvironment(req)
	if err != nil {
		return nil, errors.New("what HTTPS_PROXY or HTTP_PROXY says is not the address of a proxy") // a password may be in it
	}
	return at, nil
}

// redirect decides whether a redirect is followed: to the same place only, or from http to https on the same host, because
// the request carries credentials.
func (u *URL) redirect(req *http.Request, via []*http.Request) error {
	from, to := via[len(via)-1].URL, req.URL
	secured := from.Scheme == "http" && to.Scheme == "https"
	switch {
	case len(via) > maxRedirects:
		return fmt.Errorf("more than %d redirects", maxRedirects)
	case to.User != nil:
		return errors.New("redirects to an address with a user or password in it, which is refused")
	case to.Scheme != from.Scheme && !secured:
		return fmt.Errorf("redirects from %s to %s, which is refused", from.Scheme, to.Scheme)
	case !strings.EqualFold(to.Hostname(), from.Hostname()), !secured && port(to) != port(from):
		return fmt.Errorf("redirects to another host, %s, which is refused", to.Host)
	}
	return nil
}

// port is the port of an address.
func port(at *url.URL) string {
	switch {
	case at.Port() != "":
		return at.Port()
	case at.Scheme == "https":
		return "443"
	}
	return "80"
}
