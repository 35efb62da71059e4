package sources

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/internal/lab"
	"github.com/gorb-io/gorb/pkg/spec"
)

// realSite is an nginx that serves what is in its directory www, over http and, with a certificate, over https.
type realSite struct {
	*lab.NginxServer
	t   *testing.T
	tls string    // the directory with certificates, or ""
	now time.Time // when a file was written last, as its time says
}

// nginxSite is the configuration of realSite; %[1]d and %[2]d are ports.
const nginxSite = `
	log_format asked '$uri $status $http_if_none_match|$http_if_modified_since|$sent_http_content_encoding';
	access_log access.log asked;
	types { application/toml toml; application/json json; application/yaml yaml; }
	gzip_types application/toml;
	gzip_min_length 1;
	server {
		listen 127.0.0.1:%[1]d;
		root www;
		if (-f fail500) { return 500; }
		if (-f fail403) { return 403; }
		location /undated/ { etag off; }
		location /packed/ { gzip on; }
		location /slow/ { limit_rate 2k; }
		location = /moved.toml { return 301 /gorb.toml; }
		location = /elsewhere.toml { return 302 http://127.0.0.1:%[2]d/gorb.toml; }
		location /basic/ { auth_basic closed; auth_basic_user_file users; }
		location /bearer/ { if ($http_authorization != "Bearer t0psecret") { return 401; } }
		location = /busy { access_log off; stub_status; }
	}
`

// nginxTLS is the configuration of the https server.
const nginxTLS = `
	server {
		listen 127.0.0.1:%[1]d ssl;
		root www;
		ssl_certificate tls/server.pem;
		ssl_certificate_key tls/server.key;
		ssl_client_certificate tls/ca.pem;
		ssl_verify_client on;
	}
`

// openSite starts an nginx. With tls it needs what newAuthority made in its directory tls.
func openSite(t *testing.T, tls bool) *realSite {
	t.Helper()
	s := &realSite{NginxServer: lab.Nginx(t), t: t, now: time.Now().Add(-time.Hour)}
	config := fmt.Sprintf(nginxSite, s.Ports[0], s.Ports[1])
	if tls {
		config += fmt.Sprintf(nginxTLS, s.Ports[2])
		s.tls = filepath.Join(s.Dir, "tls")
		must(t, os.Mkdir(s.tls, 0o755))
		newAuthority(t, s.tls)
	}
	s.Configure(strings.ReplaceAll(config, "-f fail", "-f "+s.Dir+"/fail"))
	s.Start()
	return s
}

// url is the address of a page.
func (s *realSite) url(page string) string {
	return fmt.Sprintf("http://127.0.0.1:%d%s", s.Ports[0], page)
}

// file is the file of a page.
func (s *realSite) file(page string) string { return filepath.Join(s.Dir, "www", page) }

// write has a page say a text, as if it had for a while.
func (s *realSite) write(page, text string) {
	s.t.Helper()
	file := s.file(page)
	must(s.t, os.MkdirAll(filepath.Dir(file), 0o755))
	replace(s.t, file, text)
	s.now = s.now.Add(time.Second)
	must(s.t, os.Chtimes(file, s.now, s.now))
}

// wantLog waits until the access log has these lines of a page; nginx writes them after the answer.
func (s *realSite) wantLog(t *testing.T, page string, want ...string) {
	t.Helper()
	var got []string
	for deadline := time.Now().Add(patient); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		text, err := os.ReadFile(filepath.Join(s.Dir, "access.log"))
		must(t, err)
		got = nil
		for line := range strings.Lines(string(text)) {
			if asked, ok := strings.CutPrefix(strings.TrimSpace(line), page+" "); ok {
				got = append(got, asked)
			}
		}
		if len(got) >= len(want) {
			break
		}
	}
	equal(t, "access log of "+page, want, got)
}

// awaitBusy waits until nginx writes an answer, or none, beside that to the question whether it does.
func (s *realSite) awaitBusy(busy bool) {
	s.t.Helper()
	for deadline := time.Now().Add(patient); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		resp, err := http.Get(s.url("/busy"))
		must(s.t, err)
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		must(s.t, err)
		if strings.Contains(string(text), "Writing: 1 ") != busy {
			return
		}
	}
	s.t.Fatalf("nginx is never busy, or never ceases to be: want %v", busy)
}

// TestNginxChanges asks as rarely for a whole document as it can.
func TestNginxChanges(t *testing.T) {
	s := openSite(t, false)
	for _, page := range []string{"/gorb.toml", "/undated/gorb.toml", "/packed/gorb.toml"} {
		s.write(page, config(1))
	}
	stamp := func(page string) (etag, modified string) {
		info, err := os.Stat(s.file(page))
		must(t, err)
		return fmt.Sprintf(`"%x-%x"`, info.ModTime().Unix(), info.Size()), info.ModTime().UTC().Format(http.TimeFormat)
	}
	for page, how := range map[string]struct{ asked, packed string }{
		"/gorb.toml":         {"ETAG|DATE|-", "-"},
		"/undated/gorb.toml": {"-|DATE|-", "-"},
		"/packed/gorb.toml":  {"W/ETAG|DATE|-", "gzip"}, // what was packed has a weak validator
	} {
		t.Run(page, func(t *testing.T) {
			p := pollURL(t, spec.SourceDecl{URL: s.url(page)})
			p.want(t, "s1")
			etag, modified := stamp(page)
			// The log writes quotation marks as \x22.
			asked := strings.NewReplacer("ETAG", strings.ReplaceAll(etag, `"`, `\x22`), "DATE", modified).Replace(how.asked)
			p.Confirm()
			equal(t, "same", true, p.want(t, "s1").Same)
			s.wantLog(t, page, "200 -|-|"+how.packed, "304 "+asked)
			s.write(page, config(1, 2))
			p.Reload()
			equal(t, "same", false, p.want(t, "s1 s2").Same)
			s.wantLog(t, page, "200 -|-|"+how.packed, "304 "+asked, "200 "+strings.TrimSuffix(asked, "-")+how.packed)
		})
	}
}

// TestNginxFormats goes by what nginx calls a file.
func TestNginxFormats(t *testing.T) {
	s := openSite(t, false)
	s.write("/gorb.json", `{"services": {"s1": {"host": "10.0.0.1", "port": 80}}}`)
	s.write("/gorb.yaml", "services:\n  s1:\n    host: 10.0.0.1\n    port: 80\n")
	pollURL(t, spec.SourceDecl{URL: s.url("/gorb.json")}).want(t, "s1")
	pollURL(t, spec.SourceDecl{URL: s.url("/gorb.yaml")}).want(t, "s1")
}

func TestNginxRedirects(t *testing.T) {
	s := openSite(t, false)
	s.write("/gorb.toml", config(1))
	pollURL(t, spec.SourceDecl{URL: s.url("/moved.toml")}).want(t, "s1")
	elsewhere := fmt.Sprintf("redirects to another host, 127.0.0.1:%d, which is refused", s.Ports[1])
	pollURL(t, spec.SourceDecl{URL: s.url("/elsewhere.toml")}).wantErr(t, elsewhere)
}

func TestNginxPasswords(t *testing.T) {
	s := openSite(t, false)
	s.write("/basic/gorb.toml", config(1))
	s.write("/bearer/gorb.toml", config(1))
	write(t, filepath.Join(s.Dir, "users"), "gorb:{PLAIN}pass\n")
	secret := filepath.Join(s.Dir, "secret")

	write(t, secret, "Basic "+base64.StdEncoding.EncodeToString([]byte("gorb:wrong")))
	p := pollURL(t, spec.SourceDecl{URL: s.url("/basic/gorb.toml"), HeaderFiles: map[string]string{"Authorization": secret}})
	p.wantErr(t, "401 Unauthorized")
	write(t, secret, "Basic "+base64.StdEncoding.EncodeToString([]byte("gorb:pass")))
	p.Reload()
	p.want(t, "s1")

	write(t, secret, "wrong")
	p = pollURL(t, spec.SourceDecl{URL: s.url("/bearer/gorb.toml"), BearerTokenFile: secret})
	p.wantErr(t, "401 Unauthorized")
	write(t, secret, "t0psecret")
	p.Reload()
	p.want(t, "s1")
}

// TestNginxTLS has both sides show certificates of one authority.
func TestNginxTLS(t *testing.T) {
	s := openSite(t, true)
	s.write("/gorb.toml", config(1))
	stranger := t.TempDir()
	newAuthority(t, stranger)
	at := fmt.Sprintf("https://127.0.0.1:%d/gorb.toml", s.Ports[2])
	in := func(dir, name string) string { return filepath.Join(dir, name) }
	for name, tt := range map[string]struct {
		decl spec.SourceDecl
		want string // "": it works
	}{
		"both":              {spec.SourceDecl{CAFile: in(s.tls, "ca.pem"), CertFile: in(s.tls, "client.pem"), KeyFile: in(s.tls, "client.key")}, ""},
		"no certificate":    {spec.SourceDecl{CAFile: in(s.tls, "ca.pem")}, "400 Bad Request"},
		"another's":         {spec.SourceDecl{CAFile: in(s.tls, "ca.pem"), CertFile: in(stranger, "client.pem"), KeyFile: in(stranger, "client.key")}, "400 Bad Request"},
		"another authority": {spec.SourceDecl{CAFile: in(stranger, "ca.pem")}, "certificate signed by unknown authority"},
		"the system's":      {spec.SourceDecl{}, "certificate signed by unknown authority"},
	} {
		t.Run(name, func(t *testing.T) {
			tt.decl.URL = at
			p := pollURL(t, tt.decl)
			if tt.want == "" {
				p.want(t, "s1")
				return
			}
			p.wantErr(t, tt.want)
		})
	}
}

// TestNginxTooMuch refuses what is over 16 MiB, whether nginx says so or has packed it.
func TestNginxTooMuch(t *testing.T) {
	s := openSite(t, false)
	for _, page := range []string{"/big.toml", "/packed/big.toml"} {
		s.write(page, "")
		must(t, os.Truncate(s.file(page), spec.MaxSize+1))
		pollURL(t, spec.SourceDecl{URL: s.url(page)}).wantErr(t, "is over 16 MiB")
	}
}

// TestNginxCutOff has an answer that ends half way, and one that takes too long.
func TestNginxCutOff(t *testing.T) {
	s := openSite(t, false)
	s.write("/slow/gorb.toml", config(some(1, 250)...)+strings.Repeat("#\n", 1<<17))
	u, err := NewURL(spec.SourceDecl{URL: s.url("/slow/gorb.toml"), Timeout: 100 * time.Millisecond}, 0, zerolog.Nop())
	must(t, err)
	if err := u.Read(t.Context()).Err; err == nil || !strings.Contains(err.Error(), "no whole answer within 100ms") {
		t.Errorf("a slow answer: %v", err)
	}
	s.awaitBusy(false)
	p := pollURL(t, spec.SourceDecl{URL: s.url("/slow/gorb.toml"), Timeout: time.Minute})
	s.awaitBusy(true)
	s.Stop()
	p.wantErr(t, "") // and no half of a document
}

// TestNginxReplaced replaces a document by one as long, again and again, while it is polled. What was written within
// one second nginx calls the same, by ETag and by time.
func TestNginxReplaced(t *testing.T) {
	s := openSite(t, false)
	version := func(n int) string {
		return strings.Replace(config(1), "port = 80", fmt.Sprintf("port = %d", 1000+n), 1)
	}
	s.write("/gorb.toml", version(0))
	p := pollURL(t, spec.SourceDecl{URL: s.url("/gorb.toml"), Interval: 5 * time.Millisecond})
	const last = 100
	written := make(chan error, 1)
	go func() {
		for n := 1; n <= last; n++ {
			time.Sleep(2 * time.Millisecond)
			swap := s.file("swap")
			if err := os.WriteFile(swap, []byte(version(n)), 0o644); err != nil {
				written <- err
				return
			}
			if err := os.Rename(swap, s.file("/gorb.toml")); err != nil {
				written <- err
				return
			}
		}
		written <- nil
	}()
	for before := -1; before != last; {
		r := receive(t, p.out)
		must(t, r.Err) // never a half, never a hole
		d, err := spec.Merge(r.Document)
		must(t, err)
		now := int(d.Services[0].Port) - 1000
		if now <= before {
			t.Fatalf("version %d after %d", now, before)
		}
		before = now
	}
	must(t, receive(t, written))
}

// TestNginxFails keeps the last good document through whatever happens to the server, and says what that is.
func TestNginxFails(t *testing.T) {
	s := openSite(t, false)
	s.write("/gorb.toml", config(1, 2))
	decl := spec.SourceDecl{URL: s.url("/gorb.toml"), Name: "site", Interval: 30 * time.Millisecond, MaxRemoval: 50, MaxRemovalFloor: 5}
	u, err := NewURL(decl, 0, zerolog.Nop())
	must(t, err)
	l := runLayers(t, Top{Source: u, Decl: decl})
	l.want("s1 s2")
	good := func(services string) {
		t.Helper()
		l.await(Good, "")
		equal(t, "services", services, serviceNames(l.Desired()))
	}
	fails := func(part string) {
		t.Helper()
		l.await(Failing, part)
		equal(t, "services", "s1 s2", serviceNames(l.Desired()))
	}
	for _, code := range []string{"500 Internal Server Error", "403 Forbidden"} {
		file := filepath.Join(s.Dir, "fail"+code[:3])
		write(t, file, "")
		fails(code)
		must(t, os.Remove(file))
		good("s1 s2")
	}
	must(t, os.Remove(s.file("/gorb.toml")))
	fails("404 Not Found")
	s.write("/gorb.toml", "[services.s1]\nhost = \"no\"\n")
	fails("site:2: services.s1.host")
	s.write("/gorb.toml", config(1, 2))
	good("s1 s2")
	s.Stop()
	fails("connection refused")
	s.write("/gorb.toml", config(1, 2, 3))
	s.Start()
	l.want("s1 s2 s3")
	good("s1 s2 s3")
}

// running is Layers that run until the test ends.
type running struct {
	*Layers
	t   *testing.T
	out chan *spec.Desired
}

// runLayers runs Layers of one source.
func runLayers(t *testing.T, top Top) *running {
	t.Helper()
	r := &running{NewLayers(zerolog.Nop(), []Top{top}, nil), t, make(chan *spec.Desired)}
	done := make(chan error, 1)
	go func() { done <- r.Run(t.Context(), r.out) }()
	t.Cleanup(func() { must(t, receive(t, done)) })
	return r
}

// want takes Desireds until one has these services.
func (r *running) want(services string) {
	r.t.Helper()
	got := ""
	for got != services {
		got = serviceNames(receive(r.t, r.out))
	}
}

// await waits until the source is as said, with an error that has a part.
func (r *running) await(state State, part string) SourceStatus {
	r.t.Helper()
	var got SourceStatus
	for deadline := time.Now().Add(patient); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		got = r.Status().Sources[0]
		if got.State == state && strings.Contains(got.Err, part) {
			return got
		}
	}
	r.t.Fatalf("it is %s (%s), want %s (%s)", got.State, got.Err, state, part)
	panic("unreachable")
}

// awaitHeld waits until so many removals of the source are held.
func (r *running) awaitHeld(count int) {
	r.t.Helper()
	for deadline := time.Now().Add(patient); r.Status().Sources[0].Held.Count != count; time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("held are %+v, want %d", r.Status().Sources[0].Held, count)
		}
	}
}

// newAuthority makes a certificate authority that lives for the test, ca.pem, and what it certifies: server.pem, for
// 127.0.0.1, and client.pem, with keys in files that end in .key.
func newAuthority(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, root, root, key.Public(), key)
	must(t, err)
	write(t, filepath.Join(dir, "ca.pem"), block("CERTIFICATE", der))
	for i, name := range []string{"server", "client"} {
		own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(t, err)
		leaf := &x509.Certificate{
			SerialNumber: big.NewInt(int64(2 + i)), Subject: pkix.Name{CommonName: name},
			NotBefore: root.NotBefore, NotAfter: root.NotAfter,
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}[i : i+1],
		}
		der, err := x509.CreateCertificate(rand.Reader, leaf, root, own.Public(), key)
		must(t, err)
		private, err := x509.MarshalPKCS8PrivateKey(own)
		must(t, err)
		write(t, filepath.Join(dir, name+".pem"), block("CERTIFICATE", der))
		write(t, filepath.Join(dir, name+".key"), block("PRIVATE KEY", private))
	}
}
