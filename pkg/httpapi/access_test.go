package httpapi

import (
	"bytes"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"golang.org/x/crypto/bcrypt"

	"github.com/gorb-io/gorb/pkg/spec"
)

// change is what a route asks for that changes something.
var change = needs["changes"]

func TestAccessNames(t *testing.T) {
	api, sent := people(t)
	a := access(t, api)
	header := func(h string) *http.Request {
		r := request("GET", "http://x/")
		r.Header.Set("Authorization", h)
		return r
	}
	write := sent["one with role write"]
	for place, tt := range map[string]struct {
		r    *http.Request
		want Who
	}{
		"the socket":           {request("PUT", "http://x/"), Who{Name: "uid 0 (root)", From: "socket, pid 4321", Role: spec.RoleAdmin}},
		"loopback":             {request("GET", "http://x/"), Who{Name: "anybody at 127.0.0.1", From: "127.0.0.1:5123", Role: spec.RoleRead}},
		"a network in `trust`": {request("PUT", "http://x/"), Who{Name: "anybody at 10.0.0.7", From: "10.0.0.7:5123", Role: spec.RoleAdmin}},
		"elsewhere":            {header(write[0]), Who{Name: "token t-write", From: "192.0.2.1:5123", Role: spec.RoleWrite}},
		"loopback, by a proxy": {header(write[2]), Who{Name: "user user-write", From: "127.0.0.1:5123", Role: spec.RoleWrite}},
	} {
		got, f := a.Allow(places[place](tt.r), Need{Role: spec.RoleRead})
		if diff := cmp.Diff(tt.want, got); f != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", place, f, diff)
		}
	}
}

// TestAccessAnswers has the texts and headers of refusals: they say what helps.
func TestAccessAnswers(t *testing.T) {
	api, sent := people(t)
	bare := spec.API{Anonymous: true}
	onlyTLS := spec.API{TLS: &spec.APITLS{Clients: []spec.APIClient{{Name: "dir1", Role: "write"}}}}
	for name, tt := range map[string]struct {
		api    spec.API
		place  string
		header string
		want   string
	}{
		"elsewhere": {bare, "elsewhere", "", "403 only from this host itself, by loopback (127.0.0.1, ::1) or over its socket: for others there are " +
			"[api] trust, and tokens ('gorb token new')"},
		"proxied": {bare, "loopback, by a proxy", "", "403 this came by a proxy, and who is behind it is not known: for that " +
			"there are tokens ('gorb token new'), and [api] trust"},
		"nothing shown": {api, "elsewhere", "", `401 this needs a credential; Bearer realm="gorb"; Basic realm="gorb", charset="UTF-8"`},
		"wrong": {api, "loopback", "Bearer x", "401 the credential is wrong, or has been revoked; " +
			`Bearer realm="gorb", error="invalid_token"; Basic realm="gorb", charset="UTF-8"`},
		"too small":            {api, "loopback", sent["one with role read"][0], "403 token t-read has the role read, and this needs write"},
		"only by certificates": {onlyTLS, "elsewhere", "", "403 this needs a credential, a client certificate"},
	} {
		a := NewAccess(zerolog.Nop(), time.Now)
		_ = a.Use(tt.api) // there are no files
		r := request("PUT", "http://x/")
		if tt.header != "" {
			r.Header.Set("Authorization", tt.header)
		}
		_, f := a.Allow(places[tt.place](r), change)
		if f == nil {
			t.Fatalf("%s: it is allowed", name)
		}
		got := strings.Join(append([]string{http.StatusText(f.Code) + ": " + f.Message}, f.Header["Www-Authenticate"]...), "; ")
		code, text, _ := strings.Cut(tt.want, " ")
		if want := map[string]string{"401": "Unauthorized: ", "403": "Forbidden: "}[code] + text; got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, want)
		}
	}
}

// TestAccessBeforeConfiguration has a gorb that has read none yet.
func TestAccessBeforeConfiguration(t *testing.T) {
	a := NewAccess(zerolog.Nop(), time.Now)
	for place, want := range map[string]int{"the socket": 200, "loopback": 503, "elsewhere": 503} {
		if got := allowed(a, places[place](request("GET", "http://x/")), needs["GORB's GETs"]); got != want {
			t.Errorf("%s: %d, want %d", place, got, want)
		}
		if got := allowed(a, places[place](request("GET", "http://x/")), needs["livez"]); got != 200 {
			t.Errorf("livez from %s: %d", place, got)
		}
	}
}

// TestLoopback has addresses and headers that look like loopback, or are.
func TestLoopback(t *testing.T) {
	a := access(t, spec.API{Trust: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fe80::/64")}})
	for _, tt := range []struct {
		peer, local, header string
		want                int
	}{
		{"127.0.0.1:1", "127.0.0.1:4672", "", 200},
		{"127.9.9.9:1", "127.0.0.1:4672", "", 200},
		{"[::1]:1", "[::1]:4672", "", 200},
		{"[::ffff:127.0.0.1]:1", "[::ffff:127.0.0.1]:4672", "", 200},
		{"127.0.0.1:1", "192.0.2.1:4672", "", 403}, // routed here by somebody with strange sysctls
		{"192.0.2.1:1", "192.0.2.1:4672", "", 403}, // the host's own address is not loopback
		{"192.0.2.1:1", "127.0.0.1:4672", "", 403}, // DNAT
		{"[::ffff:192.0.2.1]:1", "[::]:4672", "", 403},
		{"[fe80::1%eth0]:1", "[fe80::2%eth0]:4672", "", 200}, // in trust
		{"[fe80:0:0:1::1%eth0]:1", "[fe80::2%eth0]:4672", "", 403},
		{"[::ffff:10.0.0.7]:1", "[::ffff:10.0.0.1]:4672", "", 200}, // in trust
		{"", "127.0.0.1:4672", "", 403},
		{"@", "127.0.0.1:4672", "", 403},
		{"127.0.0.1:1", "127.0.0.1:4672", "x-forwarded-for", 403},
		{"127.0.0.1:1", "127.0.0.1:4672", "FORWARDED", 403},
		{"127.0.0.1:1", "127.0.0.1:4672", "via", 403},
		{"127.0.0.1:1", "127.0.0.1:4672", "X-Real-IP", 403},
		{"127.0.0.1:1", "127.0.0.1:4672", "X-Forwarded-Host", 403},
	} {
		r := request("PUT", "http://x/")
		if tt.header != "" {
			r.Header.Set(tt.header, "")
		}
		if got := allowed(a, at(r, tt.peer, tt.local), change); got != tt.want {
			t.Errorf("%s to %s with %q: got %d, want %d", tt.peer, tt.local, tt.header, got, tt.want)
		}
	}
	// Without a local address, as when somebody serves it otherwise, nothing is loopback.
	r := request("PUT", "http://x/")
	r.RemoteAddr = "127.0.0.1:1"
	if got := allowed(a, r, change); got != http.StatusForbidden {
		t.Errorf("without a local address: %d", got)
	}
}

// TestAuthorizationTricks has headers that are none, or two.
func TestAuthorizationTricks(t *testing.T) {
	api, sent := people(t)
	good := sent["one with role admin"][0]
	token := strings.TrimPrefix(good, "Bearer ")
	for name, tt := range map[string]struct {
		headers []string
		want    int
	}{
		"as it should be":   {[]string{good}, 200},
		"scheme's case":     {[]string{"bEARER  " + token + " "}, 200},
		"two":               {[]string{good, good}, 401},
		"empty":             {[]string{""}, 401},
		"empty and good":    {[]string{"", good}, 401},
		"no token":          {[]string{"Bearer"}, 401},
		"no scheme":         {[]string{token}, 401},
		"with a comma":      {[]string{good + ", " + good}, 401},
		"huge":              {[]string{"Bearer " + strings.Repeat("x", 60000)}, 401},
		"a zero byte":       {[]string{good + "\x00"}, 401},
		"not UTF-8":         {[]string{"Bearer \xff\xfe"}, 401},
		"the hash":          {[]string{"Bearer " + api.Tokens[2].Hash}, 401},
		"the digits alone":  {[]string{"Bearer " + strings.TrimPrefix(api.Tokens[2].Hash, hashPrefix)}, 401},
		"no colon":          {[]string{"Basic dXNlcg=="}, 401},
		"no base64":         {[]string{"Basic %%%"}, 401},
		"no password":       {[]string{basic("user-admin", "")}, 401},
		"another's token":   {[]string{basic("t-read", token)}, 401},
		"bcrypt's repeat":   {[]string{basic("user-admin", password+"\x00"+password)}, 401},
		"a user as a token": {[]string{"Bearer " + password}, 401},
	} {
		r := request("PUT", "http://x/")
		r.Header["Authorization"] = tt.headers
		if got := allowed(access(t, api), places["elsewhere"](r), change); got != tt.want {
			t.Errorf("%s: got %d, want %d", name, got, tt.want)
		}
	}
}

// TestLongPasswords has two that bcrypt takes for the same.
func TestLongPasswords(t *testing.T) {
	long := strings.Repeat("x", maxPassword)
	hash, err := bcrypt.GenerateFromPassword([]byte(long), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	a := access(t, spec.API{Users: []spec.APIUser{{Name: "ann", Role: "admin", PasswordHash: string(hash)}}})
	for p, want := range map[string]int{long: 200, long + "y": 401} {
		r := request("PUT", "http://x/")
		r.SetBasicAuth("ann", p)
		if got := allowed(a, places["elsewhere"](r), change); got != want {
			t.Errorf("of %d bytes: got %d, want %d", len(p), got, want)
		}
	}
}

// TestUseReplaces has a configuration take somebody out, and what cannot be used have no effect.
func TestUseReplaces(t *testing.T) {
	api, sent := people(t)
	a := access(t, api)
	try := func(header string) int {
		r := request("PUT", "http://x/")
		r.Header.Set("Authorization", header)
		return allowed(a, places["elsewhere"](r), change)
	}
	for _, h := range sent["one with role write"] {
		if got := try(h); got != http.StatusOK {
			t.Errorf("before: %d", got)
		}
	}
	api.Tokens, api.Users = api.Tokens[:1], nil
	api.Tokens = append(api.Tokens, spec.APIToken{Name: "gone", Role: "admin", File: filepath.Join(t.TempDir(), "nowhere")},
		spec.APIToken{Name: "bad", Role: "admin", Hash: "gorb_secret"})
	api.Users = []spec.APIUser{{Name: "bad", Role: "admin", PasswordHash: "hunter2"}}
	err := a.Use(api)
	want := `[[api.tokens]] "gone": ` + api.Tokens[1].File + ": no such file or directory\n" +
		`[[api.tokens]] "bad": this is a token itself, which nobody else should see; its hash belongs here` + "\n" +
		`[[api.users]] "bad": the hash is none of bcrypt, as 'htpasswd -nB' makes it`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	for _, h := range sent["one with role write"] {
		if got := try(h); got != http.StatusUnauthorized {
			t.Errorf("after: %d", got)
		}
	}
	if got := try(sent["one with role read"][0]); got != http.StatusForbidden {
		t.Errorf("who stayed: %d", got)
	}
}

// TestRefusalsAreLogged has many at once: some lines, then a number, and never what was sent.
func TestRefusalsAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, _ := people(t)
		var log bytes.Buffer
		a := NewAccess(zerolog.New(&log), time.Now)
		if err := a.Use(api); err != nil {
			t.Fatal(err)
		}
		log.Reset()
		try := func() {
			r := request("PUT", "http://x/service/web?reason=secret-query")
			r.SetBasicAuth("secret-name", "secret-password")
			r.Header.Set("X-Forwarded-For", "secret-header")
			allowed(a, places["elsewhere"](r), change)
		}
		for range 1000 {
			try()
		}
		if got := strings.Count(log.String(), "\n"); got != 10 {
			t.Errorf("%d lines, want 10", got)
		}
		time.Sleep(time.Hour)
		try()
		if !strings.Contains(log.String(), `"path":"/service/web","status":401,"why":"wrong credential","others":990,`) {
			t.Errorf("the log: %s", log.String())
		}
		if strings.Contains(log.String(), "secret") {
			t.Errorf("the log has what was sent: %s", log.String())
		}
	})
}

// TestPeers asks over a real socket: the audit knows who.
func TestPeers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gorb.sock")
	l := Peers(listen(t, path))
	client, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	who, from := splitPeer(c.RemoteAddr().String())
	if !strings.HasPrefix(who, "uid ") || !strings.HasPrefix(from, "socket, pid ") || c.LocalAddr().Network() != "unix" {
		t.Errorf("%q, %q at %v", who, from, c.LocalAddr())
	}
}

func BenchmarkAllow(b *testing.B) {
	t := new(testing.T)
	api, sent := people(t)
	a := access(t, api)
	r := request("GET", "http://x/")
	r.Header.Set("Authorization", sent["one with role read"][2])
	r = places["elsewhere"](r)
	for b.Loop() {
		if _, f := a.Allow(r, needs["GORB's GETs"]); f != nil {
			b.Fatal(f)
		}
	}
}
