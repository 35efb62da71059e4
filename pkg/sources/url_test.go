package sources

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

// polled is a URL that runs until the test ends, and is asked again only when the test says so.
type polled struct {
	*URL
	*reads
}

func pollURL(t *testing.T, decl spec.SourceDecl, options ...func(*URL)) *polled {
	t.Helper()
	if decl.Interval == 0 {
		decl.Interval = time.Hour
	}
	u, err := NewURL(decl, 3, zerolog.Nop())
	must(t, err)
	p := &polled{URL: u}
	for _, o := range options {
		o(u)
	}
	p.reads = runSource(t, u)
	return p
}

// site is a server whose answer a test can change.
type site struct {
	*httptest.Server
	mu     sync.Mutex
	answer http.HandlerFunc
}

func newSite(t *testing.T, answer http.HandlerFunc) *site {
	t.Helper()
	s := &site{answer: answer}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *site) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	answer := s.answer
	s.mu.Unlock()
	answer(w, r)
}

func (s *site) set(answer http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// text answers as a web server with a file does: with 304 where the version is known.
func text(etag, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/toml")
		w.Header().Set("ETag", etag)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(body))
	}
}

func status(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

func TestURLChanges(t *testing.T) {
	s := newSite(t, text(`"1"`, config(1)))
	p := pollURL(t, spec.SourceDecl{URL: s.URL + "/gorb.toml"})
	r := p.want(t, "s1")
	equal(t, "layer", 3, r.Layer)
	equal(t, "version", `"1"`, r.Version)
	equal(t, "same", false, r.Same)

	seen := make(chan string, 1)
	s.set(func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Header.Get("If-None-Match")
		text(`"1"`, config(1))(w, r)
	})
	p.Confirm()
	r = p.want(t, "s1")
	equal(t, "asked for", `"1"`, receive(t, seen))
	equal(t, "a 304 is the same", true, r.Same && r.Again && !r.Asked)
	equal(t, "version", `"1"`, r.Version)

	s.set(text(`"2"`, config(1)))
	p.Reload()
	r = p.want(t, "s1")
	equal(t, "the same bytes are the same", true, r.Same && r.Asked && !r.Again)
	equal(t, "version", `"2"`, r.Version)

	s.set(text(`"3"`, config(1, 2)))
	p.Reload()
	equal(t, "same", false, p.want(t, "s1 s2").Same)

	s.set(status(http.StatusInternalServerError, "boom\nmore"))
	p.Reload()
	r = p.wantErr(t, s.URL+"/gorb.toml: 500 Internal Server Error: boom")
	equal(t, "version", "", r.Version)
	s.set(status(http.StatusInternalServerError, "boom 2"))
	p.Confirm()
	equal(t, "the page beside a failure does not count", true, p.wantErr(t, "boom 2").Same)

	s.set(text(`"3"`, "not asked for"))
	p.Confirm()
	equal(t, "what it was before is news", false, p.want(t, "s1 s2").Same)
	s.set(text(`"4"`, "[services"))
	p.Reload()
	p.wantErr(t, "/gorb.toml:1:")
	p.Reload()
	equal(t, "a bad document that is unchanged", true, p.wantErr(t, "/gorb.toml:1:").Same)
}

func TestURLLastModified(t *testing.T) {
	written := time.Now().Add(-time.Hour)
	since := make(chan string, 1)
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		since <- r.Header.Get("If-Modified-Since")
		http.ServeContent(w, r, "gorb.toml", written, strings.NewReader(config(1)))
	})
	p := pollURL(t, spec.SourceDecl{URL: s.URL + "/gorb.toml", Format: spec.TOML})
	stamp := written.UTC().Format(http.TimeFormat)
	equal(t, "version", stamp, p.want(t, "s1").Version)
	equal(t, "nothing to compare with", "", receive(t, since))
	p.Confirm()
	equal(t, "same", true, p.want(t, "s1").Same)
	equal(t, "since", stamp, receive(t, since))
}

func TestURLFreshPageIsAskedForWhole(t *testing.T) {
	h := http.Header{
		"Etag":          {`"1"`},
		"Last-Modified": {"Sat, 21 Nov 2026 17:00:00 GMT"},
		"Date":          {"Sat, 21 Nov 2026 17:00:01 GMT"},
	}
	equal(t, "version", `"1"`, validatorsOf(h).version)
	equal(t, "etag", "", validatorsOf(h).etag)
	h.Set("Date", "Sat, 21 Nov 2026 17:00:02 GMT")
	equal(t, "etag", `"1"`, validatorsOf(h).etag)
}

func TestURLRefusedConnection(t *testing.T) {
	const nobody = "http://127.0.0.1:1" // which nobody is given who asks for any port
	p := pollURL(t, spec.SourceDecl{URL: nobody + "/gorb.toml", Name: "central"})
	p.wantErr(t, "central: dial tcp 127.0.0.1:", "connection refused")
	p.Reload()
	equal(t, "same", true, p.wantErr(t, "connection refused").Same)
}

func TestURLEndsAtOnce(t *testing.T) {
	arrived := make(chan bool, 1)
	s := newSite(t, func(_ http.ResponseWriter, r *http.Request) {
		arrived <- true
		<-r.Context().Done()
	})
	pollURL(t, spec.SourceDecl{URL: s.URL, Timeout: time.Hour})
	receive(t, arrived) // and the cleanup ends it in the middle of the request
}

// tripper answers without a network, so that a test can have a clock of its own.
type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestURLPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var at []time.Duration // when it was asked
		start, broken := time.Now(), true
		const interval = 10 * time.Second
		p := pollURL(t, spec.SourceDecl{URL: "http://config.example/gorb.toml", Interval: interval}, func(u *URL) {
			u.open = func() (http.RoundTripper, error) {
				return tripper(func(*http.Request) (*http.Response, error) {
					mu.Lock()
					defer mu.Unlock()
					at = append(at, time.Since(start))
					if broken {
						return nil, fmt.Errorf("attempt %d", len(at))
					}
					answer := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(config(1)), config(1))
					return http.ReadResponse(bufio.NewReader(strings.NewReader(answer)), nil)
				}), nil
			}
		})
		p.wantErr(t, "attempt 1")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		mu.Lock()
		if len(at) < 12 || at[1] > 1500*time.Millisecond {
			t.Errorf("asked at %v", at)
		}
		waits(t, at, time.Second/2, interval)
		broken = false
		mu.Unlock()

		p.want(t, "s1") // the one news
		mu.Lock()
		at = nil
		mu.Unlock()
		time.Sleep(20 * interval)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if len(at) < 18 {
			t.Errorf("asked at %v", at)
		}
		waits(t, at, 9*time.Second, 11*time.Second)
	})
}

// waits fails the test if the time between two requests is not within bounds.
func waits(t *testing.T, at []time.Duration, least, most time.Duration) {
	t.Helper()
	for i := 1; i < len(at); i++ {
		if wait := at[i] - at[i-1]; wait < least || wait > most {
			t.Errorf("waited %v before request %d", wait, i+1)
		}
	}
}
