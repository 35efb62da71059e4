package probe

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) authority {
	a := authority{}
	der, key := a.sign(t, "the authority", time.Now().Add(time.Hour))
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert, key}
}

// sign makes a certificate of a name, or one that signs itself.
func (a authority) sign(t testing.TB, name string, until time.Time) ([]byte, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: until.Add(-24 * time.Hour), NotAfter: until, BasicConstraintsValid: true,
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer, c.IsCA, c.DNSNames = c, key, true, nil
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	return der, key
}

func (a authority) pair(t testing.TB, name string, until time.Time) tls.Certificate {
	der, key := a.sign(t, name, until)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// write writes blocks of PEM to a file.
func write(t testing.TB, name, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// serveTLS answers every request over TLS with 200.
func serveTLS(t testing.TB, config *tls.Config, protocols ...string) netip.AddrPort {
	return serve(t, func(c net.Conn) {
		config := config.Clone()
		config.NextProtos = protocols
		secured := tls.Server(c, config)
		if secured.Handshake() != nil {
			return
		}
		if secured.ConnectionState().NegotiatedProtocol == "h2" {
			_, _ = secured.Write([]byte("HTTP/1.1 400 What?\r\n\r\n"))
			hang(secured)
			return
		}
		replies("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")(secured)
	})
}

func TestHTTPS(t *testing.T) {
	ca := newAuthority(t)
	soon, expired := time.Now().Add(time.Hour), time.Date(2020, 1, 2, 3, 4, 0, 0, time.UTC)
	trust := TLSFiles{CAFile: write(t, "ca.pem", "CERTIFICATE", ca.cert.Raw)}
	der, key := ca.sign(t, "client", soon)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	shows := trust
	shows.CertFile, shows.KeyFile = write(t, "c.pem", "CERTIFICATE", der), write(t, "k.pem", "PRIVATE KEY", pkcs8)
	good := &tls.Config{Certificates: []tls.Certificate{ca.pair(t, "a.example", soon)}}
	asks := good.Clone()
	asks.ClientAuth, asks.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	asks.ClientCAs.AddCert(ca.cert)
	asks12 := asks.Clone()
	asks12.MaxVersion = tls.VersionTLS12
	old := &tls.Config{Certificates: []tls.Certificate{ca.pair(t, "a.example", expired)}}
	for name, tt := range map[string]struct {
		addr    netip.AddrPort
		files   TLSFiles
		check   HTTP
		outcome Outcome
		text    string
	}{
		"trusted":           {serveTLS(t, good), trust, HTTP{Host: "a.example", Substring: "ok"}, OK, ""},
		"by server_name":    {serveTLS(t, good), trust, HTTP{ServerName: "a.example"}, OK, ""},
		"of another":        {serveTLS(t, good), trust, HTTP{Host: "b.example"}, Failed, "TLS: the certificate is of a.example, not of b.example"},
		"by address":        {serveTLS(t, good), trust, HTTP{}, Failed, "TLS: the certificate is of a.example, not of 127.0.0.1"},
		"of nobody":         {serveTLS(t, good), TLSFiles{}, HTTP{Host: "a.example"}, Failed, "TLS: the certificate of a.example is signed by nobody who is trusted (CN=the authority)"},
		"insecure":          {serveTLS(t, old), TLSFiles{Insecure: true}, HTTP{}, OK, ""},
		"expired":           {serveTLS(t, old), trust, HTTP{Host: "a.example"}, Failed, "TLS: the certificate of a.example expired on 2020-01-02 03:04 UTC"},
		"no client's":       {serveTLS(t, asks), trust, HTTP{Host: "a.example"}, Failed, "the server says: certificate required"},
		"no client's, post": {serveTLS(t, asks), trust, HTTP{Host: "a.example", Method: "POST", Body: make([]byte, 60<<10)}, Failed, "the server says: certificate required"},
		"no client's 1.2":   {serveTLS(t, asks12), trust, HTTP{Host: "a.example"}, Failed, "TLS: the server says: handshake failure"},
		"client's":          {serveTLS(t, asks), shows, HTTP{Host: "a.example"}, OK, ""},
		"no file":           {serveTLS(t, good), TLSFiles{CAFile: "/nowhere"}, HTTP{}, Unmade, "/nowhere: no such file or directory"},
		"no TLS":            {serve(t, says("SSH-2.0-x\r\n")), trust, HTTP{}, Failed, "TLS: the server does not speak TLS"},
		"hangs":             {serve(t, hang), trust, HTTP{}, Failed, "TLS: no answer within 500ms"},
		"closes":            {serve(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 1<<12)) }), trust, HTTP{}, Failed, "TLS: the connection was closed"},
		"resets":            {serve(t, func(c net.Conn) { reset(c) }), trust, HTTP{}, Failed, "TLS: connection reset by peer"},
		"no key":            {serveTLS(t, good), TLSFiles{Insecure: true, CertFile: shows.CertFile, KeyFile: "/nowhere"}, HTTP{}, Unmade, "/nowhere: no such file or directory"},
		"no pair":           {serveTLS(t, good), TLSFiles{Insecure: true, CertFile: shows.CertFile, KeyFile: shows.CertFile}, HTTP{}, Unmade, shows.CertFile + ", " + shows.CertFile + ": found a certificate rather than a key in the PEM for the private key"},
		"no HTTP/2":         {serveTLS(t, good), trust, HTTP{Host: "a.example", HTTP2: true}, Failed, "TLS: the server does not speak HTTP/2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files, err := NewTLS(tt.files)
			if err != nil {
				t.Fatal(err)
			}
			tt.check.Addr, tt.check.TLS = tt.addr, files
			c, err := NewHTTP(tt.check)
			checked(t, c, err, tt.outcome, tt.text)
		})
	}
}

// A server that agrees on HTTP/2 and then speaks something else has failed.
func TestHTTP2Spoilt(t *testing.T) {
	files, err := NewTLS(TLSFiles{Insecure: true})
	if err != nil {
		t.Fatal(err)
	}
	pair := newAuthority(t).pair(t, "a.example", time.Now().Add(time.Hour))
	addr := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{pair}}, "h2")
	c, err := NewHTTP(HTTP{Addr: addr, TLS: files, HTTP2: true})
	checked(t, c, err, Failed, "the server does not speak HTTP/2")
}

// A file that changes is read again.
func TestTLSFilesRenewed(t *testing.T) {
	ca, next := newAuthority(t), newAuthority(t)
	file := write(t, "ca.pem", "CERTIFICATE", ca.cert.Raw)
	files, err := NewTLS(TLSFiles{CAFile: file})
	if err != nil {
		t.Fatal(err)
	}
	addr := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{next.pair(t, "a.example", time.Now().Add(time.Hour))}})
	c, err := NewHTTP(HTTP{Addr: addr, TLS: files, Host: "a.example"})
	if r := check(t, c, err, ""); r.Outcome != Failed {
		t.Fatalf("got %v", r)
	}
	both := bytes.Join([][]byte{
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: next.cert.Raw}),
	}, nil)
	if err := os.WriteFile(file, both, 0o600); err != nil {
		t.Fatal(err)
	}
	checked(t, c, err, OK, "")
}

// The trace says step by step what was seen.
func TestTrace(t *testing.T) {
	ca := newAuthority(t)
	files, err := NewTLS(TLSFiles{Insecure: true})
	if err != nil {
		t.Fatal(err)
	}
	until := time.Date(2030, 1, 2, 3, 4, 0, 0, time.UTC)
	addr := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ca.pair(t, "a.example", until)}})
	c, err := NewHTTP(HTTP{Addr: addr, TLS: files, Host: "a.example", Path: "/x", Substring: "fine", Header: http.Header{}})
	if err != nil {
		t.Fatal(err)
	}
	var trace Trace
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c.Check(ctx, &trace)
	_ = c.(io.Closer).Close()
	want := []string{
		"dialling " + addr.String(),
		"connected to " + addr.String() + " from 127.0.0.1:",
		"TLS 1.3, certificate of a.example, good until 2030-01-02 03:04 UTC",
		"GET /x, host a.example",
		"HTTP/1.1 200 OK",
		`the body has no "fine"`,
	}
	if len(trace.Steps) != len(want) {
		t.Fatalf("got %+v", trace.Steps)
	}
	for i, s := range trace.Steps {
		if !strings.HasPrefix(s.Text, want[i]) || i > 0 && s.At < trace.Steps[i-1].At {
			t.Errorf("step %d: got %v %q, want %q", i, s.At, s.Text, want[i])
		}
	}
}
