package spec

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var samePrefixes = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })

func TestAPI(t *testing.T) {
	const (
		hash     = "sha256:0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef"
		password = "$2y$10$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234"
	)
	decoded := func(name, text string) *Document {
		doc, err := DecodeWith(name, TOML, []byte(text), Options{Dir: "/etc/gorb"})
		if err != nil {
			t.Fatal(err)
		}
		return doc
	}
	base := decoded("base.toml", `
[gorb]
debug_listen = "localhost:6060"
[api]
trust = ["10.0.0.0/8", "::1"]
hosts = ["Gorb.Example."]
cors = ["https://ops.example", "http://[2001:db8::1]:8080"]
[[api.tokens]]
name = "gone"
role = "admin"
file = "/tokens"
[[api.users]]
name = "eve"
role = "read"
password_hash = "`+password+`"
[api.tls]
cert_file = "cert.pem"
client_ca_file = "ca.pem"
[[api.tls.clients]]
name = "spiffe://ops.example/gorb"
role = "write"
[services]
`)
	top := decoded("top.toml", `
[gorb]
debug_listen = "0.0.0.0:6060"
[api]
trust = ["0.0.0.0/0", "10.0.0.0/8", "192.0.2.7"]
anonymous = false
[[api.tokens]]
name = "files"
role = "read"
file = "tokens"
[[api.tokens]]
name = "ci"
role = "write"
hash = "`+hash+`"
[api.tls]
key_file = "../key.pem"
`)
	want := API{
		Trust: []netip.Prefix{
			netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32"),
		},
		Hosts:   []string{"gorb.example"},
		Origins: []string{"https://ops.example", "http://[2001:db8::1]:8080"},
		Tokens: []APIToken{
			{Name: "ci", Role: RoleWrite, Hash: strings.ToLower(hash)}, {Name: "files", Role: RoleRead, File: "/etc/gorb/tokens"},
		},
		Users: []APIUser{{Name: "eve", Role: RoleRead, PasswordHash: password}},
		TLS: &APITLS{
			CertFile: "/etc/gorb/cert.pem", KeyFile: "/etc/gorb/../key.pem", ClientCAFile: "/etc/gorb/ca.pem",
			Clients: []APIClient{{Name: "spiffe://ops.example/gorb", Role: RoleWrite}},
		},
	}
	d := merge(t, base, top)
	settings, err := Settings(base, top)
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []*Desired{d, settings} {
		if diff := cmp.Diff(want, got.API, samePrefixes); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if got.Gorb.DebugListen != "0.0.0.0:6060" {
			t.Errorf("debug_listen is %q", got.Gorb.DebugListen)
		}
	}
	wantWarnings := `top.toml:3: gorb.debug_listen: whoever reaches 0.0.0.0:6060 sees what the daemon has in its memory, ` +
		`without credentials; "127.0.0.1:6060" is for this host alone
top.toml:5: api.trust[0]: everybody may change the table without credentials, from wherever an address of IPv4 can reach this host
top.toml:5: api.trust[1]: everybody in 10.0.0.0/8 may change the table without credentials
top.toml:5: api.trust[2]: everybody at 192.0.2.7 may change the table without credentials`
	if diff := cmp.Diff(wantWarnings, d.Warnings.Error()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if text, err := base.JSON(); err != nil || strings.Contains(string(text), "api") {
		t.Errorf("as JSON it is %s: %v", text, err)
	}
	if _, err := Merge(base); err == nil || !strings.Contains(err.Error(), "api.tls.key_file: missing; the cert_file goes with one") {
		t.Errorf("base alone: %v", err)
	}
}

// TestNoAPI: what is said and empty is what is not said.
func TestNoAPI(t *testing.T) {
	for _, text := range []string{
		"", "[gorb]\ndebug_listen = ''\n[api]\ntrust = []\nhosts = []\ncors = []\ntokens = []\nusers = []\n" +
			"[api.tls]\ncert_file = ''\nkey_file = ''\nclient_ca_file = ''\nclients = []\n",
	} {
		d := merge(t, decode(t, "a.toml", text+"[services]\n"))
		if diff := cmp.Diff(API{Anonymous: true}, d.API, samePrefixes); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
		if len(d.Warnings) > 0 || d.Gorb.DebugListen != "" {
			t.Errorf("%s: %v", text, d.Warnings)
		}
	}
}

// TestSecretsAreNotRepeated: whatever is wrong with a hash, a message does not say what was there.
func TestSecretsAreNotRepeated(t *testing.T) {
	const secret = "31337"
	for _, value := range []string{
		`"31337"`, `31337`, `31337.5`, `"31337\u0007"`, `["31337"]`, `{"a": "31337"}`, `1e31337`, `"$2y$99$31337"`,
		`"sha256:31337"`, `"${31337"`,
	} {
		for _, key := range []string{`"tokens": [{"name": "a", "role": "read", "hash"`, `"users": [{"name": "a", "role": "read", "password_hash"`} {
			_, err := Decode("x", JSON, []byte(`{"api": {`+key+`: `+value+`}]}}`))
			if err == nil || strings.Contains(err.Error(), secret) {
				t.Errorf("%s: %v", value, err)
			}
		}
	}
}
