package spec

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// problemsOf returns an error's problems as text; nil is "".
func problemsOf(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	if p := (Problems{}); !errors.As(err, &p) {
		t.Fatalf("the error is %T (%v), not Problems", err, err)
	}
	return err.Error()
}

func TestAt(t *testing.T) {
	for _, tt := range []struct {
		at     string
		format Format
		text   string
		want   string // the problems of decoding or else of merging; "" is none
	}{
		{"services/web", TOML, "port = 80\n[backends.a]\nhost = \"10.1.0.1\"\n", ""},
		{"services/web", TOML, "\nport = 70000\n[backends.a]\nhots = 1\n", `x:2: services.web.port: 70000 is over 65535
x:4: services.web.backends.a.hots: there is no such key, did you mean "host"?`},
		{"services/web", TOML, "# nothing", "x:1: services.web.port: missing; a service needs a port or a fwmark"},
		{"services/web", TOML, "[pulse]\n[pulse.args]\n[[]]", "x:3: services.web: unexpected end of table name (table names cannot be empty)"},
		{"services/web", TOML, "pulse.type = 'tcp'\npulse = 1", "x:2: services.web.pulse: the key is defined twice, as a table and as a plain value, first on line 1"},
		{"services/web", JSON, "{\n\"port\": 80,\n\"port\": 81}", "x:3: services.web.port: the key is twice in its object"},
		{"services/web", JSON, "{\n\"port\": 0}", "x:2: services.web.port: 0, every port, needs persistent"},
		{"services/web", JSON, "[]", "x:1: services.web: an array, wanted an object"},
		{"services/web", YAML, "port: 80\nhost: no", "x:2: services.web.host: no is a boolean to some readers of YAML " +
			"and a string to others; write true or false, or put it in quotes"},
		{"services/a b", JSON, `{"port":80}`, `x:1: services."a b": a service is named by 1 to 128 of letters, digits and ._:@-, ` +
			`and not . or ..`},
		{"services/web/backends/a", TOML, "weight = -1", "x:1: services.web.backends.a.weight: -1 is under 0"},
		{"gorb", TOML, "listen = \":1\"\nresync = \"0s\"", "x:2: gorb.resync: \"0s\" is under 1s"},
		{"nothing/here", TOML, "", "x:1: nothing: there is no such key; there are api, consul, defaults, gorb, include, ipvs, probe, services, sources"},
		// What GORB wrote.
		{"services/web", JSON, `{"host":"","port":80,"protocol":"tcp","method":"wrr","flags":"","persistent":false}`, ""},
		{
			"backends/a", JSON, `{"host":"10.1.0.1","port":8080,"pulse":{"type":"tcp","interval":"1m","args":null},"vsid":"web"}`,
			"x:1: services.web.port: missing; a service needs a port or a fwmark",
		},
		{"backends/a", JSON, `{"host":"","vsid":"web"}`, `x:1: services.web.backends.a.host: "" is not an IP address`},
		{"backends/a", JSON, `{"host":"10.1.0.1","vsid":"a b"}`, `x:1: backends: there is no such key; there are api, consul, defaults, ` +
			`gorb, include, ipvs, probe, services, sources`},
	} {
		d, err := DecodeWith("x", tt.format, []byte(tt.text), Options{At: strings.Split(tt.at, "/")})
		if err == nil {
			if d.Empty() {
				t.Errorf("%s: %q is empty", tt.at, tt.text)
			}
			_, err = Merge(d)
		}
		if diff := cmp.Diff(tt.want, problemsOf(t, err)); diff != "" {
			t.Errorf("%s: %q (-want +got):\n%s", tt.at, tt.text, diff)
		}
	}
}

func TestEnv(t *testing.T) {
	env := map[string]string{"HOST": "10.0.0.1", "EMPTY": "", "_X1": "eth", "BIG": strings.Repeat("x", 1<<20), "REF": "${HOST}", "BYTES": "\xff"}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	for in, want := range map[string]any{
		"":                           "",
		"plain $HOST {HOST} $ $$":    "plain $HOST {HOST} $ $$",
		"${HOST}":                    "10.0.0.1",
		"a${_X1}${_X1}0":             "aetheth0",
		"${EMPTY}":                   "",
		"${EMPTY:-x}y":               "xy",
		"${NONE:-}":                  "",
		"${NONE:-a:-b}":              "a:-b",
		"${REF}":                     "${HOST}",
		"$${HOST} ${HOST} $$${HOST}": "${HOST} 10.0.0.1 $${HOST}",
		"${NONE}":                    "x: ${NONE}: there is no such variable in the environment, and no default: ${NONE:-default}",
		"${HOST":                     `x: "${HOST" has no closing brace; $${ is a literal ${`,
		"${}":                        `x: "${}" is not ${NAME} or ${NAME:-default}; $${ is a literal ${`,
		"${1X}":                      `x: "${1X}" is not ${NAME} or ${NAME:-default}; $${ is a literal ${`,
		"${A-B:-x}":                  `x: "${A-B:-x}" is not ${NAME} or ${NAME:-default}; $${ is a literal ${`,
		"${NONE:-${HOST}}":           `x: "${NONE:-${HOST}" has a variable within its default, which gorb does not look at`,
		"${HOST:-${NONE}}":           `x: "${HOST:-${NONE}" has a variable within its default, which gorb does not look at`,
		"${BYTES:-x}":                "x: ${BYTES}: what the environment has for it is not valid UTF-8",
		strings.Repeat("${BIG}", 17): "x: what stands for variables comes to over 16777216 bytes (16 MiB)",
	} {
		e := expander{checker: &checker{report: new(report)}, env: lookup}
		got := e.text(in)
		if !e.empty() {
			got = Problem{Source: "x", Message: e.found[0].message}.String()
		}
		if got != want {
			t.Errorf("%.40q: got %.100q, want %.100q", in, got, want)
		}
	}

	for _, format := range []struct {
		f    Format
		text string
	}{
		{TOML, "[gorb]\nenv = true\ninterface = \"${_X1}0\"\n[consul]\ntags = [\"${HOST}\"]\n[[sources]]\nurl = \"${_X1}\"\n" +
			"[services.web]\nport = 80\nhost = \"${NONE}\""},
		{JSON, "{\"gorb\":{\"env\":true,\"interface\":\"${_X1}0\"},\"consul\":{\"tags\":[\"${HOST}\"]},\n\"sources\":[{\"url\":\"${_X1}\"}],\n\n\n\n\n\n\n" +
			"\"services\":{\"web\":{\"port\":80,\"host\":\"${NONE}\"}}}"},
		{YAML, "gorb: {env: true, interface: \"${_X1}0\"}\nconsul:\n  tags: [\"${HOST}\"]\nsources:\n  - url: ${_X1}\n" +
			"services:\n  web:\n    port: 80\n\n    host: ${NONE}"},
	} {
		_, err := DecodeWith("x", format.f, []byte(format.text), Options{Env: lookup})
		line := map[Format]string{TOML: "10", JSON: "9", YAML: "10"}[format.f]
		want := "x:" + line + ": services.web.host: ${NONE}: there is no such variable in the environment, and no default: ${NONE:-default}"
		if diff := cmp.Diff(want, problemsOf(t, err)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", format.f, diff)
		}
		d, err := DecodeWith("x", format.f, []byte(strings.Replace(format.text, "${NONE}", "${HOST}", 1)), Options{Env: lookup})
		if err != nil {
			t.Errorf("%s: %v", format.f, err)
			continue
		}
		all := merge(t, d)
		got := []string{all.Gorb.Interface, all.Consul.Tags[0], d.Sources()[0].URL, all.Services[0].Host.String()}
		if want := []string{"eth0", "10.0.0.1", "eth", "10.0.0.1"}; !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", format.f, got, want)
		}
	}

	asked := func(string) (string, bool) { t.Error("the environment is looked at"); return "", false }
	if _, err := DecodeWith("x", TOML, []byte(`[gorb]
env = false
interface = "${X}"`), Options{Env: asked}); err != nil {
		t.Error(err)
	}
	d, err := DecodeWith("x", TOML, []byte(`gorb.interface = "${_X1}"`), Options{Env: lookup, Expand: true})
	if err != nil || merge(t, d).Gorb.Interface != "eth" {
		t.Errorf("asked for by the source: %v", err)
	}
}

func TestSources(t *testing.T) {
	for _, name := range []string{"full.toml"} {
		d := decodeFile(t, name)
		want := []SourceDecl{
			{
				URL: "https://config.example/gorb.json", Name: "https://config.example/gorb.json", Below: true, Format: JSON,
				Interval: 10 * time.Second, Timeout: 5 * time.Second, Settle: 200 * time.Millisecond, Wait: 5 * time.Minute,
				CAFile: "/etc/gorb/ca.pem", CertFile: "/etc/gorb/cert.pem", KeyFile: "/etc/gorb/key.pem",
				BearerTokenFile: "/etc/gorb/token", HeaderFiles: map[string]string{"X-Key": "/etc/gorb/x"}, Stale: true,
				MaxRemoval: 30, MaxRemovalFloor: 2, Hold: 5 * time.Minute,
			},
			{
				URL: "consul://127.0.0.1:8500/gorb/prod/", Name: "prod", Interval: 30 * time.Second, Timeout: 10 * time.Second,
				Settle: time.Second, Wait: time.Minute, TokenFile: "/etc/gorb/consul", Datacenter: "dc1", Namespace: "team-a",
				MaxRemoval: 50, MaxRemovalFloor: 5, Hold: time.Minute,
			},
			{
				URL: "conf.d", Name: "conf.d", Env: true, Interval: 30 * time.Second, Timeout: 10 * time.Second,
				Settle: 200 * time.Millisecond, Wait: 5 * time.Minute, Stale: true,
				MaxRemoval: 50, MaxRemovalFloor: 5, Hold: time.Minute,
			},
		}
		if diff := cmp.Diff(want, d.Sources()); diff != "" {
			t.Errorf("%s: sources (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff([]string{"conf.d/*.toml", "/etc/gorb/[a-c].yaml"}, d.Includes()); diff != "" {
			t.Errorf("%s: includes (-want +got):\n%s", name, diff)
		}
	}
	kinds := map[string]SourceKind{
		"gorb.toml": FileSource, "http://a/b": URLSource, "HTTPS://a/b": URLSource, "consul://a/b/": ConsulSource,
	}
	for address, kind := range kinds {
		s, err := NewSourceDecl(address)
		if err != nil || s.Kind() != kind || s.Name != address || s.MaxRemoval != 50 {
			t.Errorf("%s: %+v, %v", address, s, err)
		}
	}
	if s, err := NewSourceDecl("https://a:b@c/d"); err == nil {
		t.Errorf("got %+v", s)
	}
}

func TestNameOf(t *testing.T) {
	services := merge(t, decode(t, "x", `[services.web]
host = "10.0.0.1"
port = 80
[services.mark]
fwmark = 7`)).Services
	for template, want := range map[string][2]string{
		"{{.Name}}-{{ .Port }}-{{.Protocol}}": {"mark--", "web-80-tcp"},
		"{{.Host}}{{.Fwmark}}}}":              {"7}}", "10.0.0.1}}"},
		"lb":                                  {"lb", "lb"},
	} {
		c := Consul{Name: template}
		if got := [2]string{c.NameOf(&services[0]), c.NameOf(&services[1])}; got != want {
			t.Errorf("%s: got %q, want %q", template, got, want)
		}
	}
}

func TestDisabled(t *testing.T) {
	base := decode(t, "base", `[services.web]
port = 80
[services.web.backends.a]
host = "10.1.0.1"
[services.web.backends.b]
host = "10.1.0.2"
[services.incomplete]
disabled = true
[services.other]
port = 81
[services.other.backends.x]
disabled = true
`)
	names := func(docs ...*Document) string {
		var out []string
		for _, s := range merge(t, docs...).Services {
			for _, b := range s.Backends {
				out = append(out, s.Name+"/"+b.Name)
			}
			if len(s.Backends) == 0 {
				out = append(out, s.Name)
			}
		}
		return strings.Join(out, " ")
	}
	hide := decode(t, "hide", "[services.web.backends.a]\ndisabled = true\n[services.other]\ndisabled = true\n")
	show := decode(t, "show", "[services.web.backends.a]\ndisabled = false\nweight = 0\n[services.other]\ndisabled = false\n")
	for _, tt := range []struct {
		docs []*Document
		want string
	}{
		{[]*Document{base}, "other web/a web/b"},
		{[]*Document{base, hide}, "web/b"},
		{[]*Document{base, hide, show}, "other web/a web/b"},
	} {
		if got := names(tt.docs...); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}
