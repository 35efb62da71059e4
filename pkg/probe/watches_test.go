package probe

import (
	"fmt"
	"net/netip"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/pkg/spec"
)

// declared decodes services, as who runs gorb writes them.
func desiredOf(t testing.TB, text string) *spec.Desired {
	t.Helper()
	doc, err := spec.Decode("gorb.toml", spec.TOML, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	d, err := spec.Merge(doc)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestWatches(t *testing.T) {
	d := desiredOf(t, `
[services.web]
host = "10.0.0.1"
port = 80
pulse = { type = "http", interval = "10s", fast_interval = "1s", timeout = "2s", rise = 2, fall = 3, backoff = 1.5, max_interval = "1m", initial = "down", restore = "slow-start", slow_start = "30s", args = { path = "/a b?c=d", reuse = true } }
[services.web.backends]
a = { host = "10.1.0.1", port = 8080 }
b = { host = "2001:db8::1", method = "tunnel", pulse = { type = "tcp" } }
c = { host = "10.1.0.3", pulse = { type = "none" } }
d = { host = "10.1.0.4", pulse = { type = "exec", initial = "up", restore = "immediate", args = { command = ["/bin/check", "it's", "\"me\""], port = 9, mark = 5, source = "10.9.0.1" } } }
e = { host = "10.1.0.5", pulse = { type = "https", args = { host = "10.2.0.1", port = 443 } } }

[services.dns]
host = "10.0.0.1"
port = 53
protocol = "udp"
backends.a = { host = "10.1.0.1" }
`)
	type row struct {
		Ref    Ref
		Target Target
		Keeps  bool
	}
	var k Kinds
	var got []row
	policies := make(map[string]Policy)
	for i := range d.Services {
		for _, w := range k.Watches(&d.Services[i]) {
			got = append(got, row{w.Ref, w.Target, w.Keeps})
			policies[w.Ref.Backend] = w.Policy
		}
	}
	if d := cmp.Diff([]row{
		{Ref{"web", "a"}, Target{"http", `10.1.0.1:8080 path="/a b?c=d" reuse=true`}, true},
		{Ref{"web", "b"}, Target{"tcp", `[2001:db8::1]:80`}, false},
		{Ref{"web", "d"}, Target{"exec", `10.1.0.4:9 source="10.9.0.1" mark=5 command="/bin/check","it's","\"me\"" of="web"/"d"`}, false},
		{Ref{"web", "e"}, Target{"https", `10.2.0.1:443`}, false},
	}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	usual := Policy{
		Interval: time.Minute, FastInterval: time.Minute, Timeout: 5 * time.Second, Rise: 1, Fall: 1,
		Backoff: 1, MaxInterval: 10 * time.Minute, Window: 100, SlowStart: time.Minute,
	}
	program := usual
	program.Initial, program.Restore = InitialUp, Immediate
	if d := cmp.Diff(map[string]Policy{
		"a": {
			Interval: 10 * time.Second, FastInterval: time.Second, Timeout: 2 * time.Second, Rise: 2, Fall: 3,
			Backoff: 1.5, MaxInterval: time.Minute, Initial: InitialDown, Restore: SlowStart, Window: 100, SlowStart: 30 * time.Second,
		},
		"b": usual, "d": program, "e": usual,
	}, policies); d != "" {
		t.Errorf("policies (-want +got):\n%s", d)
	}
}

// argsOf are what the types of pulse take, each arg with a value that is not its default.
var argsOf = map[string]spec.Args{
	spec.PulseTCP: {Send: "hello\r\n", Expect: "220 ", Regexp: "^2"},
	spec.PulseHTTP: {
		Method: "PUT", Path: "/health", Headers: map[string]string{"Accept": "text/plain"}, HostHeader: "www.example",
		Body: "ping", Statuses: []spec.StatusRange{{From: 204, To: 299}}, ExpectBody: "ok", ExpectBodyRegexp: "^ok$",
		HTTP2: true, Follow: true, Reuse: true,
	},
	spec.PulseHTTPS: {ServerName: "www.example", CAFile: "ca.pem", CertFile: "cert.pem", KeyFile: "key.pem", Insecure: true},
	spec.PulseExec:  {Command: []string{"/bin/check", "-v"}},
}

// everyKind is what every type takes.
var everyKind = spec.Args{
	Host: netip.MustParseAddr("10.9.0.1"), Port: 81, Source: netip.MustParseAddr("10.9.0.2"), Mark: 7,
}

// watched makes the watch of a backend whose pulse has args.
func watched(kind string, a spec.Args) Watch {
	if kind == spec.PulseExec && a.Command == nil {
		a.Command = []string{"/bin/true"} // without which there is none
	}
	if a.CertFile != "" || a.KeyFile != "" { // one does not go without the other
		a.CertFile, a.KeyFile = a.CertFile+"c", a.KeyFile+"k"
	}
	s := &spec.Service{Name: "web", Backends: []spec.Backend{{
		Name: "a", Host: netip.MustParseAddr("10.1.0.1"), Port: 80, Pulse: &spec.Pulse{Type: kind, Args: a, Timeout: time.Second},
	}}}
	return (&Kinds{}).Watches(s)[0]
}

// same reports whether two checkers do the same.
func same(a, b Checker) bool {
	return cmp.Equal(a, b,
		cmp.Comparer(func(a, b *TLS) bool { return a == b || a != nil && b != nil && a.files == b.files }),
		cmp.Comparer(func(a, b *regexp.Regexp) bool { return fmt.Sprint(a) == fmt.Sprint(b) }),
		cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
		cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
		cmp.Exporter(func(reflect.Type) bool { return true }))
}

// TestArgs has every arg there is, one that is new too, tell a check from others.
func TestArgs(t *testing.T) {
	args := reflect.TypeFor[spec.Args]()
	for i := range args.NumField() {
		field, tried := args.Field(i).Name, false
		for kind := range kinds {
			from := reflect.ValueOf(everyKind).Field(i)
			if from.IsZero() {
				from = reflect.ValueOf(argsOf[kind]).Field(i)
			}
			if from.IsZero() && kind == spec.PulseHTTPS {
				from = reflect.ValueOf(argsOf[spec.PulseHTTP]).Field(i)
			}
			if from.IsZero() {
				continue
			}
			tried = true
			var a spec.Args
			reflect.ValueOf(&a).Elem().Field(i).Set(from)
			plain, with, again := watched(kind, spec.Args{}), watched(kind, a), watched(kind, a)
			c := with.Checker()
			switch {
			case plain.Target == with.Target:
				t.Errorf("%s of %s: both are %+v", field, kind, with.Target)
			case with.Target != again.Target:
				t.Errorf("%s of %s: it is %+v, and then %+v", field, kind, with.Target, again.Target)
			case reflect.TypeOf(c) == reflect.TypeFor[unmakable]():
				t.Errorf("%s of %s: %v", field, kind, c.(unmakable).why)
			case same(plain.Checker(), c):
				t.Errorf("%s of %s: the check is the same with it", field, kind)
			case !same(again.Checker(), c):
				t.Errorf("%s of %s: the check is another each time", field, kind)
			}
		}
		if !tried {
			t.Errorf("%s: no kind has it in this test", field)
		}
	}
}

// TestOwned keeps nothing of what args were read from.
func TestOwned(t *testing.T) {
	var a spec.Args
	for _, from := range argsOf {
		v := reflect.ValueOf(&a).Elem()
		for i := range v.NumField() {
			if f := reflect.ValueOf(from).Field(i); !f.IsZero() {
				v.Field(i).Set(f)
			}
		}
	}
	b := owned(a)
	if !a.Equal(&b) {
		t.Fatalf("it is %+v, and was %+v", b, a)
	}
	for i := range reflect.TypeFor[spec.Args]().NumField() {
		field, x, y := reflect.TypeFor[spec.Args]().Field(i), reflect.ValueOf(a).Field(i), reflect.ValueOf(b).Field(i)
		shared := false
		switch x.Kind() {
		case reflect.String:
			shared = unsafe.StringData(x.String()) == unsafe.StringData(y.String())
		case reflect.Map, reflect.Slice:
			shared = x.Pointer() == y.Pointer()
		}
		if shared {
			t.Errorf("%s is shared", field.Name)
		}
	}
	if unsafe.StringData(a.Command[0]) == unsafe.StringData(b.Command[0]) {
		t.Error("the program's name is shared")
	}
}

// TestTargets has different checks have different targets, and the same check the same.
func TestTargets(t *testing.T) {
	long := strings.Repeat("x", 60_000)
	seen := make(map[Target]int)
	for i, a := range []spec.Args{
		{Path: `/" reuse=true`},
		{Path: "/", Reuse: true},
		{Path: "/a"},
		{Body: long},
		{Body: long + "x"},
		{Body: long, ExpectBody: "x"},
		{Headers: map[string]string{"A": "1", "B": "2"}},
		{Headers: map[string]string{"A": "1,B=2"}},
	} {
		w := watched(spec.PulseHTTP, a)
		if was, ok := seen[w.Target]; ok {
			t.Errorf("%d and %d have the target %+v", was, i, w.Target)
		}
		seen[w.Target] = i
		if len(w.Target.Args) > 300 {
			t.Errorf("%d: a target of %d bytes", i, len(w.Target.Args))
		}
	}
	usual := spec.Args{Method: "GET", Path: "/", Statuses: []spec.StatusRange{{From: 200, To: 200}}}
	if a, b := watched(spec.PulseHTTP, spec.Args{}), watched(spec.PulseHTTP, usual); a.Target != b.Target {
		t.Errorf("what is the default anyway makes %+v of %+v", b.Target, a.Target)
	}
}

func TestUnmakable(t *testing.T) {
	for _, tt := range []struct {
		kind string
		args spec.Args
		text string
	}{
		{spec.PulseTCP, spec.Args{Regexp: "("}, "error parsing regexp: missing closing ): `(`"},
		{spec.PulseTCP, spec.Args{Source: netip.MustParseAddr("::1")}, "source ::1: not of the family of 10.1.0.1"},
		{spec.PulseHTTP, spec.Args{ExpectBodyRegexp: "("}, "error parsing regexp: missing closing ): `(`"},
		{spec.PulseHTTP, spec.Args{Path: "%"}, `path "%" must begin with / and have no #`},
	} {
		w := watched(tt.kind, tt.args)
		r, trace := w.Once(t.Context())
		want(t, r, Unmade, tt.text)
		if len(trace.Steps) != 1 {
			t.Errorf("steps %v", trace.Steps)
		}
	}
}

// TestAccepted makes of what pkg/spec takes, at its edges, checks that can be made.
func TestAccepted(t *testing.T) {
	for _, pulse := range []string{
		`{ type = "tcp", args = { send = '\x00\xff', regexp = "(?s)." } }`,
		`{ type = "http", args = { path = "/a b?c=d%20e", host_header = "[::1]:8080", method = "HEAD", expect = "100-599" } }`,
		`{ type = "http", args = { headers = { User-Agent = "x", X-Empty = "" }, body = "x", method = "!#$%&'*+.^_|~" } }`,
		`{ type = "https", args = { insecure = true, ca_file = "/nowhere", server_name = "::1" } }`,
		`{ type = "https", args = { cert_file = "a", key_file = "b", http2 = true, reuse = true, follow = true } }`,
		`{ type = "exec", args = { command = ["sub/check", "", "x"] } }`,
		`{ type = "exec", args = { command = ["true"] } }`,
	} {
		d := desiredOf(t, "[services.web]\nhost = \"10.0.0.1\"\nport = 80\npulse = "+pulse+"\nbackends.a = { host = \"fd00::1\", method = \"tunnel\" }\n")
		w := (&Kinds{}).Watches(&d.Services[0])
		if c, ok := w[0].Checker().(unmakable); ok {
			t.Errorf("%s: %v", pulse, c.why)
		}
	}
}

// TestSharing has watches of one service, and of several, share what TLS needs.
func TestSharing(t *testing.T) {
	d := desiredOf(t, `
[defaults.service.pulse]
type = "https"
args = { ca_file = "/ca.pem", expect_body_regexp = "ok" }
[services]
web = { host = "10.0.0.1", port = 80, backends = { a = { host = "10.1.0.1" }, b = { host = "10.1.0.2" } } }
app = { host = "10.0.0.2", port = 80, backends = { a = { host = "10.1.0.1" } } }
`)
	var k Kinds
	var all []*httpCheck
	for i := range d.Services {
		for _, w := range k.Watches(&d.Services[i]) {
			all = append(all, w.Checker().(*httpCheck))
		}
	}
	if len(all) != 3 || all[0].decl.TLS != all[1].decl.TLS || all[0].decl.TLS != all[2].decl.TLS {
		t.Errorf("they do not share it: %v", all)
	}
	if all[1].decl.Regexp != all[2].decl.Regexp {
		t.Error("the backends of a service have each their own regular expression")
	}
}

func BenchmarkWatches(b *testing.B) {
	for name, pulse := range map[string]*spec.Pulse{
		"tcp":  nil,
		"http": {Type: spec.PulseHTTP, Args: spec.Args{Path: "/health", Statuses: []spec.StatusRange{{From: 200, To: 299}}}},
		"exec": {Type: spec.PulseExec, Args: spec.Args{Command: []string{"/usr/lib/gorb/check", "-v"}}},
	} {
		s := &spec.Service{Name: "web", Pulse: pulse}
		for i := range 1000 {
			s.Backends = append(s.Backends, spec.Backend{
				Name: fmt.Sprintf("b%d", i), Host: netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), Port: 80,
			})
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var k Kinds
			for b.Loop() {
				_ = k.Watches(s)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/backend")
		})
	}
}
