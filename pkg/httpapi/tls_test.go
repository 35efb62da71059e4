package httpapi

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	stdlog "log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// sign makes a certificate, as PEM with its key; of no authority: its own.
func (a *authority) sign(t *testing.T, cert *x509.Certificate) (*authority, []byte, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert.SerialNumber, cert.NotBefore = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour)
	if cert.NotAfter.IsZero() {
		cert.NotAfter = time.Now().Add(time.Hour)
	}
	by := authority{cert, key}
	if a != nil {
		by = *a
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, by.cert, &key.PublicKey, by.key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{made, key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
}

func newAuthority(t *testing.T, name string) (*authority, []byte) {
	t.Helper()
	var none *authority
	a, text, _ := none.sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	return a, text
}

// director is a gorb that serves with TLS, and whose clock the test moves.
type director struct {
	t      *testing.T
	dir    string
	ahead  atomic.Int64
	access *Access
	url    string
	ca     *authority // of the director's certificates
}

func (d *director) put(name string, text []byte) {
	d.t.Helper()
	path := filepath.Join(d.dir, name)
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		d.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		d.t.Fatal(err)
	}
	d.ahead.Add(int64(lookEvery))
}

// renew gives the director another certificate.
func (d *director) renew(name string) {
	d.t.Helper()
	_, cert, key := d.ca.sign(d.t, &x509.Certificate{Subject: pkix.Name{CommonName: name}, DNSNames: []string{"lb1"}})
	d.put("cert.pem", cert) // here it does not fit its key
	d.put("key.pem", key)
}

func newDirector(t *testing.T, clientCA []byte) *director {
	t.Helper()
	d := &director{t: t, dir: t.TempDir()}
	d.ca, _ = newAuthority(t, "servers")
	d.renew("first")
	d.put("clients.pem", clientCA)
	d.access = NewAccess(zerolog.Nop(), func() time.Time { return time.Now().Add(time.Duration(d.ahead.Load())) })
	api := spec.API{TLS: &spec.APITLS{
		CertFile: filepath.Join(d.dir, "cert.pem"), KeyFile: filepath.Join(d.dir, "key.pem"),
		ClientCAFile: filepath.Join(d.dir, "clients.pem"),
		Clients:      []spec.APIClient{{Name: "dir1.example", Role: spec.RoleWrite}, {Name: "dir1", Role: spec.RoleRead}},
	}}
	if err := d.access.Use(api); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, f := d.access.Allow(r, change)
		if f != nil {
			http.Error(w, f.Message, f.Code)
			return
		}
		_, _ = io.WriteString(w, who.Name)
	}), ErrorLog: stdlog.New(io.Discard, "", 0)}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(d.access.Listener(l)) }()
	t.Cleanup(func() { s.Close(); <-done })
	d.url = "https://" + l.Addr().String()
	return d
}

// client is one with a certificate, nil: without.
func (d *director) client(cert, key []byte) *http.Client {
	d.t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(d.ca.cert)
	config := &tls.Config{RootCAs: pool, ServerName: "lb1", MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(4)}
	if cert != nil {
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			d.t.Fatal(err)
		}
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
	d.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

// expect asks, and compares the code, the text, and the name in the director's certificate.
func (d *director) expect(what string, c *http.Client, code int, text, server string) {
	d.t.Helper()
	answer, err := c.Post(d.url, "", nil)
	if err != nil {
		d.t.Errorf("%s: %v", what, err)
		return
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	if got := answer.TLS.PeerCertificates[0].Subject.CommonName; answer.StatusCode != code || string(body) != text || got != server || answer.ProtoMajor != 2 {
		d.t.Errorf("%s: got %d %q by %q, HTTP/%d\nwant %d %q by %q", what, answer.StatusCode, body, got, answer.ProtoMajor, code, text, server)
	}
}

// TestCertificates renews the director's certificate and takes back those of clients, while connections go on.
func TestCertificates(t *testing.T) {
	ours, oursText := newAuthority(t, "clients")
	next, nextText := newAuthority(t, "next clients")
	d := newDirector(t, oursText)
	person := func(by *authority, name string, dns ...string) *http.Client {
		_, cert, key := by.sign(t, &x509.Certificate{
			Subject: pkix.Name{CommonName: name}, DNSNames: dns, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		})
		return d.client(cert, key)
	}
	none := "this needs a credential, a client certificate\n"
	anybody, dir1 := d.client(nil, nil), person(ours, "dir1", "dir1.example")
	d.expect("without one", anybody, 403, none, "first")
	d.expect("by the greatest of its names", dir1, 200, "certificate dir1.example", "first")
	d.expect("a name with too small a role", person(ours, "dir1"), 403, "certificate dir1 has the role read, and this needs write\n", "first")
	d.expect("a stranger", person(ours, "dir2"), 403,
		"this needs a credential: \"dir2\" is in no [[api.tls.clients]], a client certificate\n", "first")
	if answer, err := person(next, "dir1.example").Post(d.url, "", nil); err == nil {
		answer.Body.Close()
		t.Error("of another authority: it is served")
	}

	d.renew("second")
	d.expect("a connection that is open", dir1, 200, "certificate dir1.example", "first")
	d.expect("a new one", person(ours, "x", "dir1.example"), 200, "certificate dir1.example", "second")
	d.put("key.pem", []byte("spoilt"))
	d.expect("with a spoilt key", person(ours, "x", "dir1.example"), 200, "certificate dir1.example", "second")

	d.put("clients.pem", append(oursText, nextText...))
	later := person(next, "dir1.example")
	d.expect("of either authority", later, 200, "certificate dir1.example", "second")
	d.expect("the first", dir1, 200, "certificate dir1.example", "first")
	d.put("clients.pem", nextText)
	d.expect("when the first authority is gone, over its connection", dir1, 403, none, "first")
	d.expect("the other", later, 200, "certificate dir1.example", "second")
	if err := os.Remove(filepath.Join(d.dir, "clients.pem")); err != nil {
		t.Fatal(err)
	}
	d.ahead.Add(int64(lookEvery))
	d.expect("when none is left", later, 403, none, "second")
	d.expect("a new connection then", person(next, "dir1.example"), 403, none, "second")
	d.put("clients.pem", nextText)
	d.expect("and again", later, 200, "certificate dir1.example", "second")
	d.ahead.Add(int64(2 * time.Hour))
	d.expect("when the certificate has run out", later, 403, none, "second")
}

// TestTLSEnds takes [api.tls] out of the configuration.
func TestTLSEnds(t *testing.T) {
	_, text := newAuthority(t, "clients")
	d := newDirector(t, text)
	old := d.access.TLS()
	if err := d.access.Use(spec.API{}); err != nil || d.access.TLS() != nil {
		t.Errorf("%v, %v", err, d.access.TLS())
	}
	if _, err := old.GetConfigForClient(nil); err == nil {
		t.Error("who began before is served")
	}
	err := d.access.Use(spec.API{TLS: &spec.APITLS{CertFile: "/nowhere/c", KeyFile: "/nowhere/k"}})
	want := "/nowhere/c: no such file or directory\n/nowhere/k: no such file or directory"
	if err == nil || err.Error() != want || d.access.TLS() == nil {
		t.Errorf("got  %v, %v\nwant %s", err, d.access.TLS(), want)
	}
	if _, err := d.access.TLS().GetConfigForClient(nil); err == nil {
		t.Error("it is served without a certificate")
	}
}
