package spec

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Files that a document names are beside it, and what they are called stays as it was written.
func TestFilesBesideADocument(t *testing.T) {
	text := `
[consul]
token_file = "token"
ca_file = "/etc/ca.pem"
[[sources]]
url = "conf.d"
[[sources]]
url = "/srv/site.toml"
[[sources]]
url = "https://h/a.toml"
ca_file = "ca.pem"
bearer_token_file = "../bearer"
header_files = { X-Key = "key" }
`
	doc, err := DecodeWith("etc/gorb.toml", TOML, []byte(text), Options{Dir: "etc/"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range doc.Sources() {
		got = append(got, s.Name, s.URL, s.CAFile, s.BearerTokenFile, s.HeaderFiles["X-Key"])
	}
	c := doc.declared.consul
	got = append(got, c.tokenFile.value, c.caFile.value)
	want := []string{
		"conf.d", "etc/conf.d", "", "", "",
		"/srv/site.toml", "/srv/site.toml", "", "", "",
		"https://h/a.toml", "https://h/a.toml", "etc/ca.pem", "etc/../bearer", "etc/key",
		"etc/token", "/etc/ca.pem",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// What the program itself is to know is there before the services are whole.
func TestSettings(t *testing.T) {
	doc, err := Decode("a.toml", TOML, []byte("[gorb]\nstate_dir = \"/s\"\n[consul]\nregister = true\n[services.web]\nport = 80"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := Settings(doc)
	if err != nil || d.Gorb.StateDir != "/s" || d.Gorb.StartTimeout != defaultStart || !d.Consul.Register || !d.Incomplete {
		t.Errorf("got %+v, %v", d, err)
	}
	if doc, err = Decode("a.toml", TOML, []byte("[gorb.vip_interface]\ncreate = true")); err != nil {
		t.Fatal(err)
	}
	if _, err = Settings(doc); err == nil {
		t.Error("an interface without a name is not said")
	}
}
