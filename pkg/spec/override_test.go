package spec

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// over makes overrides of lines such as "patch web/a {...}", one after the other.
func over(lines ...string) []Override {
	var out []Override
	for i, line := range lines {
		parts := strings.SplitN(line, " ", 3)
		o := Override{Kind: OverrideKind(parts[0]), At: time.Unix(int64(i), 0)}
		o.Service, o.Backend, _ = strings.Cut(parts[1], "/")
		if len(parts) == 3 {
			o.Body = []byte(parts[2])
		}
		out = append(out, o)
	}
	return out
}

func TestOverrideCheck(t *testing.T) {
	long := strings.Repeat("x", MaxReason+1)
	for _, tt := range []struct {
		override Override
		want     string // "": nothing is wrong
	}{
		{over(`set web {"port": 80, "backends": {"a": {"host": "10.1.0.1"}}}`)[0], ""},
		{over(`set web {}`)[0], ""},
		{over(`set web/a {"weight": 0}`)[0], ""},
		{over(`patch web {"port": null, "pulse": {"args": {"path": null}}, "backends": {"a": null, "b": {"weight": null}}}`)[0], ""},
		{over(`hide web`)[0], ""},
		{over(`hide web/a`)[0], ""},
		{over(`hide web {}`)[0], "override web: hide has a body; it removes the object, whatever that says"},
		{over(`drop web`)[0], `override web: "drop" is not a kind of override; there are set, patch and hide`},
		{over(`set web`)[0], "override web: the body is missing: the object in JSON, with the keys of the file"},
		{over(`set web []`)[0], "override web:1: an array, wanted an object"},
		{over("set web {\n]")[0], `override web:2: invalid character ']' looking for beginning of object key string`},
		{over(`set web {"prot": "tcp"}`)[0], `override web: services.web.prot: there is no such key, did you mean "port"?`},
		{over(`patch web {"prot": null}`)[0], `override web: services.web.prot: there is no such key, did you mean "port"?`},
		{
			over(`set web {"port": null}`)[0],
			"override web: services.web.port: null is no value, wanted a whole number; leave the key out for its default",
		},
		{
			over(`patch web/a {"weight": -1, "port": 70000}`)[0],
			"override web/a: services.web.backends.a.port: 70000 is over 65535\n" +
				"override web/a: services.web.backends.a.weight: -1 is under 0",
		},
		{
			over("patch web/a {\"weight\": 1,\n\"weight\": 2}")[0],
			"override web/a:2: services.web.backends.a.weight: the key is twice in its object",
		},
		{
			Override{Kind: Hide, Service: "a b", Backend: ".."},
			`override "a b"/"..": "a b" cannot name a service: that takes 1 to 128 of letters, digits and ._:@-, and not . or ..` +
				"\n" + `override "a b"/"..": ".." cannot name a backend: that takes 1 to 128 of letters, digits and ._:@-, and not . or ..`,
		},
		{Override{Kind: Hide, Service: "web", Reason: long}, "override web: reason has 1001 bytes, which is over 1000"},
		{Override{Kind: Hide, Service: "web", By: long[:MaxBy+1]}, "override web: by has 257 bytes, which is over 256"},
		{Override{Kind: Hide, Service: "web", By: "a\nb"}, "override web: by has a control character in it"},
		{Override{Kind: Hide, Service: "web", By: "\xff"}, "override web: by is not valid UTF-8"},
	} {
		got := ""
		if err := tt.override.Check(); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s %s:\ngot:  %s\nwant: %s", tt.override, tt.override.Body, got, tt.want)
		}
	}
}

// underneath is what the overrides of tests lie over.
const underneath = `
[defaults.service]
drain = "1m"
[services.mail]
host = "10.0.0.2"
port = 25
[services.web]
host = "10.0.0.1"
port = 80
method = "sh"
flags = "sh-port"
drain = "2m"
pulse = { type = "http", args = { path = "/a", expect = 200 } }
[services.web.backends.a]
host = "10.1.0.1"
weight = 50
[services.web.backends.b]
host = "10.1.0.2"
`

// TestOverrides: each list of overrides makes of the documents what another document, whole, says.
func TestOverrides(t *testing.T) {
	const mail = "[services.mail]\nhost = \"10.0.0.2\"\nport = 25\ndrain = \"1m\"\n"
	const backends = "[services.web.backends.a]\nhost = \"10.1.0.1\"\nweight = 50\n[services.web.backends.b]\nhost = \"10.1.0.2\"\n"
	const own = "[services.web]\nhost = \"10.0.0.1\"\nport = 80\nmethod = \"sh\"\nflags = \"sh-port\"\ndrain = \"2m\"\n"
	const pulse = "pulse = { type = \"http\", args = { path = \"/a\", expect = 200 } }\n"
	const fresh = "[services.web]\nhost = \"10.0.0.9\"\nport = 80\ndrain = \"1m\"\n"
	for name, tt := range map[string]struct {
		overrides []string
		want      string
	}{
		"none":                             {nil, mail + own + pulse + backends},
		"patch merges":                     {[]string{`patch web {"pulse": {"args": {"path": "/b"}}}`}, mail + own + strings.Replace(pulse, "/a", "/b", 1) + backends},
		"null is the default":              {[]string{`patch web {"flags": null, "method": null, "drain": null, "pulse": null}`}, mail + "[services.web]\nhost = \"10.0.0.1\"\nport = 80\ndrain = \"1m\"\n" + backends},
		"null in tables":                   {[]string{`patch web {"pulse": {"type": null, "args": {"path": null}}}`}, mail + own + "pulse = { args = { expect = 200 } }\n" + backends},
		"null is no backend":               {[]string{`patch web {"backends": {"b": null, "z": null, "a": {"weight": null}}}`}, mail + own + pulse + "[services.web.backends.a]\nhost = \"10.1.0.1\"\n"},
		"null is no backends":              {[]string{`patch web {"backends": null}`}, mail + own + pulse},
		"set keeps the backends":           {[]string{`set web {"host": "10.0.0.9", "port": 80}`}, mail + fresh + backends},
		"set that names none":              {[]string{`set web {"host": "10.0.0.9", "port": 80, "backends": {}}`}, mail + fresh + backends},
		"set replaces the backends":        {[]string{`set web {"host": "10.0.0.9", "port": 80, "backends": {"a": {"host": "10.1.0.9"}}}`}, mail + fresh + "[services.web.backends.a]\nhost = \"10.1.0.9\"\n"},
		"set of a backend":                 {[]string{`set web/a {"host": "10.1.0.9"}`}, mail + own + pulse + "[services.web.backends.a]\nhost = \"10.1.0.9\"\n[services.web.backends.b]\nhost = \"10.1.0.2\"\n"},
		"set makes":                        {[]string{`set dns {"fwmark": 3}`, `set dns/a {"host": "10.2.0.1"}`}, mail + own + pulse + backends + "[services.dns]\nfwmark = 3\ndrain = \"1m\"\n[services.dns.backends.a]\nhost = \"10.2.0.1\"\n"},
		"hide":                             {[]string{`hide web`}, mail},
		"hide a backend":                   {[]string{`hide web/b`}, mail + own + pulse + strings.Split(backends, "[services.web.backends.b]")[0]},
		"hide, then set":                   {[]string{`hide web`, `set web {"host": "10.0.0.9", "port": 80}`}, mail + fresh},
		"hide, then patch":                 {[]string{`hide web`, `patch web {"port": 81}`, `patch web/a {"weight": 3}`, `set web/a {"host": "10.1.0.3"}`}, mail},
		"the later of two wins":            {[]string{`patch web/a {"weight": 1}`, `patch web/a {"weight": 50, "upper_threshold": 9}`, `patch web/a {"upper_threshold": null}`}, mail + own + pulse + backends},
		"what is not there is not patched": {[]string{`patch dns {"port": 53}`, `patch web/c {"weight": 5}`, `patch dns/a {"weight": 5}`, `set dns/a {"host": "10.1.0.1"}`}, mail + own + pulse + backends},
		"backends, then set, then backend": {[]string{`hide web/b`, `set web {"host": "10.0.0.9", "port": 80}`, `patch web/a {"weight": 50}`, `set web/b {"host": "10.1.0.2"}`}, mail + fresh + backends},
	} {
		t.Run(name, func(t *testing.T) {
			docs := []*Document{decode(t, "gorb.toml", underneath)}
			got, err := MergeWith(docs, over(tt.overrides...))
			if err != nil {
				t.Fatal(err)
			}
			want := merge(t, decode(t, "want.toml", tt.want))
			if diff := cmp.Diff(want.Services, got.Services, sameValues); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(merge(t, decode(t, "x", underneath)).Services, merge(t, docs[0]).Services, sameValues); diff != "" {
				t.Errorf("the document was changed (-before +after):\n%s", diff)
			}
		})
	}
}

// TestOverridesRankAsListed: the clock may have been set back between two of them.
func TestOverridesRankAsListed(t *testing.T) {
	overrides := over(`patch web/a {"weight": 1}`, `patch web/a {"weight": 2}`, `patch web/a {"weight": 3}`)
	overrides[2].At = overrides[0].At.Add(-time.Hour)
	d, err := MergeWith([]*Document{decode(t, "gorb.toml", underneath)}, overrides)
	if err != nil {
		t.Fatal(err)
	}
	if got := d.service("web").backend("a").Weight; got != 3 {
		t.Errorf("the weight is %d, want 3 of the last", got)
	}
}

// TestOverridePlaces: what is wrong is said of the override that set it, also of what it took away.
func TestOverridePlaces(t *testing.T) {
	docs := []*Document{decode(t, "gorb.toml", underneath)}
	for _, tt := range []struct {
		override, want string
	}{
		{`patch web {"port": 0}`, `override web: services.web.port: 0, every port, needs persistent`},
		{`patch web {"port": null}`, `override web: services.web.port: missing; a service needs a port or a fwmark`},
		{`set web {"method": "rr"}`, `override web: services.web.port: missing; a service needs a port or a fwmark`},
		{`patch web {"method": "rr"}`, `gorb.toml:11: services.web.flags: "sh-port" needs method sh, and the method is rr`},
		{`set web/a {"weight": 3}`, `override web/a: services.web.backends.a.host: missing; a backend needs one`},
		{`patch web/b {"host": "10.1.0.1"}`, `override web/b: services.web.backends.b: 10.1.0.1:80 is backend a already`},
		{`patch web {"port": -1}`, `override web: services.web.port: -1 is under 0`},
	} {
		_, err := MergeWith(docs, over(tt.override))
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s:\ngot:  %v\nwant: %s", tt.override, err, tt.want)
		}
	}
}

// TestPatchLaws: null takes away just its field, whichever field that is, and patches in a row are one of all they say.
func TestPatchLaws(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		services := anyServices(r)
		if len(services) == 0 {
			return
		}
		text, err := Encode(services, JSON, "")
		if err != nil {
			r.Fatal(err)
		}
		whole := mustDecode(r, JSON, text)
		name := services[0].Name
		key := rapid.SampledFrom(sortedKeys(serviceFields)).Draw(r, "key")

		root, err := parseJSON(string(text), nil, new(report))
		if err != nil {
			r.Fatal(err)
		}
		delete(root["services"].(map[string]any)[name].(map[string]any), key)
		var want Document
		walkTable(&checker{report: new(report)}, root, documentFields, &want)

		got, _ := whole.declared.lay(decodeAll(r, over(fmt.Sprintf(`patch %s {%q: null}`, name, key))))
		if diff := cmp.Diff(want.declared.services, got.services, sameValues, allFields); diff != "" {
			r.Fatalf("without %s (-want +got):\n%s", key, diff)
		}

		a, b := rapid.Uint32Range(0, 9).Draw(r, "a"), rapid.Uint32Range(0, 9).Draw(r, "b")
		two, _ := whole.declared.lay(decodeAll(r, over(
			fmt.Sprintf(`patch %s {"fwmark": 7, "persistent": "%ds"}`, name, a+1),
			fmt.Sprintf(`patch %s {"fwmark": null, "persistent": "%ds"}`, name, b+1))))
		one, _ := whole.declared.lay(decodeAll(r, over(
			fmt.Sprintf(`patch %s {"fwmark": null, "persistent": "%ds"}`, name, b+1))))
		if diff := cmp.Diff(one.services, two.services, sameValues, allFields); diff != "" {
			r.Fatalf("two patches (-one +two):\n%s", diff)
		}
	})
}

// TestForget: there is no field of the schema that null cannot take away.
func TestForget(t *testing.T) {
	var full declaredService
	var fullBackend declaredBackend
	doc := decode(t, "full.toml", everyField)
	full, fullBackend = *doc.declared.services["s"], *doc.declared.services["s"].backends["b"]
	for _, key := range sortedKeys(serviceFields) {
		left := full.without(map[string]any{key: nil})
		if cmp.Equal(&full, left, sameValues, allFields) {
			t.Errorf("%s is there after null, or everyField lacks it", key)
		}
	}
	for _, key := range sortedKeys(backendFields) {
		if cmp.Equal(&fullBackend, fullBackend.without(map[string]any{key: nil}), sameValues, allFields) {
			t.Errorf("backend's %s is there after null, or everyField lacks it", key)
		}
	}
	none := make(map[string]any)
	for key := range serviceFields {
		none[key] = nil
	}
	if diff := cmp.Diff(&declaredService{}, full.without(none), sameValues, allFields); diff != "" {
		t.Errorf("with null for each key (-want +got):\n%s", diff)
	}
}

func decodeAll(r *rapid.T, overrides []Override) ([]*change, []int) {
	all, order, wrong := changes(overrides)
	for _, problems := range wrong {
		r.Fatal(problems)
	}
	return all, order
}

// FuzzOverride: whatever a body is, Check comes back, and with Problems.
func FuzzOverride(f *testing.F) {
	f.Add("web", "a", `{"weight": null, "pulse": {"args": {"path": "/"}}}`)
	f.Add("web", "", `{"backends": {"a": {"weight": 0}, "b": null}}`)
	f.Add("web", "", `{"a": [{"b": null}], "a": null}`)
	f.Add("web", strings.Repeat("\xb6", 300), `{}`) // no rune begins in it
	f.Fuzz(func(t *testing.T, service, backend, body string) {
		for _, kind := range []OverrideKind{Set, Patch, Hide} {
			o := Override{Kind: kind, Service: service, Backend: backend, Body: []byte(body)}
			var problems Problems
			if err := o.Check(); err != nil && !errors.As(err, &problems) {
				t.Errorf("%v is not Problems", err)
			}
			Lay([]Layer{{Document: mustParse(underneath)}}, []Override{o}, nil)
		}
	})
}

func mustParse(text string) *Document {
	d, err := Decode("x", TOML, []byte(text))
	if err != nil {
		panic(err)
	}
	return d
}

// everyField is a document that gives a service and a backend each field there is. It is not for merging.
const everyField = `
[services.s.pulse]
type = "http"
interval = "5s"
fast_interval = "1s"
timeout = "2s"
rise = 2
fall = 3
backoff = 1.5
max_interval = "1m"
initial = "up"
initial_wait = "1s"
restore = "slow-start"
window = 10
slow_start = "30s"
[services.s.pulse.args]
method = "GET"
host = "10.0.0.1"
port = 1
source = "10.0.0.2"
mark = 1
path = "/"
expect = 200
send = "a"
regexp = "b"
headers = { A = "b" }
host_header = "c"
body = "d"
expect_body = "e"
expect_body_regexp = "f"
http2 = true
follow = true
reuse = true
server_name = "g"
ca_file = "h"
cert_file = "i"
key_file = "j"
insecure = true
command = ["k"]
[services.s]
host = "10.0.0.1"
host_name = "a.example"
port = 1
protocol = "udp"
fwmark = 1
family = "ipv6"
method = "rr"
flags = "ops"
persistent = "5m"
persistence_netmask = 24
pe = "sip"
drain = "3m"
disabled = false
on_down = "remove"
[services.s.backends.b]
host = "10.0.0.1"
host_name = "b.example"
port = 1
weight = 1
method = "dr"
upper_threshold = 2
lower_threshold = 1
tunnel_port = 1
tunnel_checksum = "csum"
disabled = true
pulse = { type = "tcp" }
`

var allFields = cmp.Exporter(func(reflect.Type) bool { return true })
