package probe

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

// TLSFiles names what https checks trust and show. The files are read when first needed and again when they change, so
// that certificates can be renewed; one that cannot be read is a local error.
type TLSFiles struct {
	CAFile            string // trusted instead of the system's authorities; "": those
	CertFile, KeyFile string // the client's certificate and key; "": none
	Insecure          bool   // whatever certificate the server has is taken
}

// TLS is what https checks trust and show. One serves any number of checks, and any number at once.
type TLS struct {
	files TLSFiles

	mu     sync.Mutex // guards everything below
	config *tls.Config
	stamps [3]stamp
}

// stamp tells one content of a file from the next.
type stamp struct {
	modified time.Time
	size     int64
}

// NewTLS prepares TLS. The files are not looked at.
func NewTLS(f TLSFiles) (*TLS, error) {
	switch {
	case (f.CertFile == "") != (f.KeyFile == ""):
		return nil, errors.New("cert_file and key_file go together")
	case f.Insecure && f.CAFile != "":
		return nil, errors.New("insecure trusts whatever comes, and ca_file only its authorities: not both")
	}
	return &TLS{files: f}, nil
}

// client is the configuration for one connection.
func (t *TLS) client(name, protocol string) (*tls.Config, error) {
	base, err := t.current()
	if err != nil {
		return nil, &localError{err}
	}
	c := base.Clone()
	c.ServerName, c.NextProtos = name, []string{protocol}
	return c, nil
}

// current is what the files say now.
func (t *TLS) current() (*tls.Config, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var stamps [3]stamp
	for i, name := range []string{t.files.CAFile, t.files.CertFile, t.files.KeyFile} {
		if name == "" {
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		stamps[i] = stamp{info.ModTime(), info.Size()}
	}
	if t.config != nil && stamps == t.stamps {
		return t.config, nil
	}
	c, err := t.files.load()
	if err != nil {
		return nil, err
	}
	t.config, t.stamps = c, stamps
	return c, nil
}

// load reads the files.
func (f *TLSFiles) load() (*tls.Config, error) {
	c := &tls.Config{InsecureSkipVerify: f.Insecure}
	if f.CAFile != "" {
		pem, err := os.ReadFile(f.CAFile)
		if err != nil {
			return nil, err
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s: there is no certificate in it", f.CAFile)
		}
	}
	if f.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(f.CertFile, f.KeyFile)
		if err != nil {
			if _, ok := errors.AsType[*os.PathError](err); ok {
				return nil, err
			}
			return nil, fmt.Errorf("%s, %s: %s", f.CertFile, f.KeyFile, strings.TrimPrefix(err.Error(), "tls: "))
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// secure makes a connection one of TLS. The deadline is the connection's.
func (a *attempt) secure(l *link, t *TLS, name, protocol string) (*tls.Conn, error) {
	config, err := t.client(name, protocol)
	if err != nil {
		return nil, err
	}
	c := tls.Client(l, config)
	if err := c.Handshake(); err != nil {
		return nil, &stageError{"TLS", distrust(err, name)}
	}
	state := c.ConnectionState()
	if a.traced() {
		a.step("%s, certificate of %s, good until %s", tls.VersionName(state.Version),
			said(subject(state.PeerCertificates[0])), day(state.PeerCertificates[0].NotAfter))
	}
	if protocol == "h2" && state.NegotiatedProtocol != protocol {
		return nil, &stageError{"TLS", verdict("the server does not speak HTTP/2")}
	}
	return c, nil
}

// distrust says why a handshake failed.
func distrust(err error, name string) error {
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return mistrust(e, name)
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return verdict("the server does not speak TLS")
	}
	return alerted(err)
}

// isAlert reports whether an error is what a server has against the client.
func isAlert(err error) bool {
	e, ok := errors.AsType[*net.OpError](err)
	return ok && e.Op == "remote error"
}

// alerted says in words what a server has against the client, as that it has no certificate: at the handshake, or with
// TLS 1.3 in place of an answer.
func alerted(err error) error {
	if !isAlert(err) {
		return err
	}
	e, _ := errors.AsType[*net.OpError](err)
	return failed("the server says: %s", said(strings.TrimPrefix(e.Err.Error(), "tls: ")))
}

// mistrust says why a certificate is not taken.
func mistrust(e *tls.CertificateVerificationError, name string) error {
	if len(e.UnverifiedCertificates) == 0 {
		return e
	}
	leaf := e.UnverifiedCertificates[0]
	if _, ok := errors.AsType[x509.HostnameError](e.Err); ok {
		return failed("the certificate is of %s, not of %s", said(subject(leaf)), name)
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](e.Err); ok {
		return failed("the certificate of %s is signed by nobody who is trusted (%s)", said(subject(leaf)), said(leaf.Issuer.String()))
	}
	if why, ok := errors.AsType[x509.CertificateInvalidError](e.Err); ok && why.Reason == x509.Expired {
		if now := time.Now(); now.Before(why.Cert.NotBefore) {
			return failed("the certificate of %s is not good before %s", said(subject(why.Cert)), day(why.Cert.NotBefore))
		}
		return failed("the certificate of %s expired on %s", said(subject(why.Cert)), day(why.Cert.NotAfter))
	}
	return failed("the certificate of %s: %s", said(subject(leaf)), said(e.Err.Error()))
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }

// subject is whom a certificate is of.
func subject(c *x509.Certificate) string {
	switch {
	case len(c.DNSNames) > 0:
		return c.DNSNames[0]
	case len(c.IPAddresses) > 0:
		return c.IPAddresses[0].String()
	case c.Subject.CommonName != "":
		return c.Subject.CommonName
	}
	return "nobody"
}
