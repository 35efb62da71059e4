package spec

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestJoin(t *testing.T) {
	a := decode(t, "d/a.toml", `include = ["a"]
[gorb]
env = false
interface = "eth1"
[[sources]]
url = "a.toml"
[services.web]
port = 80
[services.web.backends.a]
host = "10.1.0.1"
`)
	b, err := Decode("d/b.yaml", YAML, []byte(`gorb: {env: false, resync: 5s}
include: [b]
sources: [{url: b.toml}]
services:
  web:
    backends:
      b: {host: 10.1.0.2}
  dns: {port: 53}
`))
	if err != nil {
		t.Fatal(err)
	}
	c, err := DecodeWith("d/c", JSON, []byte(`{"host":"10.1.0.3"}`), Options{At: []string{"services", "dns", "backends", "c"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, order := range [][]*Document{{a, b, c}, {c, b, a}, {b, a, c}} {
		d, err := Join("d", order...)
		if err != nil {
			t.Fatal(err)
		}
		if d.Name() != "d" || d.Empty() || len(d.Sources()) != 2 || len(d.Includes()) != 2 {
			t.Errorf("%s, empty %t, sources %v, includes %v", d.Name(), d.Empty(), d.Sources(), d.Includes())
		}
		all := merge(t, d)
		var got []string
		for _, s := range all.Services {
			for _, b := range s.Backends {
				got = append(got, fmt.Sprintf("%s:%d/%s", s.Name, s.Port, b.Name))
			}
		}
		if want := []string{"dns:53/c", "web:80/a", "web:80/b"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if all.Gorb.Interface != "eth1" || all.Gorb.Resync.String() != "5s" {
			t.Errorf("%+v", all.Gorb)
		}
		if diff := cmp.Diff([]string{"a", "b"}, slices.Sorted(slices.Values(d.Includes()))); diff != "" {
			t.Error(diff)
		}
	}
	if len(a.declared.services["web"].backends) != 1 {
		t.Error("Join changes its parts")
	}

	// What is wrong with the whole is found in the part that has it.
	d, err := Join("d", a, b, c)
	if err != nil {
		t.Fatal(err)
	}
	nested, err := Join("e", d, decode(t, "d/d.toml", "\n[services.www]\nport = 80\n"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = Merge(decode(t, "first.toml", ""), nested, decode(t, "last.toml", "[services.dns.backends.c]\nport = 80\nmethod = 'dr'\n"))
	want := "d/d.toml:2: services.www: tcp port 80 on the interface's address is service web already\n" +
		"last.toml:2: services.dns.backends.c.port: 80 is not the service's port 53, and method dr cannot change it"
	if diff := cmp.Diff(want, problemsOf(t, err)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestJoinTwice(t *testing.T) {
	parts := []string{
		`[services.web]
port = 80
[services.web.backends.a]
host = "10.1.0.1"
[gorb]
listen = ":1"
vip_interface = "gorb0"
[gorb.nothing]
[defaults.service.pulse]
type = "tcp"
[services.empty]
`, `[gorb]
vip_interface = { name = "gorb0" }
listen = ":1"
[services.web]
method = "rr"
[services.web.backends.a]
weight = 1
[services.web.backends.b]
host = "10.1.0.2"
[services.empty]
[defaults.service]
pulse.type = "tcp"
pulse.interval = "5s"
[[sources]]
url = "a"
[[sources]]
url = "b"
`, `[services.web.backends.b]
[[sources]]
url = "b"
[ipvs.sysctl]
conntrack = 2
`,
	}
	var docs []*Document
	for i, text := range parts {
		text = strings.Replace(text, "[gorb.nothing]\n", "\n", 1)
		d, err := Decode(fmt.Sprintf("%d.toml", i), TOML, []byte(text))
		if d == nil {
			t.Fatal(err)
		}
		docs = append(docs, d)
	}
	want := `1.toml:2: gorb.vip_interface: the key is in 0.toml:7 already
1.toml:3: gorb.listen: the key is in 0.toml:6 already
1.toml:4: services.web: the service is defined in 0.toml:1 already
1.toml:6: services.web.backends.a: the backend is defined in 0.toml:3 already
1.toml:10: services.empty: the service is defined in 0.toml:11 already
1.toml:12: defaults.service.pulse.type: the key is in 0.toml:10 already
2.toml:1: services.web.backends.b: the backend is defined in 1.toml:8 already
2.toml:2: sources[0]: source "b" is declared in 1.toml:16 already
2.toml:5: ipvs.sysctl.conntrack: 2 is over 1`
	d, err := Join("d", docs...)
	if diff := cmp.Diff(want, problemsOf(t, err)); diff != "" || d == nil {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, merged := Merge(d); problemsOf(t, merged) != err.Error() {
		t.Errorf("merged: %v", merged)
	}
	if d, err := Join("nothing"); err != nil || !d.Empty() {
		t.Errorf("no parts: %v, %v", d, err)
	}
}

// TestJoinIsMerge: documents that have nothing in common are joined to what they are merged to, in any order.
func TestJoinIsMerge(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var parts []*Document
		for i, s := range anyServices(r) {
			backends := s.Backends
			if rapid.Bool().Draw(r, "apart") {
				s.Backends = nil
				for _, b := range backends {
					text := jsonValue(b.settings())
					d, err := DecodeWith(fmt.Sprint(i, b.Name), JSON, []byte(text), Options{
						At: []string{"services", s.Name, "backends", b.Name},
					})
					if err != nil {
						r.Fatal(err)
					}
					parts = append(parts, d)
				}
			}
			text, err := Encode([]Service{s}, TOML, "")
			if err != nil {
				r.Fatal(err)
			}
			d, err := Decode(fmt.Sprint(i), TOML, text)
			if err != nil {
				r.Fatal(err)
			}
			parts = append(parts, d)
		}
		want, err := Merge(parts...)
		if err != nil {
			r.Fatal(err)
		}
		joined, err := Join("d", rapid.Permutation(parts).Draw(r, "parts")...)
		if err != nil {
			r.Fatal(err)
		}
		got, err := Merge(joined)
		if err != nil {
			r.Fatal(err)
		}
		if diff := cmp.Diff(want.Services, got.Services, sameValues); diff != "" {
			r.Fatalf("(-want +got):\n%s", diff)
		}
		text, err := joined.JSON()
		if err != nil {
			r.Fatal(err)
		}
		again, err := Decode("json", JSON, text)
		if err != nil {
			r.Fatalf("%v in %s", err, text)
		}
		if got, err = Merge(again); err != nil {
			r.Fatal(err)
		}
		if diff := cmp.Diff(want.Services, got.Services, sameValues); diff != "" {
			r.Fatalf("by way of JSON (-want +got):\n%s", diff)
		}
	})
}
