package examples_test

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gorb-io/gorb/pkg/spec"
)

// tables are the places where the schema has a table, each with how it is declared there; NONE is where a key goes
// that there is not.
var tables = map[string]string{
	"document": `NONE`,
	"gorb":     `"gorb": {NONE}`,
	"vip":      `"gorb": {"vip_interface": {NONE}}`,
	"api":      `"api": {NONE}`,
	"tls":      `"api": {"tls": {NONE}}`,
	"consul":   `"consul": {NONE}`,
	"source":   `"sources": [{"url": "a.toml", NONE}]`,
	"ipvs":     `"ipvs": {NONE}`,
	"timeouts": `"ipvs": {"timeouts": {NONE}}`,
	"sysctl":   `"ipvs": {"sysctl": {NONE}}`,
	"sync":     `"ipvs": {"sync": {NONE}}`,
	"master":   `"ipvs": {"sync": {"master": {NONE}}}`,
	"backup":   `"ipvs": {"sync": {"backup": {NONE}}}`,
	"defaults": `"defaults": {NONE}`,
	"service":  `"services": {"a": {NONE}}`,
	"backend":  `"services": {"a": {"backends": {"b": {NONE}}}}`,
	"pulse":    `"services": {"a": {"pulse": {NONE}}}`,
	"args":     `"services": {"a": {"pulse": {"args": {NONE}}}}`,
	"probe":    `"probe": {NONE}`,

	"token":  `"api": {"tokens": [{"name": "a", "role": "read", "file": "b", NONE}]}`,
	"user":   `"api": {"users": [{"name": "a", "role": "read", "password_hash": "` + hash + `", NONE}]}`,
	"client": `"api": {"tls": {"clients": [{"name": "a", "role": "read", NONE}]}}`,

	"service defaults": `"defaults": {"service": {NONE}}`,
	"backend defaults": `"defaults": {"backend": {NONE}}`,
	"pulse defaults":   `"defaults": {"pulse": {NONE}}`,
}

const hash = "$2y$10$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234"

// known returns the keys that gorb knows in a table, by what it says to one that it does not.
func known(t *testing.T, table string) []string {
	t.Helper()
	text := "{" + strings.Replace(tables[table], "NONE", `"QQQQQQQQQQQQ": 1`, 1) + "}"
	_, err := spec.Decode("none.json", spec.JSON, []byte(text))
	var problems spec.Problems
	if !errors.As(err, &problems) || len(problems) != 1 {
		t.Fatalf("%s: %v", text, err)
	}
	_, list, ok := strings.Cut(problems[0].Message, "there are ")
	if !ok {
		t.Fatalf("%s: %s", text, problems[0].Message)
	}
	return strings.Split(list, ", ")
}

// reference returns reference.toml as a tree.
func reference(t *testing.T) map[string]any {
	t.Helper()
	var tree map[string]any
	if _, err := toml.DecodeFile("reference.toml", &tree); err != nil {
		t.Fatal(err)
	}
	return tree
}

// under returns what is in a tree at a path; * is every key.
func under(tree any, path ...string) []map[string]any {
	table, ok := tree.(map[string]any)
	switch {
	case !ok:
		return nil
	case len(path) == 0:
		return []map[string]any{table}
	case path[0] != "*":
		return under(table[path[0]], path[1:]...)
	}
	var found []map[string]any
	for _, v := range table {
		found = append(found, under(v, path[1:]...)...)
	}
	return found
}

// TestReferenceIsWhole fails when the schema has a key that the reference lacks.
func TestReferenceIsWhole(t *testing.T) {
	tree := reference(t)
	pulses := append(under(tree, "services", "*", "pulse"), under(tree, "services", "*", "backends", "*", "pulse")...)
	shown := map[string][]map[string]any{
		"document":         under(tree),
		"gorb":             under(tree, "gorb"),
		"vip":              under(tree, "gorb", "vip_interface"),
		"api":              under(tree, "api"),
		"tls":              under(tree, "api", "tls"),
		"consul":           under(tree, "consul"),
		"ipvs":             under(tree, "ipvs"),
		"timeouts":         under(tree, "ipvs", "timeouts"),
		"sync":             under(tree, "ipvs", "sync"),
		"master":           under(tree, "ipvs", "sync", "*"),
		"backup":           under(tree, "ipvs", "sync", "*"),
		"defaults":         under(tree, "defaults"),
		"service defaults": under(tree, "defaults", "service"),
		"backend defaults": under(tree, "defaults", "backend"),
		"pulse defaults":   append(under(tree, "defaults", "pulse"), pulses...), // the same as a pulse has
		"service":          under(tree, "services", "*"),
		"backend":          under(tree, "services", "*", "backends", "*"),
		"pulse":            pulses,
		"probe":            under(tree, "probe"),
		"args": append(under(tree, "services", "*", "pulse", "args"),
			under(tree, "services", "*", "backends", "*", "pulse", "args")...),
	}
	for table := range tables {
		switch table {
		case "sysctl": // of which no kernel has them all
			continue
		case "source", "token", "user", "client": // which are in comments: TestReferenceShowsSources, TestReferenceShowsPeople
			continue
		}
		all := map[string]any{}
		for _, t := range shown[table] {
			maps.Copy(all, t)
		}
		if diff := cmp.Diff(known(t, table), slices.Sorted(maps.Keys(all))); diff != "" {
			t.Errorf("keys of %s (-known to gorb +in reference.toml):\n%s", table, diff)
		}
	}
}

// TestDocumentIsWhole fails when the schema has a key that docs/configuration.md does not name.
func TestDocumentIsWhole(t *testing.T) {
	text, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	for table := range tables {
		for _, key := range known(t, table) {
			if !strings.Contains(string(text), "`"+key+"`") && !strings.Contains(string(text), "."+key+"]") {
				t.Errorf("docs/configuration.md does not name %s, a key of %s", key, table)
			}
		}
	}
}

// without returns what the reference declares when a key is left out of it; "" is none. Where that is a key of a
// service, the defaults are left out as well, so that it is gorb's own that counts.
func without(t *testing.T, key string, path ...string) *spec.Desired {
	t.Helper()
	tree := reference(t)
	if path[0] == "services" {
		delete(tree, "defaults")
	}
	for _, table := range under(tree, path...) {
		if _, ok := table[key]; !ok && key != "" {
			t.Fatalf("%q has no %s", path, key)
		}
		delete(table, key)
	}
	text, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := spec.Decode("reference.json", spec.JSON, text)
	if err != nil {
		t.Fatal(err)
	}
	desired, err := spec.Merge(doc)
	if err != nil {
		t.Fatal(err)
	}
	return desired
}

// TestReferenceShowsDefaults fails when the reference sets something to another value than it has by default.
func TestReferenceShowsDefaults(t *testing.T) {
	keys := func(table string, but ...string) []string {
		return slices.DeleteFunc(known(t, table), func(key string) bool { return slices.Contains(but, key) })
	}
	for _, place := range []struct {
		path []string
		keys []string // those that have a default
	}{
		{[]string{"gorb"}, keys("gorb", "vip_interface")},
		{[]string{"gorb", "vip_interface"}, []string{"create"}},
		{[]string{"consul"}, keys("consul")},
		{[]string{"api"}, keys("api", "tls")},
		{[]string{"api", "tls"}, keys("tls")},
		{[]string{"probe"}, keys("probe", "allow")},
		{[]string{"ipvs", "sync", "master"}, keys("master", "interface", "maxlen")},
		{[]string{"defaults", "service"}, keys("service defaults", "pulse")},
		{[]string{"defaults", "backend"}, keys("backend defaults", "tunnel_port")},
		{[]string{"services", "web"}, keys("service", "host", "host_name", "port", "backends", "fwmark", "family", "pulse")},
		{[]string{"services", "web", "pulse"}, keys("pulse", "args", "initial_wait")},
		{[]string{"services", "web", "backends", "a"}, keys("backend", "host", "host_name", "pulse", "tunnel_port", "tunnel_checksum")},
		{[]string{"services", "web", "backends", "b"}, []string{"tunnel_checksum"}},
		{[]string{"services", "site"}, []string{"family"}},
	} {
		all := without(t, "", place.path...)
		for _, key := range place.keys {
			less := without(t, key, place.path...)
			if diff := cmp.Diff(all.Gorb, less.Gorb); diff != "" {
				t.Errorf("%s without %s (-want +got):\n%s", strings.Join(place.path, "."), key, diff)
			}
			if diff := cmp.Diff(all.Consul, less.Consul, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s without %s (-want +got):\n%s", strings.Join(place.path, "."), key, diff)
			}
			if diff := cmp.Diff(all.API, less.API); diff != "" {
				t.Errorf("%s without %s (-want +got):\n%s", strings.Join(place.path, "."), key, diff)
			}
			if all.Probe.MaxExec != less.Probe.MaxExec || all.Probe.MaxChecks != less.Probe.MaxChecks {
				t.Errorf("%s without %s is another: want %+v, got %+v", strings.Join(place.path, "."), key, all.Probe, less.Probe)
			}
			if !all.IPVS.Equal(less.IPVS) {
				t.Errorf("%s without %s is another: want %+v, got %+v", strings.Join(place.path, "."), key, all.IPVS, less.IPVS)
			}
			for i := range all.Services {
				if !all.Services[i].Equal(&less.Services[i]) {
					t.Errorf("%s without %s is another: want %+v, got %+v", strings.Join(place.path, "."), key,
						all.Services[i], less.Services[i])
				}
			}
		}
	}
}

// TestReferenceShowsSources fails when the reference lacks a key of [[sources]], which it has in comments, or sets one to
// another value than it has by default.
func TestReferenceShowsSources(t *testing.T) {
	shown := commented(t, "# [[sources]]")
	doc, err := spec.Decode("reference.toml", spec.TOML, []byte(shown))
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range doc.Sources() {
		want, err := spec.NewSourceDecl(got.URL)
		if err != nil {
			t.Fatal(err)
		}
		// These have no default but none.
		ignored := cmpopts.IgnoreFields(spec.SourceDecl{}, "Format", "CAFile", "CertFile", "KeyFile", "BearerTokenFile",
			"HeaderFiles", "TokenFile", "Datacenter", "Namespace")
		if diff := cmp.Diff(want, got, ignored); diff != "" {
			t.Errorf("%s (-defaults +reference.toml):\n%s", got.URL, diff)
		}
	}
	var tree struct{ Sources []map[string]any }
	if _, err := toml.Decode(shown, &tree); err != nil {
		t.Fatal(err)
	}
	all := map[string]any{}
	for _, source := range tree.Sources {
		maps.Copy(all, source)
	}
	if diff := cmp.Diff(known(t, "source"), slices.Sorted(maps.Keys(all))); diff != "" {
		t.Errorf("keys of a source (-known to gorb +in reference.toml):\n%s", diff)
	}
}

// TestReferenceShowsPeople is the same for who may use the API.
func TestReferenceShowsPeople(t *testing.T) {
	shown := commented(t, "# [[api.")
	if _, err := spec.Decode("reference.toml", spec.TOML, []byte(shown)); err != nil {
		t.Fatal(err)
	}
	var tree struct {
		API struct {
			Tokens, Users []map[string]any
			TLS           struct{ Clients []map[string]any }
		}
	}
	if _, err := toml.Decode(shown, &tree); err != nil {
		t.Fatal(err)
	}
	for table, elements := range map[string][]map[string]any{
		"token": tree.API.Tokens, "user": tree.API.Users, "client": tree.API.TLS.Clients,
	} {
		all := map[string]any{}
		for _, element := range elements {
			maps.Copy(all, element)
		}
		if diff := cmp.Diff(known(t, table), slices.Sorted(maps.Keys(all))); diff != "" {
			t.Errorf("keys of a %s (-known to gorb +in reference.toml):\n%s", table, diff)
		}
	}
}

// commented returns the paragraphs of the reference that are tables in comments, without their hashes.
func commented(t *testing.T, prefix string) string {
	t.Helper()
	text, err := os.ReadFile("reference.toml")
	if err != nil {
		t.Fatal(err)
	}
	var tables []string
	for _, paragraph := range strings.Split(string(text), "\n\n") {
		if strings.HasPrefix(paragraph, prefix) {
			tables = append(tables, strings.ReplaceAll("\n"+paragraph, "\n# ", "\n"))
		}
	}
	return strings.Join(tables, "\n")
}
