package spec

import (
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
