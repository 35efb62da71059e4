package sources

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

const mostToken = 4096 // of a file that holds a token, in bytes

// open makes the client, unless there is one.
func (s *store) open() error {
	if s.client != nil {
		return nil
	}
	config := api.DefaultConfig() // the usual environment
	// A missing CONSUL_HTTP_TOKEN_FILE is a failure of one question, not of the client: token reads it.
	config.Token, config.TokenFile = "", ""
	if s.address != "" {
		config.Address = s.address
	}
	if s.tls {
		config.Scheme = "https"
	}
	if s.decl.CAFile != "" {
		config.TLSConfig.CAFile, config.TLSConfig.CAPath = s.decl.CAFile, ""
	}
	if s.decl.CertFile != "" {
		config.TLSConfig.CertFile, config.TLSConfig.KeyFile = s.decl.CertFile, s.decl.KeyFile
	}

	transport := http.DefaultTransport.(*http.Transport).Clone()
	// A question that waits has a connection of its own. On one that is used again, net/http repeats a question that was cut off
	// without a word; asked of a server with restored data, that one would wait for an index that is long to come.
	transport.DisableKeepAlives = !s.reuse
	// A peer that was cut off is noticed while a blocking query is out, in some 20 seconds instead of some minutes.
	dialer := net.Dialer{
		Timeout:         10 * time.Second,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3},
	}
	transport.DialContext = dialer.DialContext
	if path, ok := strings.CutPrefix(config.Address, "unix://"); ok {
		config.Address = "localhost"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", path)
		}
	}
	// The clone has a TLS configuration as soon as anybody has used the original, and one that is there is not replaced.
	// HTTP/2 would not say that a server wants another certificate.
	transport.TLSClientConfig, transport.Protocols = nil, new(http.Protocols)
	transport.Protocols.SetHTTP1(true)
	http1, err := api.NewHttpClient(transport, config.TLSConfig)
	if err != nil {
		return err
	}
	http1.Transport = bounded{transport, s.most}
	// Consul's API never redirects. Who does is given neither another request nor, in its header, the token.
	http1.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	config.HttpClient = http1
	client, err := api.NewClient(config)
	if err != nil {
		return err
	}
	s.client, s.transport = client, transport
	return nil
}

// rest ends the connections, and has the next question make the client anew: certificates may be others by then.
func (s *store) rest() {
	if s.client != nil {
		s.client = nil
		s.transport.CloseIdleConnections()
	}
}

// token is the ACL token for one request: of the declaration's file, of the environment's, or the environment's own.
func (s *store) token() (string, error) {
	file := s.decl.TokenFile
	if file == "" {
		file = os.Getenv(api.HTTPTokenFileEnvName)
	}
	if file == "" {
		return os.Getenv(api.HTTPTokenEnvName), nil
	}
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, mostToken+1))
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	token := strings.TrimSpace(string(data))
	switch {
	case len(data) > mostToken:
		return "", fmt.Errorf("token: %s is over %d bytes", file, mostToken)
	case token == "":
		return "", fmt.Errorf("token: %s is empty", file)
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", fmt.Errorf("token: %s holds more than a token", file)
	}
	return token, nil
}

// errTooMuch is that Consul's answer is longer than it may be.
var errTooMuch = errors.New("the answer is too long")

// bounded ends answers that are too long.
type bounded struct {
	next http.RoundTripper
	most int
}

// RoundTrip does what http.RoundTripper says.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := b.next.RoundTrip(r)
	if err == nil {
		response.Body = &boundedBody{ReadCloser: response.Body, left: b.most}
	}
	return response, err
}

type boundedBody struct {
	io.ReadCloser
	left int
}

// Read does what io.Reader says.
func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, errTooMuch
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
