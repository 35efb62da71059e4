package spec

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const oneBackend = "[services.web.backends.a]\nhost = \"10.1.0.1\"\n"

// TestPulseOf: what counts for a backend, in short, and what is warned of.
func TestPulseOf(t *testing.T) {
	port80 := "[services.web]\nhost = \"10.0.0.1\"\nport = 80\n"
	udp := port80 + "protocol = \"udp\"\n"
	mark := "[services.web]\nfwmark = 1\n"
	for name, tt := range map[string]struct {
		text     string
		want     string
		warnings string
	}{
		"nothing":                {port80 + oneBackend, `{ type = "tcp" }`, ""},
		"udp":                    {udp + oneBackend, `{ type = "none" }`, ""},
		"mark":                   {mark + oneBackend, `{ type = "none" }`, ""},
		"mark with a port":       {mark + oneBackend + "port = 80\n", `{ type = "tcp" }`, ""},
		"udp, another port":      {udp + "pulse = { type = \"http\", args = { port = 8080 } }\n" + oneBackend, `{ type = "http", args = { port = 8080 } }`, ""},
		"udp, exec":              {udp + "pulse = { type = \"exec\", args = { command = [\"x\"] } }\n" + oneBackend, `{ type = "exec", args = { command = ["x"] } }`, ""},
		"udp, http by default":   {"[defaults.pulse]\ntype = \"http\"\n" + udp + oneBackend, `{ type = "none" }`, ""},
		"mark, http by default":  {"[defaults.pulse]\ntype = \"http\"\n" + mark + oneBackend, `{ type = "none" }`, ""},
		"udp, a port by default": {"[defaults.pulse]\ntype = \"http\"\nargs.port = 8080\n" + udp + oneBackend, `{ type = "http", args = { port = 8080 } }`, ""},
		"mark, another port":     {mark + "pulse.args.port = 80\n" + oneBackend, `{ type = "tcp", args = { port = 80 } }`, ""},
		"udp, no type": {
			udp + "pulse.args.port = 8080\n" + oneBackend, `{ type = "none" }`,
			"x:5: services.web.pulse.args: nothing is checked here by default, as there is no port to connect to; " +
				"a type and args = { port = 8080 } say otherwise",
		},
		"its own": {port80 + "pulse.type = \"http\"\n" + oneBackend + "pulse.interval = \"5s\"\n", `{ type = "tcp", interval = "5s" }`, ""},
		"below both": {
			"[defaults.pulse]\ninterval = \"5s\"\nrise = 3\n[defaults.service.pulse]\nrise = 2\n" + port80 + "pulse.fall = 4\n" + oneBackend,
			`{ type = "tcp", interval = "5s", rise = 2, fall = 4 }`, "",
		},
		"below a backend's": {
			"[defaults.pulse]\ninterval = \"5s\"\nrise = 3\n[defaults.service.pulse]\nrise = 2\n" + port80 + oneBackend + "pulse.fall = 4\n",
			`{ type = "tcp", interval = "5s", rise = 3, fall = 4 }`, "",
		},
		"of another type": {
			port80 + "[services.web.pulse]\ntype = \"tcp\"\nargs = { path = \"/\", expect = 200, insecure = true }\n" + oneBackend,
			`{ type = "tcp" }`,
			"x:6: services.web.pulse.args.expect: it was written for type http, and this is tcp; it has no effect\n" +
				"x:6: services.web.pulse.args.insecure: it goes with type https, and this is tcp; it has no effect\n" +
				"x:6: services.web.pulse.args.path: it goes with type http or https, and this is tcp; it has no effect",
		},
		"of another type by default": {
			"[defaults.pulse]\nargs = { path = \"/\" }\n" + port80 + oneBackend, `{ type = "tcp" }`, "",
		},
		"GORB's, without a type": {
			port80 + "pulse.args.expect = \"404\"\n" + oneBackend, `{ type = "tcp" }`,
			"x:4: services.web.pulse.args.expect: a status goes with type http or https, and this is tcp; it has no effect",
		},
		"no effect": {
			port80 + "[services.web.pulse]\ntimeout = \"2m\"\nmax_interval = \"1h\"\ninitial = \"up\"\ninitial_wait = \"1s\"\n" +
				"restore = \"immediate\"\nwindow = 10\nslow_start = \"1s\"\n" + oneBackend,
			`{ type = "tcp", timeout = "2m", max_interval = "1h", initial = "up", initial_wait = "1s", ` +
				`restore = "immediate", window = 10, slow_start = "1s" }`,
			"x:5: services.web.pulse.timeout: timeout 2m is over interval 1m: a check without an answer holds up those after it\n" +
				"x:6: services.web.pulse.max_interval: it has no effect: without a backoff over 1 the interval does not grow\n" +
				"x:8: services.web.pulse.initial_wait: it has no effect: it goes with initial = \"kernel\"\n" +
				"x:10: services.web.pulse.window: it has no effect: it goes with restore = \"gradual\"\n" +
				"x:11: services.web.pulse.slow_start: it has no effect: it goes with restore = \"slow-start\"",
		},
		"the timeout by default": {
			port80 + "pulse.interval = \"1s\"\n" + oneBackend, `{ type = "tcp", interval = "1s" }`, "",
		},
		"the timeout of others": {
			"defaults.pulse.timeout = \"6s\"\n" + port80 + "pulse.interval = \"1s\"\n" + oneBackend,
			`{ type = "tcp", interval = "1s", timeout = "6s" }`,
			"x:5: services.web.pulse.interval: timeout 6s is over interval 1s: a check without an answer holds up those after it",
		},
		"bytes": {
			port80 + "pulse = { type = 'tcp', args = { send = 'a\\r\\n\\x00\\xff', expect = \"é\\\\\\\\\\t\" } }\n" + oneBackend,
			`{ type = "tcp", args = { expect = "é\\\\\\t", send = "a\\r\\n\\x00\\xff" } }`, "",
		},
		"statuses": {
			port80 + "pulse = { type = 'https', args = { expect = [200, \"300-399\"], headers = { x-a = 'b' } } }\n" + oneBackend,
			`{ type = "https", args = { expect = "200,300-399", headers = { X-A = "b" } } }`, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := merge(t, decode(t, "x", tt.text))
			s := &d.Services[0]
			got := tomlValue(s.PulseOf(&s.Backends[0]).appendTo(nil)[0].value)
			if got != tt.want {
				t.Errorf("got:  %s\nwant: %s", got, tt.want)
			}
			if diff := cmp.Diff(tt.warnings, d.Warnings.Error()); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

// TestPulseChangesType: a layer that changes the type does not make of the expectation of one type that of another.
func TestPulseChangesType(t *testing.T) {
	doc := func(pulse string) *Document {
		return mustParse("[services.web]\nhost = \"10.0.0.1\"\nport = 80\n" + pulse + oneBackend)
	}
	layer := func(pulse string) *Document { return mustParse("[services.web]\n" + pulse) }
	http := doc("pulse = { type = \"http\", args = { path = \"/a\", expect = \"200-299\" } }\n")
	for name, tt := range map[string]struct {
		docs []*Document
		want string
	}{
		"to tcp":            {[]*Document{http, layer("pulse.type = \"tcp\"\n")}, `{ type = "tcp" }`},
		"and back":          {[]*Document{http, layer("pulse.type = \"tcp\"\n"), layer("pulse.type = \"https\"\n")}, `{ type = "https", args = { expect = "200-299", path = "/a" } }`},
		"another, for http": {[]*Document{http, layer("pulse.args.expect = \"404\"\n"), layer("pulse.type = \"tcp\"\n")}, `{ type = "tcp" }`},
		"another, for tcp":  {[]*Document{http, layer("pulse = { type = \"tcp\", args.expect = \"220\" }\n")}, `{ type = "tcp", args = { expect = "220" } }`},
		"the type later":    {[]*Document{doc("pulse.args.expect = \"404\"\n"), layer("pulse.type = \"http\"\n")}, `{ type = "http", args = { expect = 404 } }`},
	} {
		d := merge(t, tt.docs...)
		s := &d.Services[0]
		if got := tomlValue(s.PulseOf(&s.Backends[0]).appendTo(nil)[0].value); got != tt.want {
			t.Errorf("%s: got %s, want %s", name, got, tt.want)
		}
	}
}

func TestPulseOfNobody(t *testing.T) {
	s := &Service{Protocol: TCP}
	if got := s.PulseOf(&Backend{Port: 80}); !got.equal(pulse(PulseTCP, time.Minute, Args{})) || got.Timeout != 5*time.Second {
		t.Errorf("got %+v", got)
	}
	if got := s.PulseOf(&Backend{}); got.Type != PulseNone {
		t.Errorf("port 0: got %+v", got)
	}
}

const remoteBase = `
[services.web]
host = "10.0.0.1"
port = 80
[services.web.backends.a]
host = "10.1.0.1"
[services.web.backends.b]
host = "10.1.0.2"
`

// TestRemotePulse: what a document from elsewhere may not say of a pulse.
func TestRemotePulse(t *testing.T) {
	_, err := DecodeWith("x", TOML, []byte(`[services.web.pulse]
type = "exec"
args = { command = ["a"], ca_file = "/etc/shadow", cert_file = "/etc/shadow", key_file = "/etc/shadow" }
[defaults.pulse.args]
ca_file = "/etc/shadow"
[services.web.backends.a.pulse]
type = "exec"
[probe]
max_exec = 1
`), Options{Origin: Remote})
	const no = ": only a local file may say this, and no document that comes from elsewhere"
	want := strings.ReplaceAll(`x:2: services.web.pulse.type: "exec" runs a programNO
x:3: services.web.pulse.args.ca_fileNO
x:3: services.web.pulse.args.cert_fileNO
x:3: services.web.pulse.args.commandNO
x:3: services.web.pulse.args.key_fileNO
x:5: defaults.pulse.args.ca_fileNO
x:7: services.web.backends.a.pulse.type: "exec" runs a programNO
x:8: probeNO`, "NO", no)
	if diff := cmp.Diff(want, problemsOf(t, err)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestAskedHosts: which addresses a document from elsewhere may have checked. Who wrote the address is what counts.
func TestAskedHosts(t *testing.T) {
	local := decode(t, "gorb.toml", remoteBase)
	const none = "is no backend's address, and this document is no local file: one that is may say [probe] allow = "
	for name, tt := range map[string]struct {
		local, remote string
		want          string
	}{
		"a backend":             {"", "services.web.pulse.args.host = \"10.1.0.2\"\n", ""},
		"another":               {"", "services.web.pulse.args.host = \"10.9.9.9\"\n", "url:1: services.web.pulse.args.host: 10.9.9.9 " + none + `["10.9.9.9/32"]`},
		"of a backend":          {"", "services.web.backends.a.pulse.args.host = \"10.9.9.9\"\n", "url:1: services.web.backends.a.pulse.args.host: 10.9.9.9 " + none + `["10.9.9.9/32"]`},
		"by default":            {"", "defaults.pulse.args.host = \"2001:db8::9\"\n", "url:1: defaults.pulse.args.host: 2001:db8::9 " + none + `["2001:db8::9/128"]`},
		"allowed":               {"probe.allow = [\"10.9.0.0/16\"]\n", "services.web.pulse.args.host = \"10.9.9.9\"\n", ""},
		"its own is allowed":    {"probe.allow = []\n", "services.web.backends.a.pulse.args.host = \"10.1.0.1\"\n", ""},
		"another's is not then": {"probe.allow = []\n", "services.web.backends.a.pulse.args.host = \"10.1.0.2\"\n", "url:1: services.web.backends.a.pulse.args.host: 10.1.0.2 is not within [probe] allow, and this document is no local file"},
		"a local file says so":  {"services.web.pulse.args.host = \"10.9.9.9\"\n", "services.web.pulse.args.path = \"/\"\n", ""},
		"both say so":           {"services.web.pulse.args.host = \"10.9.9.9\"\n", "services.web.pulse.args.host = \"10.9.9.9\"\n", "url:1: services.web.pulse.args.host: 10.9.9.9 " + none + `["10.9.9.9/32"]`},
		"type none":             {"", "services.web.pulse = { type = \"none\", args.host = \"10.9.9.9\" }\n", ""},
		"its own backend":       {"", "services.web.backends.c = { host = \"10.9.9.9\" }\nservices.web.pulse.args.host = \"10.9.9.9\"\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			remote, err := DecodeWith("url", TOML, []byte(tt.remote), Options{Origin: Remote})
			if err != nil {
				t.Fatal(err)
			}
			_, err = Merge(local, decode(t, "more.toml", tt.local), remote)
			if got := problemsOf(t, err); got != tt.want {
				t.Errorf("got:  %s\nwant: %s", got, tt.want)
			}
		})
	}
}

// TestAskedByOverride: an override that asks for such an address is set aside, at once or when its backend is gone.
func TestAskedByOverride(t *testing.T) {
	asks := over(
		`patch web {"pulse": {"args": {"host": "10.9.9.9"}}}`,
		`patch web/a {"pulse": {"args": {"host": "10.1.0.2"}}}`,
		`patch web/b {"host": "10.1.0.3"}`,
		`patch web {"method": "rr"}`,
	)
	got := Lay([]Layer{{Document: decode(t, "gorb.toml", remoteBase)}}, asks, nil)
	if got.Desired == nil || got.Desired.Services[0].Method != "rr" || got.Desired.Services[0].Pulse != nil {
		t.Fatalf("got %+v", got)
	}
	if len(got.Invalid) != 2 || got.Invalid[0] == nil || got.Invalid[2] == nil && got.Invalid[1] == nil {
		t.Errorf("set aside: %v", got.Invalid)
	}
	if want := "override web: services.web.pulse.args.host: 10.9.9.9 is no backend's address"; !strings.HasPrefix(got.Invalid[0].Error(), want) {
		t.Errorf("got %v, want %s", got.Invalid[0], want)
	}
}

// TestDefaultsPulse: Explain tells [defaults.pulse] from what lies over it.
func TestExplainDefaultsPulse(t *testing.T) {
	d := merge(t, decode(t, "a", `[defaults.service.pulse]
rise = 2
[defaults.pulse]
type = "http"
rise = 3
interval = "5s"
`+remoteBase+"[services.dns]\nprotocol = \"udp\"\nport = 53\n"), decode(t, "b", "[defaults.pulse]\nrise = 4\n"))
	for object, want := range map[string]string{
		"web/a": `pulse.rise = 2 (a:2 in defaults.service); not 4 (b:2 in defaults.pulse); not 3 (a:5 in defaults.pulse)
pulse.interval = "5s" (a:6 in defaults.pulse)
pulse.type = "http" (a:4 in defaults.pulse)`,
		"dns/": `pulse.type = "none" (default); not "http" (a:4 in defaults.pulse)`,
	} {
		service, backend, _ := strings.Cut(object, "/")
		fields, err := d.Explain(service, backend)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(want) {
			if got := explained(fields); !strings.Contains(got, strings.TrimSpace(line)+"\n") {
				t.Errorf("%s: got %s, want %s in it", object, got, line)
			}
		}
	}
}

// TestPulseNulls: a patch takes away a header, or all args.
func TestPulseNulls(t *testing.T) {
	doc := decode(t, "x", remoteBase+"[services.web.pulse]\ntype = \"http\"\n[services.web.pulse.args]\npath = \"/\"\nheaders = { X-A = \"1\", X-B = \"2\" }\n")
	for patch, want := range map[string]string{
		`{"pulse": {"args": {"headers": {"x-a": null, "X-C": "3"}}}}`: `{ type = "http", args = { headers = { X-B = "2", X-C = "3" }, path = "/" } }`,
		`{"pulse": {"args": {"headers": null}}}`:                      `{ type = "http", args = { path = "/" } }`,
		`{"pulse": {"args": null, "rise": 2}}`:                        `{ type = "http", rise = 2 }`,
	} {
		d, err := MergeWith([]*Document{doc}, over("patch web "+patch))
		if err != nil {
			t.Fatal(err)
		}
		if got := tomlValue(d.Services[0].Pulse.appendTo(nil)[0].value); got != want {
			t.Errorf("%s: got %s, want %s", patch, got, want)
		}
	}
}

// TestPulseFiles: files and programs of a pulse are beside the document; a program without a slash is looked for in PATH.
func TestPulseFiles(t *testing.T) {
	doc, err := DecodeWith("x", TOML, []byte(remoteBase+`
[services.web.pulse]
type = "https"
args = { ca_file = "ca.pem", cert_file = "/etc/cert.pem", key_file = "key.pem" }
[services.web.backends.a.pulse]
type = "exec"
args.command = ["checks/a", "b/c"]
[services.web.backends.b.pulse]
type = "exec"
args.command = ["true"]
`), Options{Dir: "etc"})
	if err != nil {
		t.Fatal(err)
	}
	s := merge(t, doc).Services[0]
	a := s.Pulse.Args
	got := append([]string{a.CAFile, a.CertFile, a.KeyFile}, s.Backends[0].Pulse.Args.Command...)
	got = append(got, s.Backends[1].Pulse.Args.Command...)
	if diff := cmp.Diff([]string{"etc/ca.pem", "/etc/cert.pem", "etc/key.pem", "etc/checks/a", "b/c", "true"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestPulseEqual: there is no field that Equal does not look at.
func TestPulseEqual(t *testing.T) {
	for _, table := range []func(*Pulse) reflect.Value{
		func(p *Pulse) reflect.Value { return reflect.ValueOf(p).Elem() },
		func(p *Pulse) reflect.Value { return reflect.ValueOf(&p.Args).Elem() },
	} {
		for i := range table(new(Pulse)).NumField() {
			p := new(Pulse)
			f := table(p).Field(i)
			for name, other := range map[string]any{
				"int": 1, "string": "a", "bool": true, "float64": 1.5, "time.Duration": time.Second, "uint16": uint16(1),
				"uint32": uint32(1), "netip.Addr": netip.MustParseAddr("::1"), "[]string": []string{"a"},
				"map[string]string": map[string]string{"a": "b"}, "[]spec.StatusRange": []StatusRange{{200, 200}},
				"spec.Args": Args{Port: 1},
			} {
				if name == f.Type().String() {
					f.Set(reflect.ValueOf(other))
				}
			}
			if f.IsZero() || p.equal(new(Pulse)) || !p.equal(p) {
				t.Errorf("%s makes no difference", table(p).Type().Field(i).Name)
			}
		}
	}
}

// TestEscapes: whatever the bytes are, they come back.
func TestEscapes(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		want := string(rapid.SliceOf(rapid.Byte()).Draw(r, "bytes"))
		if got, why := unescapeBytes(escapeBytes(want)); got != want || why != "" {
			r.Errorf("%q came back as %q: %s", want, got, why)
		}
	})
}

// FuzzPulse: whatever a pulse is, what comes of it can be written and read again, and is the same.
func FuzzPulse(f *testing.F) {
	f.Add(`{"type": "tcp", "args": {"send": "\\x00", "expect": "220", "regexp": "a*"}}`)
	f.Add(`{"type": "https", "backoff": 1.5, "args": {"expect": [200, "300-399"], "headers": {"a": "b"}, "path": "/?%20"}}`)
	f.Add(`{"args": {"command": ["a"], "expect_body_regexp": "(a{9}){9}", "host": "::1"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		doc, err := DecodeWith("x", JSON, []byte(text), Options{At: []string{"services", "web", "pulse"}})
		if err != nil {
			return
		}
		d, err := Merge(decode(t, "base", remoteBase), doc)
		if err != nil {
			return
		}
		for _, format := range []Format{TOML, JSON} {
			text, err := Encode(d.Services, format, "")
			if err != nil {
				t.Fatal(err)
			}
			back, err := Decode("back", format, text)
			if err != nil {
				t.Fatalf("%v in:\n%s", err, text)
			}
			if diff := cmp.Diff(d.Services, merge(t, back).Services, sameValues); diff != "" {
				t.Errorf("(-went +came):\n%s\n%s", diff, text)
			}
		}
	})
}

func TestOnDownAndProbe(t *testing.T) {
	d := merge(t, decode(t, "x", "[defaults.service]\non_down = \"remove\"\n"+remoteBase+"[services.dns]\nport = 53\non_down = \"drain\"\n"))
	if d.Services[0].RemoveDown || !d.Services[1].RemoveDown {
		t.Errorf("got %+v", d.Services)
	}
	d = merge(t, decode(t, "x", "[probe]\nallow = []\n[services]\n"))
	if d.Probe.Allow == nil || len(d.Probe.Allow) > 0 {
		t.Errorf("got %#v", d.Probe)
	}
	d = merge(t, decode(t, "x", "[probe]\nmax_exec = 1\nallow = [\"10.0.0.1\"]\n[services]\n"))
	if want := (Probe{MaxExec: 1, MaxChecks: 10_000, Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/32")}}); !cmp.Equal(want, d.Probe, sameValues) {
		t.Errorf("got %+v", d.Probe)
	}
}
