package sources

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/sources/consultest"
	"github.com/gorb-io/gorb/pkg/spec"
)

// service is a service at 10.0.0.N.
func service(n int) string { return fmt.Sprintf("host = \"10.0.0.%d\"\nport = 80", n) }

// watchConsul runs a Consul that is quicker than a real one until the test ends.
func watchConsul(t *testing.T, address string, options ...func(*Consul, *spec.SourceDecl)) *reads {
	t.Helper()
	decl := spec.SourceDecl{URL: address, Name: "kv", Stale: true, Settle: 30 * time.Millisecond, Timeout: 5 * time.Second}
	for _, o := range options {
		o(nil, &decl)
	}
	c, err := NewConsul(decl, 3, zerolog.Nop())
	must(t, err)
	c.pace.gap, c.pace.noise = time.Millisecond, 5*time.Millisecond
	c.retry = backoff.NewConstantBackOff(5 * time.Millisecond)
	for _, o := range options {
		o(c, &decl)
	}
	return runSource(t, c)
}

func TestConsulTree(t *testing.T) {
	s := consultest.New(t)
	s.Put("gorb/services/", "", "gorb/services/a", service(1), "gorb/services2/x", "no", "gorb/notes", "no",
		"gorb2/services/y", service(9))
	c := watchConsul(t, s.URL("gorb/"))
	r := c.want(t, "a")
	equal(t, "version and layer", "14 3", fmt.Sprint(r.Version, " ", r.Layer))
	s.Put("gorb/services/b", `{"host": "10.0.0.2", "port": 80}`)
	equal(t, "version", "16", c.want(t, "a b").Version)
	s.Delete("gorb/services/a")
	c.want(t, "b")
}

func TestConsulKey(t *testing.T) {
	s := consultest.New(t)
	s.Put("gorb/prod", config(1, 2), "gorb/prod2", config(3))
	c := watchConsul(t, s.URL("gorb/prod"))
	c.want(t, "s1 s2")
	s.Put("gorb/prod", "")
	c.wantErr(t, "/gorb/prod#13: there is no key in it")
	s.Delete("gorb/prod")
	c.wantErr(t, `there is no key "gorb/prod"`)
	s.Put("gorb/prod", `{"services": {}}`)
	c.want(t, "")
	s.Put("gorb/prod", "[gorb]\nlisten = ':1'")
	c.wantErr(t, "/gorb/prod#16:1: gorb: ")
}

// TestConsulManyPutsAreOne puts services one by one, each well within the settling of the one before it.
func TestConsulManyPutsAreOne(t *testing.T) {
	s := consultest.New(t)
	s.Put("services/s00", service(1))
	const settle = 500 * time.Millisecond
	c := watchConsul(t, s.URL(""), func(c *Consul, decl *spec.SourceDecl) { decl.Settle = settle })
	c.want(t, "s00")
	all := "s00"
	longest := putMany(20, func(n int) {
		name := fmt.Sprintf("s%02d", n)
		s.Put("services/"+name, service(1+n))
		all += " " + name
	})
	c.wantAtOnce(t, all, longest, settle)
}

// putMany puts some, one after the other, and returns the longest time from before one to behind the next.
func putMany(many int, put func(n int)) (longest time.Duration) {
	before := time.Now()
	for n := 1; n <= many; n++ {
		at := time.Now()
		put(n)
		longest, before = max(longest, time.Since(before)), at
		time.Sleep(2 * time.Millisecond)
	}
	return longest
}

// TestConsulThatIsNeverStill is delivered all the same.
func TestConsulThatIsNeverStill(t *testing.T) {
	s := consultest.New(t)
	s.Put("services/a", service(1))
	c := watchConsul(t, s.URL(""), func(c *Consul, decl *spec.SourceDecl) {
		if decl.Settle = time.Hour; c != nil {
			c.pace.unrest = 20 * time.Millisecond
		}
	})
	stop := make(chan struct{})
	stopped := make(chan struct{})
	defer func() { close(stop); <-stopped }()
	go func() {
		defer close(stopped)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				s.Put("services/a", service(1+n%200))
			}
		}
	}()
	c.want(t, "a")
	c.want(t, "a")
}

// TestConsulBadKey is the whole source's, and names the key.
func TestConsulBadKey(t *testing.T) {
	s := consultest.New(t)
	s.Put("gorb/services/a", service(1), "gorb/services/b", service(2))
	c := watchConsul(t, s.URL("gorb/"))
	c.want(t, "a b")
	s.Put("gorb/services/b", "host = \"10.0.0.2\"\nport = 70000")
	c.wantErr(t, "consul://"+s.Address()+"/gorb/services/b#13:2: services.b.port: 70000 is over 65535")
	s.Put("gorb/services/b", service(3))
	c.want(t, "a b")
}

// TestConsulGone is no document without services: that needs to be said.
func TestConsulGone(t *testing.T) {
	s := consultest.New(t)
	c := watchConsul(t, s.URL("gorb/"))
	c.wantErr(t, `kv: no service under "gorb/"`)
	s.Put("gorb/services/a", service(1))
	c.want(t, "a")
	s.Delete("gorb/services/a")
	c.wantErr(t, `kv: no service under "gorb/"`)
	s.Put("gorb/services", "{}")
	c.want(t, "")
	s.Put("gorb/services/a", service(1))
	c.want(t, "a")
}

// TestConsulFails says each failure once, and the recovery, and is answered when asked in between.
func TestConsulFails(t *testing.T) {
	for _, fault := range []struct {
		name, part  string
		begin, heal func(*consultest.Server)
	}{
		{
			"error", "kv: Consul answered 500: No cluster\\x1b leader",
			func(s *consultest.Server) { s.Fail(500, "No cluster\x1b\nleader\n") }, (*consultest.Server).Heal,
		},
		{"silence", "kv: no answer in time", (*consultest.Server).Hang, (*consultest.Server).Heal},
		{"refusal", "connect: connection refused", (*consultest.Server).Stop, (*consultest.Server).Start},
		{
			"token", "kv: Consul answered 403: Permission denied",
			func(s *consultest.Server) { s.Token("t") }, func(s *consultest.Server) { s.Token("") },
		},
		{"no list", "kv: the answer is not Consul's", func(s *consultest.Server) { s.Fail(200, "<html>") }, (*consultest.Server).Heal},
		{"no base64", "kv: the answer is not Consul's", func(s *consultest.Server) { s.Fail(200, `[{"Key": "services/a", "Value": "%"}]`) }, (*consultest.Server).Heal},
		{"no key", "kv: the answer is not Consul's", func(s *consultest.Server) { s.Fail(200, "[null]") }, (*consultest.Server).Heal},
	} {
		t.Run(fault.name, func(t *testing.T) {
			s := consultest.New(t)
			s.Put("services/a", service(1))
			c := watchConsul(t, s.URL(""), func(c *Consul, decl *spec.SourceDecl) {
				if c != nil {
					c.pace.block = 10 * time.Millisecond
				}
				if c != nil && fault.name == "silence" {
					c.pace.timeout = 300 * time.Millisecond
				}
			})
			c.settle(t, "a") // in that time, which a busy machine may need itself
			fault.begin(s)
			for { // the connection may be cut before the next one is refused
				r := receive(t, c.out)
				if r.Err != nil && strings.Contains(r.Err.Error(), fault.part) {
					break
				}
				if fault.name != "refusal" {
					t.Fatalf("got error %v, want %q", r.Err, fault.part)
				}
			}
			c.Reload()
			r := c.wantErr(t, fault.part)
			equal(t, "asked, same", [2]bool{true, true}, [2]bool{r.Asked, r.Same})
			fault.heal(s)
			r = c.want(t, "a")
			equal(t, "asked, same", [2]bool{false, false}, [2]bool{r.Asked, r.Same})
		})
	}
}

// TestConsulRestored has an index that is lower than before, under which a blocking query would wait for ever.
func TestConsulRestored(t *testing.T) {
	for _, how := range []string{"live", "restarted"} {
		t.Run(how, func(t *testing.T) {
			s := consultest.New(t)
			s.Put("services/a", service(1))
			old := s.Save()
			s.Put("services/b", service(2))
			c := watchConsul(t, s.URL(""), func(c *Consul, decl *spec.SourceDecl) {
				// What is restored between two questions shows when the second one ends.
				if decl.Wait = 5 * time.Second; c != nil {
					c.pace.probe = 50 * time.Millisecond
				}
			})
			c.want(t, "a b")
			if how == "live" {
				s.Restore(old)
				c.want(t, "a")
				return
			}
			s.Stop()
			s.Restore(old)
			s.Start()
			for receive(t, c.out).Err != nil { // until it is back
			}
			c.Reload()
			c.want(t, "a")
		})
	}
}

// TestConsulLags has a server that knows less than what was delivered. It is not believed, because the leader knows more.
func TestConsulLags(t *testing.T) {
	s := consultest.New(t)
	s.Put("services/a", service(1))
	old := s.Save()
	s.Put("services/b", service(2))
	c := watchConsul(t, s.URL(""))
	c.want(t, "a b")
	s.Lag(&old)
	s.Fail(500, "")
	c.wantErr(t, "500: Internal Server Error")
	s.Heal()
	c.want(t, "a b")
	s.Put("services/c", service(3))
	s.Lag(nil)
	c.want(t, "a b c")
}

// TestConsulAsked answers whoever asks, with what was there when they did.
func TestConsulAsked(t *testing.T) {
	s := consultest.New(t)
	s.Put("services/a", service(1))
	c := watchConsul(t, s.URL(""))
	c.want(t, "a")
	c.Confirm()
	r := c.want(t, "a")
	equal(t, "asked, again, same", [3]bool{false, true, true}, [3]bool{r.Asked, r.Again, r.Same})
	c.Reload()
	r = c.want(t, "a")
	equal(t, "asked, again, same", [3]bool{true, false, true}, [3]bool{r.Asked, r.Again, r.Same})
	s.Put("services/b", service(2))
	c.Reload()
	for !c.want(t, "a b").Asked { // the change may be seen before the demand
	}
}

func TestConsulToken(t *testing.T) {
	s := consultest.New(t)
	s.Put("services/a", service(1))
	s.Token("first")
	file := filepath.Join(t.TempDir(), "token")
	c := watchConsul(t, s.URL(""), func(c *Consul, decl *spec.SourceDecl) { decl.TokenFile = file })
	c.wantErr(t, "kv: token: open "+file)
	replace(t, file, "first\n")
	c.want(t, "a")
	s.Token("second")
	s.Put("services/b", service(2))
	c.wantErr(t, "403")
	replace(t, file, "second\n")
	c.want(t, "a b")
	replace(t, file, "third and\nmore\n")
	c.Reload()
	for !c.wantErr(t, "holds more than a token").Asked { // the next question may come before the demand
	}
	must(t, os.Truncate(file, 0))
	c.wantErr(t, "is empty")
}

func TestConsulTokenOfEnvironment(t *testing.T) {
	s := consultest.New(t)
	s.Put("services/a", service(1))
	s.Token("first")
	t.Setenv("CONSUL_HTTP_TOKEN", "first")
	t.Setenv("CONSUL_HTTP_ADDR", s.Address())
	c := watchConsul(t, "consul:///")
	c.want(t, "a")
}

// TestConsulFilters leaves out what the token may not read, which is not the same as that it is gone.
func TestConsulFilters(t *testing.T) {
	var filters atomic.Bool
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Consul-Index", "1")
		w.Header().Set("X-Consul-LastContact", "0")
		if filters.Load() {
			w.Header().Set("X-Consul-Results-Filtered-By-ACLs", "true")
		}
		fmt.Fprint(w, `[{"Key": "services/a", "Value": "`+base64.StdEncoding.EncodeToString([]byte(service(1)))+`"}]`)
	}))
	t.Cleanup(s.Close)
	c := watchConsul(t, "consul://"+strings.TrimPrefix(s.URL, "http://")+"/")
	c.want(t, "a")
	filters.Store(true)
	c.wantErr(t, "kv: Consul left out keys that the token may not read")
	filters.Store(false)
	c.want(t, "a")
}

// TestConsulRedirects gives nobody else the token.
func TestConsulRedirects(t *testing.T) {
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("asked with the token %q", r.Header.Get("X-Consul-Token"))
	}))
	defer thief.Close()
	s := httptest.NewServer(http.RedirectHandler(thief.URL, http.StatusFound))
	defer s.Close()
	t.Setenv("CONSUL_HTTP_TOKEN", "secret")
	c := watchConsul(t, "consul://"+s.Listener.Addr().String()+"/")
	c.wantErr(t, "Consul answered 302")
}

// TestConsulTooMuch ends an answer that does not end.
func TestConsulTooMuch(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`[{"Key": "`))
		chunk := []byte(strings.Repeat("x", 1<<20))
		for {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}))
	defer s.Close()
	c := watchConsul(t, "consul://"+s.Listener.Addr().String()+"/", func(c *Consul, _ *spec.SourceDecl) {
		if c != nil {
			c.store.most = 2 << 20
		}
	})
	c.wantErr(t, "kv: the values are over 16 MiB")
}

// TestConsulTLS speaks TLS where that is said or a certificate is named, which is then trusted.
func TestConsulTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	s.StartTLS()
	defer s.Close()
	c := watchConsul(t, "consul://"+s.Listener.Addr().String()+"/?tls")
	c.wantErr(t, "certificate")
	ca := filepath.Join(t.TempDir(), "ca.pem")
	write(t, ca, block("CERTIFICATE", s.Certificate().Raw))
	c = watchConsul(t, "consul://"+s.Listener.Addr().String()+"/", func(_ *Consul, decl *spec.SourceDecl) { decl.CAFile = ca })
	c.wantErr(t, "no service under")
}

func TestConsulAddress(t *testing.T) {
	for address, part := range map[string]string{
		"consul://localhost/gorb":          "",
		"consul://[::1]:8500/gorb/?tls":    "",
		"consul:///gorb":                   "",
		"consul://user:secret@host/gorb":   "a password does not belong",
		"consul://host:port/gorb":          "is not a URL",
		"consul://host/gorb?token=secret":  "nothing else",
		"consul://host/gorb#x":             "nothing else",
		"consul:host":                      "is not consul://",
		"https://host/gorb":                "is not consul://",
		"consul://user:sec%ret@host/gorb/": "is not a URL",
	} {
		for _, name := range []string{"", "kv"} {
			_, err := NewConsul(spec.SourceDecl{URL: address, Name: name}, 0, zerolog.Nop())
			if (err == nil) != (part == "") || err != nil && !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v, want %q", address, err, part)
			}
			if err != nil && strings.Contains(err.Error(), "sec") && strings.Contains(err.Error(), "ret") {
				t.Errorf("%s: the error repeats the secret: %v", address, err)
			}
		}
	}
}
