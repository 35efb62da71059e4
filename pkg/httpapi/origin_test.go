package httpapi

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/pkg/spec"
)

// TestRebinding has a page lead its own name to this host, and ask by the browser of somebody who may.
func TestRebinding(t *testing.T) {
	own, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	a := access(t, spec.API{Anonymous: true, Hosts: []string{"gorb.internal"}, Trust: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")}})
	for host, want := range map[string]int{
		"evil.example:4672": 421, "evil.example": 421, "localhost.evil.example": 421, "127.0.0.1.evil.example": 421,
		"127.0.0.1:4672@evil.example": 421, "127.0.0.1:80:80": 421, "[::1": 421, "\xff": 421, "0x7f.1": 421,
		"localhost": 200, "LOCALHOST.:4672": 200, "127.0.0.1:4672": 200, "[::1]:4672": 200, "[::1]": 200, "10.0.0.1:1": 200,
		"gorb.internal:4672": 200, "GORB.internal": 200, strings.ToUpper(own): 200, "": 200,
	} {
		for place, page := range map[string]bool{"loopback": false, "a network in `trust`": true} {
			r := request("PUT", "http://x/")
			r.Host = host
			if page {
				r.Header.Set("Origin", "http://"+host) // as the browser sees it, a page of gorb's
			}
			got := allowed(a, places[place](r), change)
			if page && host != "" && got == http.StatusForbidden && want != http.StatusOK {
				continue // it is no origin either
			}
			if host != "" && got != want {
				t.Errorf("%s to %q: got %d, want %d", place, host, got, want)
			}
		}
	}
	page := map[string]string{"Origin": "http://director-of-old:4672"}
	for name, tt := range map[string]struct {
		method  string
		need    string
		headers map[string]string
		want    int
	}{
		"a script's change":    {"PUT", "changes", nil, 200},
		"a page's change":      {"PUT", "changes", page, 421},
		"a script's or page's": {"GET", "other reads", nil, 421},
		"its header alone":     {"HEAD", "other reads", nil, 421},
		"a page's read":        {"GET", "other reads", page, 421},
		"an admin's read":      {"GET", "admin", nil, 421},
		"a read by POST":       {"POST", "other reads", nil, 200},
		"what GORB showed":     {"GET", "GORB's GETs", nil, 200},
		"whether it lives":     {"GET", "livez", nil, 200},
	} {
		r := request(tt.method, "http://x/")
		r.Host = "director-of-old:4672"
		for k, v := range tt.headers {
			r.Header.Set(k, v)
		}
		if got := allowed(a, places["a network in `trust`"](r), needs[tt.need]); got != tt.want {
			t.Errorf("%s in trust: got %d, want %d", name, got, tt.want)
		}
	}
}

// TestCrossSite has pages send forms, and fetch, with what the browser knows of its user.
func TestCrossSite(t *testing.T) {
	api, sent := people(t)
	api.Origins = []string{"https://ops.example"}
	a := access(t, api)
	for name, tt := range map[string]struct {
		method  string
		headers map[string]string
		want    int
	}{
		"a form of another site":       {"POST", map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, 403},
		"of a sandbox":                 {"POST", map[string]string{"Origin": "null"}, 403},
		"of a neighbour":               {"POST", map[string]string{"Sec-Fetch-Site": "same-site", "Origin": "https://x.ops.example"}, 403},
		"an old browser":               {"PUT", map[string]string{"Origin": "http://evil.example"}, 403},
		"the same host, another port":  {"PUT", map[string]string{"Origin": "http://127.0.0.1:80"}, 403},
		"an origin that was let in":    {"PUT", map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://ops.example"}, 200},
		"that in other letters":        {"PUT", map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://OPS.example"}, 403},
		"gorb's own":                   {"PUT", map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:4672"}, 200},
		"the address bar":              {"POST", map[string]string{"Sec-Fetch-Site": "none"}, 200},
		"no browser":                   {"PUT", nil, 200},
		"a picture of another site":    {"GET", map[string]string{"Sec-Fetch-Site": "cross-site"}, 200},
		"a form by a made-up method":   {"get", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		"a delete by a script's fetch": {"DELETE", map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, 403},
	} {
		for _, place := range []string{"the socket", "a network in `trust`", "elsewhere"} {
			r := request(tt.method, "http://x/")
			r.Header.Set("Authorization", sent["one with role admin"][2])
			for k, v := range tt.headers {
				r.Header.Set(k, v)
			}
			if got := allowed(a, places[place](r), change); got != tt.want {
				t.Errorf("%s, by %s: got %d, want %d", name, place, got, tt.want)
			}
		}
	}
}

func TestCORS(t *testing.T) {
	ask := func(a *Access, method string, headers http.Header) (http.Header, bool) {
		r := request(method, "http://x/service/web")
		maps.Copy(r.Header, headers)
		w := httptest.NewRecorder()
		done := a.CORS(w, r)
		return w.Header(), done
	}
	a := access(t, spec.API{Origins: []string{"https://ops.example"}})
	plain := http.Header{
		"Vary": {"Origin"}, "Access-Control-Allow-Origin": {"https://ops.example"},
		"Access-Control-Expose-Headers": {"ETag, Location, Retry-After"},
	}
	before := plain.Clone()
	before.Set("Access-Control-Allow-Methods", "GET, HEAD, PUT, PATCH, POST, DELETE")
	before.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, If-Match, If-None-Match, Last-Event-ID")
	before.Set("Access-Control-Max-Age", "600")
	vary := http.Header{"Vary": {"Origin"}}
	for name, tt := range map[string]struct {
		method  string
		headers http.Header
		want    http.Header
		done    bool
	}{
		"a page that may":    {"GET", http.Header{"Origin": {"https://ops.example"}}, plain, false},
		"asks beforehand":    {"OPTIONS", http.Header{"Origin": {"https://ops.example"}, "Access-Control-Request-Method": {"PUT"}}, before, true},
		"another":            {"GET", http.Header{"Origin": {"https://ops.example.evil.example"}}, vary, false},
		"another beforehand": {"OPTIONS", http.Header{"Origin": {"null"}, "Access-Control-Request-Method": {"PUT"}}, vary, false},
		"two origins":        {"GET", http.Header{"Origin": {"https://ops.example", "https://evil.example"}}, vary, false},
		"no page":            {"GET", nil, vary, false},
	} {
		got, done := ask(a, tt.method, tt.headers)
		if diff := cmp.Diff(tt.want, got); diff != "" || done != tt.done {
			t.Errorf("%s: done %v (-want +got):\n%s", name, done, diff)
		}
	}
	if got, done := ask(access(t, spec.API{}), "OPTIONS", http.Header{"Origin": {"https://ops.example"}, "Access-Control-Request-Method": {"PUT"}}); len(got) != 0 || done {
		t.Errorf("where nothing is configured: %v, %v", got, done)
	}
}

// FuzzAccess sends any header: nobody gets in, nothing breaks, and no answer repeats a credential.
func FuzzAccess(f *testing.F) {
	for _, seed := range [][3]string{
		{"Bearer gorb_x", "localhost", "127.0.0.1:1"},
		{"Basic dXNlcjpw", "[::1]:80", "[fe80::1%eth0]:1"},
		{"bearer", "[", "@"},
		{"Basic Og==", "a:b:c", "[::ffff:127.0.0.1]:1"},
		{"\x00", "\xff", ""},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	t := new(testing.T)
	api, _ := people(t)
	api.Trust = nil
	f.Fuzz(func(t *testing.T, authorization, host, peer string) {
		a := access(t, api)
		r := request("PUT", "http://x/")
		r.Header.Set("Authorization", authorization)
		r.Host = host
		_, failure := a.Allow(at(r, peer, "127.0.0.1:4672"), change)
		if failure == nil || failure.Code != http.StatusUnauthorized {
			t.Errorf("%q: %v", authorization, failure)
		}
		// Without credentials in the configuration, loopback is by address: and a name is no address.
		r.Header.Del("Authorization")
		_, failure = access(t, spec.API{}).Allow(at(r, "127.0.0.1:1", "127.0.0.1:4672"), change)
		_, err := netip.ParseAddr(hostOf(host))
		if ours := hostOf(host) == "" || err == nil; ours != (failure == nil) && !hostNames(nil)[hostOf(host)] {
			t.Errorf("%q: %v", host, failure)
		}
	})
}
