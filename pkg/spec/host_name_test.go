package spec

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestHostName: a name is that of the host beside it, and goes when another host lies on top.
func TestHostName(t *testing.T) {
	const resolved = `{"host": "10.0.0.1", "port": 80, "host_name": "web.example.", "backends": ` +
		`{"a": {"host": "10.1.0.1", "host_name": "a"}}}`
	for _, tt := range []struct {
		overrides string
		want      string // of the service, and of its backend
	}{
		{"set web " + resolved, "web.example. a"},
		{"set web " + resolved + "\npatch web {\"port\": 81}\npatch web/a {\"weight\": 0}", "web.example. a"},
		{"set web " + resolved + "\npatch web {\"host\": \"10.0.0.2\"}\npatch web/a {\"host\": \"10.1.0.2\"}", " "},
		{"set web " + resolved + "\npatch web {\"host\": \"10.0.0.2\", \"host_name\": \"b.example\"}", "b.example a"},
		{"set web " + resolved + "\npatch web {\"host_name\": null}\npatch web/a {\"host_name\": \"b\"}", " b"},
		{"set web " + resolved + "\nset web/a {\"host\": \"10.1.0.1\"}", "web.example. "},
	} {
		d, err := MergeWith(nil, over(strings.Split(tt.overrides, "\n")...))
		if err != nil {
			t.Errorf("%s: %v", tt.overrides, err)
			continue
		}
		s := d.Services[0]
		if diff := cmp.Diff(tt.want, s.HostName+" "+s.Backends[0].HostName); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.overrides, diff)
		}
		other := s
		other.HostName = "other.example"
		if s.Equal(&other) {
			t.Error("another name is the same service")
		}
	}
}

// TestExplainHostName: who set another host took the name away.
func TestExplainHostName(t *testing.T) {
	docs := []*Document{decode(t, "a.toml", "[services.web]\nhost = \"10.0.0.1\"\nhost_name = \"web.example\"\nport = 80\n")}
	d, err := MergeWith(docs, over(`patch web {"host": "10.0.0.2"}`))
	if err != nil {
		t.Fatal(err)
	}
	fields, err := d.Explain("web", "")
	if err != nil {
		t.Fatal(err)
	}
	want := []Field{
		{Path: "host", Value: `"10.0.0.2"`, From: Place{Source: "override web"}, Hid: []Given{{`"10.0.0.1"`, Place{Source: "a.toml", Line: 2}}}},
		{Path: "host_name", From: Place{Source: "override web"}, Hid: []Given{{`"web.example"`, Place{Source: "a.toml", Line: 3}}}},
	}
	if diff := cmp.Diff(want, fields[:2]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestHostNames: names are the caller's to resolve, and stand beside their addresses then.
func TestHostNames(t *testing.T) {
	for _, tt := range []struct{ from, names, resolved string }{
		{
			`set web {"host": "web.example", "port": 80}`, "services.web.host=web.example",
			`{"host":"10.0.0.1","host_name":"web.example","port":80}`,
		},
		{`set web/a {"host": "localhost", "weight": 1.50}`, "services.web.backends.a.host=localhost", `{"host":"10.0.0.2","host_name":"localhost","weight":1.50}`},
		{`patch web {"host": "web.example", "host_name": null}`, "services.web.host=web.example", `{"host":"10.0.0.1","host_name":"web.example"}`},
		{
			`set web {"host": "fd00::1", "backends": {"b.1": {"host": "web.example", "host_name": "old"}, "a": {"host": "localhost"}, "c": {"host": "10.0.0.3"}}}`,
			`services.web.backends.a.host=localhost services.web.backends."b.1".host=web.example`,
			`{"backends":{"a":{"host":"10.0.0.2","host_name":"localhost"},"b.1":{"host":"10.0.0.1","host_name":"web.example"},"c":{"host":"10.0.0.3"}},"host":"fd00::1"}`,
		},
		{
			`patch web {"backends": {"a": null, "b": {"host": "web.example"}, "c": "web.example"}}`, "services.web.backends.b.host=web.example",
			`{"backends":{"a":null,"b":{"host":"10.0.0.1","host_name":"web.example"},"c":"web.example"}}`,
		},
		{`set web {"host": "other.example"}`, "services.web.host=other.example", `{"host":"other.example"}`},
		// None.
		{`set web {"host": "10.0.0.2", "host_name": "web.example"}`, "", ""},
		{`set web {"host": "10.0.0.300", "backends": {"a": {"host": "a:80"}, "b": {"Host": "web.example"}}}`, "", ""},
		{`set web/a {"backends": {"a": {"host": "web.example"}}}`, "", ""},
		{`set web {"pulse": {"args": {"host": "web.example"}}}`, "", ""},
		{`set web {"host": "web.example", "host": "web.example"}`, "", ""},
		{`set web {"host": "web.example"`, "", ""},
		{`set web ["web.example"]`, "", ""},
		{`hide web {"host": "web.example"}`, "", ""},
		{`hide web`, "", ""},
	} {
		o := over(tt.from)[0]
		var names []string
		for _, n := range o.HostNames() {
			names = append(names, n.Path+"="+n.Name)
		}
		if tt.resolved == "" {
			tt.resolved = string(o.Body)
		}
		got := o.Resolved(map[string]netip.Addr{
			"web.example": netip.MustParseAddr("::ffff:10.0.0.1"), "localhost": netip.MustParseAddr("10.0.0.2"),
		})
		if diff := cmp.Diff([2]string{tt.names, tt.resolved}, [2]string{strings.Join(names, " "), string(got.Body)}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.from, diff)
		}
	}
}

func TestIsHostName(t *testing.T) {
	label := strings.Repeat("a", 63)
	long := strings.Join([]string{label, label, label, label[:61]}, ".")
	for name, want := range map[string]bool{
		"localhost": true, "www.example.": true, "3com.example": true, "xn--bcher-kva.example": true, label: true, long: true,
		long + ".": true, "1.example": true,
		"": false, ".": false, "a..b": false, "a.example..": false, "-a": false, "a-.b": false, "a_b": false, "a b": false, "bücher": false,
		label + "a": false, long + "a": false, "10.0.0.1": false, "10.0.0": false, "256.0.0.1": false, "::1": false, "a:80": false,
	} {
		if got := IsHostName(name); got != want {
			t.Errorf("%q: %t", name, got)
		}
	}
}
