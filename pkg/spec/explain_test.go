package spec

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// explained writes fields as lines: "port = 80 (a.toml:3); not 81 (b.toml:2)".
func explained(fields []Field) string {
	var b strings.Builder
	at := func(p Place) string {
		s := p.Source
		if p.Line > 0 {
			s += fmt.Sprintf(":%d", p.Line)
		}
		if p.In != "" {
			s += " in " + p.In
		}
		return s
	}
	for _, f := range fields {
		fmt.Fprintf(&b, "%s = %s (%s)", f.Path, f.Value, at(f.From))
		for _, g := range f.Hid {
			fmt.Fprintf(&b, "; not %s (%s)", g.Value, at(g.From))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestExplain(t *testing.T) {
	base := decode(t, "base.toml", underneath)
	top := decode(t, "top.toml", `
[defaults]
service.method = "lc"
backend.tunnel_port = 99
[services.web]
drain = "3m"
pulse.args.path = "/b"
[services.web.backends.a]
weight = 60
port = 8080
`)
	for _, tt := range []struct {
		name, object string
		overrides    []string
		want         string
	}{
		{
			"documents", "web", nil,
			`host = "10.0.0.1" (base.toml:8)
port = 80 (base.toml:9)
protocol = "tcp" (default)
method = "sh" (base.toml:10); not "lc" (top.toml:3 in defaults.service)
drain = "3m" (top.toml:6); not "2m" (base.toml:12); not "1m" (base.toml:3 in defaults.service)
flags = "sh-port" (base.toml:11)
persistent = false (default)
pulse.args.expect = 200 (base.toml:13)
pulse.args.path = "/b" (top.toml:7); not "/a" (base.toml:13)
pulse.backoff = 1 (default)
pulse.fall = 1 (default)
pulse.fast_interval = "1m" (default)
pulse.initial = "kernel" (default)
pulse.interval = "1m" (default)
pulse.restore = "gradual" (default)
pulse.rise = 1 (default)
pulse.timeout = "5s" (default)
pulse.type = "http" (base.toml:13)
pulse.window = 100 (default)
backends.a = { host = "10.1.0.1", port = 8080, weight = 60 } (top.toml:8); not { host = "10.1.0.1", weight = 50 } (base.toml:14)
backends.b = { host = "10.1.0.2", port = 80 } (base.toml:17)
`,
		},
		{
			"a backend", "web/a",
			[]string{`patch web/a {"weight": 0, "pulse": {"type": "none"}}`, `patch web/a {"weight": null}`},
			`host = "10.1.0.1" (base.toml:15)
port = 8080 (top.toml:10)
weight = 100 (default); not 0 (override web/a); not 60 (top.toml:9); not 50 (base.toml:16)
method = "nat" (default)
pulse.interval = "1m" (default)
pulse.type = "none" (override web/a)
`,
		},
		{
			"what a backend has of its service", "web/b",
			[]string{`patch web {"port": 81}`},
			`host = "10.1.0.2" (base.toml:18)
port = 81 (override web in services.web); not 80 (base.toml:9 in services.web)
weight = 100 (default)
method = "nat" (default)
pulse.args.expect = 200 (base.toml:13 in services.web)
pulse.args.path = "/b" (top.toml:7 in services.web); not "/a" (base.toml:13 in services.web)
pulse.backoff = 1 (default)
pulse.fall = 1 (default)
pulse.fast_interval = "1m" (default)
pulse.initial = "kernel" (default)
pulse.interval = "1m" (default)
pulse.restore = "gradual" (default)
pulse.rise = 1 (default)
pulse.timeout = "5s" (default)
pulse.type = "http" (base.toml:13 in services.web)
pulse.window = 100 (default)
`,
		},
		{
			"what a backend has of its service again", "web/b",
			[]string{`patch web/b {"port": 8081, "pulse": {"type": "none"}}`, `patch web/b {"port": null, "pulse": null}`},
			`host = "10.1.0.2" (base.toml:18)
port = 80 (base.toml:9 in services.web); not 8081 (override web/b)
weight = 100 (default)
method = "nat" (default)
pulse.args.expect = 200 (base.toml:13 in services.web)
pulse.args.path = "/b" (top.toml:7 in services.web); not "/a" (base.toml:13 in services.web)
pulse.backoff = 1 (default)
pulse.fall = 1 (default)
pulse.fast_interval = "1m" (default)
pulse.initial = "kernel" (default)
pulse.interval = "1m" (default)
pulse.restore = "gradual" (default)
pulse.rise = 1 (default)
pulse.timeout = "5s" (default)
pulse.type = "http" (base.toml:13 in services.web); not "none" (override web/b)
pulse.window = 100 (default)
`,
		},
		{
			"set and null", "web",
			[]string{`set web {"host": "10.0.0.9", "port": 80, "pe": "sip"}`, `patch web {"pe": null, "backends": {"b": null}}`},
			`host = "10.0.0.9" (override web); not "10.0.0.1" (base.toml:8)
port = 80 (override web); not 80 (base.toml:9)
protocol = "tcp" (default)
method = "lc" (top.toml:3 in defaults.service); not "sh" (base.toml:10)
drain = "1m" (base.toml:3 in defaults.service); not "3m" (top.toml:6); not "2m" (base.toml:12)
flags =  (override web); not "sh-port" (base.toml:11)
pe =  (override web); not "sip" (override web)
persistent = false (default)
pulse.args.expect =  (override web); not 200 (base.toml:13)
pulse.args.path =  (override web); not "/b" (top.toml:7); not "/a" (base.toml:13)
pulse.type =  (override web); not "http" (base.toml:13)
backends.a = { host = "10.1.0.1", port = 8080, weight = 60 } (top.toml:8); not { host = "10.1.0.1", weight = 50 } (base.toml:14)
backends.b =  (override web); not { host = "10.1.0.2" } (base.toml:17)
`,
		},
		{
			"hidden", "mail",
			[]string{`patch mail {"port": 26}`, `hide mail`, `patch mail {"port": 27}`},
			`disabled = true (override mail)
host =  (override mail); not "10.0.0.2" (base.toml:5)
port =  (override mail); not 26 (override mail); not 25 (base.toml:6)
`,
		},
		{
			"a backend of what is hidden", "web/b",
			[]string{`hide web`},
			`disabled = true (override web)
host =  (override web); not "10.1.0.2" (base.toml:18)
`,
		},
		{
			"a backend of what is disabled", "web/b",
			[]string{`patch web/b {"disabled": false}`, `patch web {"disabled": true}`},
			`disabled = true (override web in services.web)
host = "10.1.0.2" (base.toml:18)
`,
		},
		{
			"disabled", "mail",
			[]string{`patch mail {"disabled": true}`},
			`disabled = true (override mail)
host = "10.0.0.2" (base.toml:5)
port = 25 (base.toml:6)
`,
		},
		{
			"replaced with all backends", "web/b",
			[]string{`set web {"port": 1, "backends": {"c": {"host": "10.1.0.3"}}}`},
			`disabled = true (override web)
host =  (override web); not "10.1.0.2" (base.toml:18)
`,
		},
		{
			"a mark", "dns",
			[]string{`set dns {"fwmark": 3, "backends": {"a": {"host": "10.2.0.1"}}}`, `hide dns/a`},
			`fwmark = 3 (override dns)
family = "ipv4" (default)
method = "lc" (top.toml:3 in defaults.service)
drain = "1m" (base.toml:3 in defaults.service)
persistent = false (default)
backends.a =  (override dns/a); not { host = "10.2.0.1" } (override dns)
`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := MergeWith([]*Document{base, top}, over(tt.overrides...))
			if err != nil {
				t.Fatal(err)
			}
			service, backend, _ := strings.Cut(tt.object, "/")
			got, err := d.Explain(service, backend)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, explained(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestExplainUnknown(t *testing.T) {
	d, err := MergeWith([]*Document{decode(t, "base.toml", underneath)}, over(`patch dns {"port": 53}`, `patch web/c {"weight": 1}`, `hide dns/a`, `set web/alpha {"host": "10.1.0.7"}`))
	if err != nil {
		t.Fatal(err)
	}
	for object, want := range map[string]string{
		"wbe/":      `there is no service "wbe", did you mean "web"?`,
		"dns/":      `there is no service "dns"`,
		"dns/a":     `there is no service "dns"`,
		"web/alhpa": `service web has no backend "alhpa", did you mean "alpha"?`,
		"web/c":     `service web has no backend "c"`,
	} {
		service, backend, _ := strings.Cut(object, "/")
		if _, err := d.Explain(service, backend); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", object, err, want)
		}
	}
}

// TestExplainOwnHost: the host that was left out is a default.
func TestExplainOwnHost(t *testing.T) {
	d, err := merge(t, decode(t, "a.toml", "[services.web]\nport = 80\n")).WithHost(netip.MustParseAddr("10.0.0.7"))
	if err != nil {
		t.Fatal(err)
	}
	fields, err := d.Explain("web", "")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := explained(fields[:1]), "host = \"10.0.0.7\" (default)\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestSaid: whatever key the schema has, Explain knows how to write it.
func TestSaid(t *testing.T) {
	s := mustParse(everyField).declared.services["s"]
	pulse := s.pulse.said(nil)[0].value.([]setting)
	for kind, pair := range map[string][2][]string{
		"service": {sortedKeys(serviceFields), append(keysSaid(s.said()), "backends")},
		"backend": {sortedKeys(backendFields), keysSaid(s.backends["b"].said())},
		"pulse":   {sortedKeys(pulseFields), keysSaid(pulse)},
		"args":    {sortedKeys(arguments), keysSaid(pulse[len(pulse)-1].value.([]setting))},
	} {
		known := make(map[string]bool)
		for _, key := range pair[1] {
			known[key] = true
		}
		for _, key := range pair[0] {
			if !known[key] {
				t.Errorf("%s: %s is not told of, or everyField lacks it", kind, key)
			}
		}
	}
}

func keysSaid(settings []setting) []string {
	var keys []string
	for _, s := range settings {
		keys = append(keys, s.key)
	}
	return keys
}
