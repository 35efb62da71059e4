package httpapi

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

// certificates are what [api.tls] names.
type certificates struct {
	own     *watched[*tls.Certificate]
	ca      *watched[*authorities] // nil: no client certificates are asked for
	clients []spec.APIClient
}

// authorities are who signs client certificates.
type authorities struct {
	pool  *x509.CertPool
	known map[[sha256.Size]byte]bool // of each certificate, the hash
}

// newCertificates reads the files of [api.tls]. A pair that is being replaced, or was spoilt, leaves that which was good;
// authorities that are gone sign nothing any more.
func newCertificates(t spec.APITLS, log zerolog.Logger, now func() time.Time, changed func()) (*certificates, error) {
	c := &certificates{clients: t.Clients}
	c.own = &watched[*tls.Certificate]{paths: []string{t.CertFile, t.KeyFile}, parse: parsePair, keep: true, now: now, log: log}
	err := c.own.begin()
	if t.ClientCAFile != "" {
		c.ca = &watched[*authorities]{paths: []string{t.ClientCAFile}, parse: parseAuthorities, changed: changed, now: now, log: log}
		err = errors.Join(err, c.ca.begin())
	}
	return c, err
}

func parsePair(texts [][]byte) (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair(texts[0], texts[1])
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "tls: "))
	}
	return &pair, nil
}

func parseAuthorities(texts [][]byte) (*authorities, error) {
	a := &authorities{x509.NewCertPool(), map[[sha256.Size]byte]bool{}}
	for rest := texts[0]; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		a.pool.AddCert(cert)
		a.known[sha256.Sum256(cert.Raw)] = true
	}
	if len(a.known) == 0 {
		return nil, errors.New("there is no certificate in it")
	}
	return a, nil
}

// TLS is how connections are served; nil: without TLS. It goes with what the configuration and the files say at each new
// connection.
func (a *Access) TLS() *tls.Config {
	if p := a.policy.Load(); p == nil || p.tls == nil {
		return nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: a.serve}
}

// serve is how one connection is served.
func (a *Access) serve(*tls.ClientHelloInfo) (*tls.Config, error) {
	p := a.policy.Load()
	if p.tls == nil {
		return nil, errors.New("[api.tls] is no longer configured")
	}
	pair := p.tls.own.get()
	if pair == nil {
		return nil, errors.New("[api.tls] has no certificate that can be used")
	}
	c := &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{*pair},
		NextProtos:   []string{"h2", "http/1.1"},
		// A client that was let in once does not come back by that: its certificate is looked at each time.
		SessionTicketsDisabled: true,
	}
	if p.tls.ca != nil {
		if ca := p.tls.ca.get(); ca != nil {
			c.ClientCAs, c.ClientAuth = ca.pool, tls.VerifyClientCertIfGiven
		}
	}
	return c, nil
}

// Listener returns a listener whose connections are served with TLS while that is configured, from the next connection on.
// It goes around all others, as net/http looks for the connection's type.
func (a *Access) Listener(l net.Listener) net.Listener { return tlsListener{l, a} }

type tlsListener struct {
	net.Listener
	access *Access
}

// Accept waits for a connection.
func (l tlsListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if config := l.access.TLS(); config != nil {
		return tls.Server(c, config), nil
	}
	return c, nil
}

// who is whose certificate a connection has shown. It was verified then; here it must still be valid, and of authorities
// that still are, since a connection can be old. Where several entries fit, the greatest role counts.
func (c *certificates) who(state *tls.ConnectionState, now time.Time) given {
	if c == nil || c.ca == nil || state == nil || len(state.VerifiedChains) == 0 {
		return given{}
	}
	ca := c.ca.get()
	if ca == nil || !slices.ContainsFunc(state.VerifiedChains, func(chain []*x509.Certificate) bool { return ca.stands(chain, now) }) {
		return given{}
	}
	leaf := state.VerifiedChains[0][0]
	names := namesOf(leaf)
	var best given
	for _, client := range c.clients {
		if slices.Contains(names, client.Name) && (best.state == nothing || reaches(client.Role, best.role)) {
			best = given{state: right, name: "certificate " + client.Name, role: client.Role}
		}
	}
	if best.state == nothing && len(names) > 0 {
		best.stranger = names[0]
	}
	return best
}

// stands says whether a chain of certificates still holds.
func (a *authorities) stands(chain []*x509.Certificate, now time.Time) bool {
	for _, cert := range chain {
		if now.After(cert.NotAfter) || now.Before(cert.NotBefore) {
			return false
		}
	}
	return a.known[sha256.Sum256(chain[len(chain)-1].Raw)]
}

// namesOf are the names in a certificate: its common name, and the alternative ones.
func namesOf(cert *x509.Certificate) []string {
	var names []string
	if cert.Subject.CommonName != "" {
		names = append(names, cert.Subject.CommonName)
	}
	names = append(append(names, cert.DNSNames...), cert.EmailAddresses...)
	for _, u := range cert.URIs {
		names = append(names, u.String())
	}
	return names
}
