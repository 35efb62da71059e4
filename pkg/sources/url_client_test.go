package sources

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

func TestURLCredentials(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	key := filepath.Join(t.TempDir(), "key")
	write(t, token, "t0psecret\n")
	write(t, key, "k1\n")
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization") + " " + r.Header.Get("X-Key"); got != "Bearer renewed k1" {
			http.Error(w, "no entry for "+got+" "+r.RequestURI+" "+r.URL.Query().Get("sig"), http.StatusForbidden)
			return
		}
		text(`"1"`, config(1))(w, r)
	})
	var book logBook
	p := pollURL(t, spec.SourceDecl{
		URL: s.URL + "?a=1&sig=in%20query", BearerTokenFile: token, HeaderFiles: map[string]string{"x-key": key},
	}, func(u *URL) { u.log = zerolog.New(&book) })
	p.wantErr(t, "403 Forbidden: no entry for Bearer [hidden] [hidden] /?[hidden] [hidden]")
	for name, tt := range map[string]struct{ text, want string }{
		"empty":     {" \n", "is empty"},
		"two lines": {"t0psecret\nt0psecret", "more than one line"},
		"binary":    {"t0psecret\x00", "more than one line"},
		"long":      {strings.Repeat("t0psecret", 1<<15), "more than one line"},
	} {
		t.Run(name, func(t *testing.T) {
			write(t, token, tt.text)
			p.Reload()
			r := p.wantErr(t, token+": ", tt.want)
			if strings.Contains(r.Err.Error(), "t0p") {
				t.Errorf("the token is said: %v", r.Err)
			}
		})
	}
	write(t, token, "renewed")
	p.Reload()
	p.want(t, "s1")
	must(t, os.Remove(token))
	p.Reload()
	p.wantErr(t, token+": no such file or directory")
	equal(t, "says that it is not encrypted", 1, book.count("unencrypted"))
}

func TestNewURLRefuses(t *testing.T) {
	tests := map[string]struct {
		decl spec.SourceDecl
		want string
	}{
		"no url":        {spec.SourceDecl{URL: "http://h/%zz?secret"}, "the url of a source is not one"},
		"userinfo":      {spec.SourceDecl{URL: "https://u:secret@h/p"}, "https://h/p: a user or password in a url is refused"},
		"userinfo only": {spec.SourceDecl{URL: "https://secret@h/p?secret"}, "https://h/p: a user or password"},
		"scheme":        {spec.SourceDecl{URL: "ftp://h/p"}, "must be https://HOST"},
		"no host":       {spec.SourceDecl{URL: "https:///p"}, "must be https://HOST"},
		"no scheme":     {spec.SourceDecl{URL: "gorb.toml"}, "must be https://HOST"},
		"half a pair":   {spec.SourceDecl{URL: "https://h/", CertFile: "c"}, "cert_file and key_file go together"},
		"TLS without":   {spec.SourceDecl{URL: "http://h/", CAFile: "c"}, "need https"},
		"no header":     {spec.SourceDecl{URL: "https://h/", HeaderFiles: map[string]string{"a b": "f"}}, `"a b" is not the name of a header`},
		"our header":    {spec.SourceDecl{URL: "https://h/", HeaderFiles: map[string]string{"if-none-match": "f"}}, "set by gorb itself"},
		"twice": {
			spec.SourceDecl{URL: "https://h/", BearerTokenFile: "t", HeaderFiles: map[string]string{"authorization": "f"}},
			"Authorization is what bearer_token_file sets",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := NewURL(tt.decl, 0, zerolog.Nop())
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestURLName(t *testing.T) {
	const at = "https://h/p?sig=secret#top"
	for name, want := range map[string]string{"": "https://h/p", at: "https://h/p", "central": "central"} {
		u, err := NewURL(spec.SourceDecl{URL: at, Name: name}, 0, zerolog.Nop())
		must(t, err)
		equal(t, "name", want, u.Name())
	}
}

// certificate is a new certificate with its key, signed by itself, as files.
func certificate(t *testing.T, dir string) (certFile, keyFile string, cert *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotAfter:     time.Now().Add(time.Hour),
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	must(t, err)
	cert, err = x509.ParseCertificate(der)
	must(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write(t, certFile, block("CERTIFICATE", der))
	write(t, keyFile, block("PRIVATE KEY", private))
	return certFile, keyFile, cert
}

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func TestURLTLS(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile, cert := certificate(t, dir)
	s := httptest.NewUnstartedServer(text(`"1"`, config(1)))
	s.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: x509.NewCertPool()}
	s.TLS.ClientCAs.AddCert(cert)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()

	ca := filepath.Join(dir, "ca.pem")
	p := pollURL(t, spec.SourceDecl{URL: s.URL, CAFile: ca, CertFile: certFile, KeyFile: keyFile})
	p.wantErr(t, s.URL+": "+ca+": no such file or directory")
	ask := func(want string) {
		t.Helper()
		p.Reload()
		p.wantErr(t, want)
	}
	write(t, ca, "no certificate")
	ask(ca + ": there is no certificate in it")
	other, _, _ := certificate(t, t.TempDir())
	text, err := os.ReadFile(other)
	must(t, err)
	write(t, ca, string(text))
	ask("certificate signed by unknown authority")
	write(t, ca, block("CERTIFICATE", s.Certificate().Raw))
	p.Reload()
	p.want(t, "s1")

	key, err := os.ReadFile(keyFile)
	must(t, err)
	write(t, keyFile, "-----BEGIN PRIVATE KEY-----\nt0psecret\n")
	p.Reload()
	r := p.wantErr(t, certFile+" and "+keyFile+": tls: ")
	if strings.Contains(r.Err.Error(), "t0p") {
		t.Errorf("the key is said: %v", r.Err)
	}
	write(t, keyFile, string(key)) // renewed
	p.Reload()
	p.want(t, "s1")
}

func TestURLKeepsToHTTPS(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+r.Host+"/", http.StatusFound)
	}))
	defer s.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	write(t, ca, block("CERTIFICATE", s.Certificate().Raw))
	pollURL(t, spec.SourceDecl{URL: s.URL, CAFile: ca}).wantErr(t, "redirects from https to http, which is refused")
}

func TestRedirect(t *testing.T) {
	for _, tt := range []struct{ from, to, want string }{
		{"http://h/a", "https://H/a", ""},
		{"http://h:8080/a", "https://h:8443/a", ""},
		{"https://h/a", "https://h:443/b", ""},
		{"https://h/a", "https://h:444/b", "another host"},
		{"https://h/a", "https://h.evil/b", "another host"},
		{"http://h/a", "https://other/b", "another host"},
	} {
		from, err := url.Parse(tt.from)
		must(t, err)
		to, err := url.Parse(tt.to)
		must(t, err)
		err = (&URL{}).redirect(&http.Request{URL: to}, []*http.Request{{URL: from}})
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s to %s: %v", tt.from, tt.to, err)
		}
	}
}
