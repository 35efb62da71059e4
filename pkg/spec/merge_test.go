package spec

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// decode decodes TOML that must be good alone.
func decode(t *testing.T, name, text string) *Document {
	t.Helper()
	d, err := Decode(name, TOML, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func merge(t *testing.T, docs ...*Document) *Desired {
	t.Helper()
	d, err := Merge(docs...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestMergeNothing(t *testing.T) {
	want := &Desired{
		Gorb: Gorb{
			Listen: ":4672", Interface: "eth0", Resync: 30 * time.Second, StateDir: "/var/lib/gorb",
			Socket: "/run/gorb/gorb.sock", StartTimeout: 30 * time.Second,
		},
		Consul: Consul{Address: "http://127.0.0.1:8500", Name: "{{.Name}}"},
		API:    API{Anonymous: true},
		Probe:  Probe{MaxExec: 64, MaxChecks: 10_000},
	}
	if diff := cmp.Diff(want, merge(t), sameValues); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMergeFieldByField(t *testing.T) {
	base := decode(t, "base.toml", `
[defaults.service]
method = "rr"
drain = "1m"
[services.web]
host = "10.0.0.1"
port = 80
persistent = true
pulse = { type = "http", args = { path = "/a", expect = 200 } }
[services.web.backends.a]
host = "10.1.0.1"
weight = 50
[services.mail]
host = "10.0.0.1"
port = 25
`)
	top := decode(t, "top.toml", `
[defaults.service]
method = "lc"
[services.web]
port = 81
persistent = false
pulse = { interval = "5s", args = { path = "/b" } }
[services.web.backends.a]
weight = 0
[services.web.backends.b]
host = "10.1.0.2"
`)
	want := []Service{
		{
			Name: "mail", Host: netip.MustParseAddr("10.0.0.1"), Port: 25, Protocol: TCP, Family: IPv4,
			Method: "lc", Drain: time.Minute,
		},
		{
			Name: "web", Host: netip.MustParseAddr("10.0.0.1"), Port: 81, Protocol: TCP, Family: IPv4,
			Method: "lc", Drain: time.Minute,
			Pulse: pulse(PulseHTTP, 5*time.Second, Args{Path: "/b", Statuses: []StatusRange{{200, 200}}}),
			Backends: []Backend{
				{Name: "a", Host: netip.MustParseAddr("10.1.0.1"), Port: 81, Method: NAT},
				{Name: "b", Host: netip.MustParseAddr("10.1.0.2"), Port: 81, Weight: 100, Method: NAT},
			},
		},
	}
	before := merge(t, base)
	if diff := cmp.Diff(want, merge(t, base, top).Services, sameValues); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, merge(t, base), sameValues); diff != "" {
		t.Errorf("merging changed a document (-before +after):\n%s", diff)
	}
}

// TestMergePlaces: what is wrong with the whole is reported in the layer and on the line that set the field.
func TestMergePlaces(t *testing.T) {
	tests := map[string]struct {
		layers []string
		want   string
	}{
		"the later layer sets it": {
			[]string{"[services.web]\nport = 80\nflags = \"\"\n", "[services.web]\n\nflags = \"sh-port\"\n"},
			`1.toml:3: services.web.flags: "sh-port" needs method sh, and the method is wrr`,
		},
		"the earlier layer sets it": {
			[]string{"[services.web]\nport = 80\nflags = \"sh-port\"\n", "[services.web]\n\nmethod = \"mh\"\n"},
			`0.toml:3: services.web.flags: "sh-port" needs method sh, and the method is mh`,
		},
		"a port from each": {
			[]string{
				"[services.web]\nport = 80\n[services.web.backends.a]\nhost = \"10.1.0.1\"\nport = 80\n",
				"[services.web]\nport = 81\n[services.web.backends.a]\nmethod = \"dr\"\n",
			},
			`0.toml:5: services.web.backends.a.port: 80 is not the service's port 81, and method dr cannot change it`,
		},
		"nothing sets it": {
			[]string{"[services.web]\nhost = \"10.0.0.1\"\n", "\n\n[services.web]\nmethod = \"rr\"\n", "[gorb]\n"},
			`1.toml:3: services.web.port: missing; a service needs a port or a fwmark`,
		},
		"in order of layer, line and path": {
			[]string{
				"[services.z]\nport = 0\n[services.a]\nport = 0\n",
				"[services.m]\nport = 0\nfamily = \"ipv4\"\n",
			},
			"0.toml:2: services.z.port: 0, every port, needs persistent\n" +
				"0.toml:4: services.a.port: 0, every port, needs persistent\n" +
				"1.toml:2: services.m.port: 0, every port, needs persistent\n" +
				"1.toml:3: services.m.family: \"ipv4\" goes with fwmark only; " +
				"the family of an address service is that of its host",
		},
		"a header wins over what implies it": {
			[]string{"[services.web.backends.a]\nhost = \"10.1.0.1\"\n[services.web]\nhost = \"10.0.0.1\"\n"},
			`0.toml:3: services.web.port: missing; a service needs a port or a fwmark`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var docs []*Document
			for i, text := range tt.layers {
				docs = append(docs, decode(t, string(rune('0'+i))+".toml", text))
			}
			_, err := Merge(docs...)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got:\n%v\nwant:\n%s", err, tt.want)
			}
		})
	}
}

// TestMergeCounts: of problems beyond those that are told apart the number comes last in their document.
func TestMergeCounts(t *testing.T) {
	base := "[services.web]\nhost = \"10.0.0.1\"\nport = 80\n[services.web.backends]\n"
	for i := range 150 {
		base += fmt.Sprintf("b%03d = {host = \"10.1.0.1\"}\n", i)
	}
	_, err := Merge(decode(t, "0.toml", base))
	lines := strings.Split(fmt.Sprint(err), "\n")
	want := []string{
		"0.toml:6: services.web.backends.b001: 10.1.0.1:80 is backend b000 already",
		"0.toml: and 49 more",
	}
	if diff := cmp.Diff(want, []string{lines[0], lines[len(lines)-1]}); diff != "" {
		t.Errorf("the first line and the last (-want +got):\n%s", diff)
	}
}

// TestLinesOfInlineAndQuotedKeys: a line is found however its key is written.
func TestLinesOfInlineAndQuotedKeys(t *testing.T) {
	text := "services.\"w\\u0065b\".host = \"10.0.0.1\"\n" +
		"'services'.web.\"port\" = 80 # [services.web]\n" +
		"services.web.backends = {\n  a = { host = \"10.1.0.1\", # {\n    port = 1 }, \"b.c\" = {\n host = \"10.1.0.2\" } }\n" +
		"[services.web.pulse.args]\nhost = '10.0.0.2'\n" +
		"path = \"\"\"/a\\\n  ?\"[x]\"\"\"\"\nexpect = 200\n"
	desired := merge(t, decode(t, "gorb.toml", text))
	for field, want := range map[string]int{
		"services":                           1,
		"services.web":                       1,
		"services.web.host":                  1,
		"services.web.port":                  2,
		"services.web.backends":              3,
		"services.web.backends.a.port":       5,
		`services.web.backends."b.c".host`:   6,
		"services.web.pulse":                 7,
		"services.web.pulse.args.host":       8,
		"services.web.pulse.args.path":       9,
		"services.web.pulse.args.expect":     11,
		"services.web.pulse.args.method":     0,
		"services.web.backends.b.c":          0,
		"services..web":                      0,
		"services.web = 1":                   0,
		"services.web.backends.a.host.other": 0,
	} {
		source, line := declaredAt(desired, field)
		if line != want || line > 0 && source != "gorb.toml" {
			t.Errorf("%s is in %q, line %d, want line %d", field, source, line, want)
		}
	}
}

// declaredAt returns where a field is declared, 0 for nowhere.
func declaredAt(d *Desired, field string) (source string, line int) {
	p, ok := parsePath(field)
	if !ok {
		return "", 0
	}
	found := locate(d.layers, []path{p})[0]
	if found.depth < len(p) {
		return "", 0
	}
	return d.layers[found.layer].name, found.line
}

func TestPlaceIsInTheLastLayer(t *testing.T) {
	js, err := Decode("b.json", JSON, []byte("{\"services\": {\n\"web\": {\n\"port\":\n81}}}"))
	if err != nil {
		t.Fatal(err)
	}
	desired := merge(t, decode(t, "a.toml", "[services.web]\nhost = \"10.0.0.1\"\nport = 80\n"), js)
	for field, want := range map[string]string{
		"services.web.port": "b.json 3", "services.web.host": "a.toml 2", "services.web": "b.json 2",
	} {
		source, line := declaredAt(desired, field)
		if got := source + " " + string(rune('0'+line)); got != want {
			t.Errorf("%s is in %s, want %s", field, got, want)
		}
	}
}

func TestWithHost(t *testing.T) {
	desired := merge(t, decode(t, "gorb.toml", `
[services.web]
port = 80
[services.web.backends.a]
host = "10.1.0.1"
[services.mark]
fwmark = 1
[services.dns]
port = 53
[services.fixed]
host = "10.0.0.1"
port = 80
`)).WithInterface("bond0")
	if diff := cmp.Diff([]string{"dns", "web"}, desired.NeedHost()); diff != "" {
		t.Fatalf("NeedHost (-want +got):\n%s", diff)
	}

	tests := map[string]string{
		"10.0.0.2": "",
		"10.0.0.1": "gorb.toml:2: services.web: tcp 10.0.0.1:80 is service fixed already",
		"2001:db8::1": "gorb.toml:5: services.web.backends.a.host: 10.1.0.1 is ipv4 and the service ipv6; " +
			"only tunnels (tunnel, gue, gre) cross families, and this is nat",
		"": "gorb.toml:2: services.web.host: it is left out, and interface bond0 has no global address\n" +
			"gorb.toml:8: services.dns.host: it is left out, and interface bond0 has no global address",
		"fe80::1": "gorb.toml:2: services.web.host: it is left out, and fe80::1 of interface bond0 is a link-local " +
			"address, which IPVS cannot forward to\n" +
			"gorb.toml:8: services.dns.host: it is left out, and fe80::1 of interface bond0 is a link-local " +
			"address, which IPVS cannot forward to",
	}
	for host, want := range tests {
		addr, _ := netip.ParseAddr(host)
		with, err := desired.WithHost(addr)
		if want != "" {
			if err == nil || err.Error() != want {
				t.Errorf("%s: got:\n%v\nwant:\n%s", host, err, want)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if s := with.Services[3]; s.Name != "web" || s.Host != addr || s.Family != IPv4 || len(with.NeedHost()) > 0 {
			t.Errorf("%s: got %+v", host, s)
		}
	}
	if len(desired.NeedHost()) != 2 || desired.Gorb.Interface != "bond0" {
		t.Error("WithHost changed its receiver")
	}
	if _, err := merge(t).WithHost(netip.Addr{}); err != nil {
		t.Errorf("no service needs a host: %v", err)
	}
}

func TestEqual(t *testing.T) {
	const text = `
[services.web]
host = "10.0.0.1"
port = 80
protocol = "tcp"
method = "sh"
flags = "sh-port"
persistent = "1m"
persistence_netmask = 24
pe = "sip"
drain = "1m"
pulse = { type = "http", args = { path = "/", port = 9 } }
[services.web.backends.a]
host = "10.1.0.1"
port = 81
weight = 1
method = "nat"
upper_threshold = 20
lower_threshold = 10
pulse = { type = "tcp", interval = "1s", args.port = 9 }
[services.web.backends.tunnel]
host = "10.1.0.3"
method = "gue"
tunnel_port = 6080
tunnel_checksum = "csum"
`
	web := func(text string) *Service { return &merge(t, decode(t, "gorb.toml", text)).Services[0] }
	if !web(text).Equal(web(text)) {
		t.Error("a service does not equal itself")
	}
	for _, change := range [][2]string{
		{"10.0.0.1", "10.0.0.2"},
		{"port = 80", "port = 82"},
		{"protocol = \"tcp\"", "protocol = \"udp\""},
		{"flags = \"sh-port\"", "flags = \"\""},
		{`"sh"`, `"mh"`},
		{"persistent = \"1m\"", "persistent = \"2m\""},
		{"netmask = 24", "netmask = 23"},
		{"netmask = 24", "netmask = 0"},
		{`pe = "sip"`, `pe = ""`},
		{"upper_threshold = 20", "upper_threshold = 21"},
		{"lower_threshold = 10", "lower_threshold = 0"},
		{"tunnel_port = 6080", "tunnel_port = 6081"},
		{`"csum"`, `"remcsum"`},
		{"drain = \"1m\"", "drain = \"2m\""},
		{"drain = \"1m\"", "drain = \"1m\"\non_down = \"remove\""},
		{`path = "/"`, `path = "/a"`},
		{`"http"`, `"none"`},
		{"services.web.backends.a", "services.web.backends.b"},
		{"10.1.0.1", "10.1.0.2"},
		{"port = 81", "port = 82"},
		{"weight = 1", "weight = 2"},
		{`"1s"`, `"2s"`},
		{"pulse = { type = \"tcp\", interval = \"1s\", args.port = 9 }", ""},
		{"services.web", "services.www"},
	} {
		changed := strings.ReplaceAll(text, change[0], change[1])
		if change[0] == `"sh"` {
			changed = strings.ReplaceAll(changed, "sh-port", "flag-2")
		}
		if web(text).Equal(web(changed)) || web(changed).Equal(web(text)) {
			t.Errorf("%s makes no difference", change[1])
		}
	}
}
