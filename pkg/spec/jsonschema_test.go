package spec

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// compiled returns the schema as a validator has it, which checks it against that of its dialect.
func compiled(t testing.TB, text []byte) *jsonschema.Schema {
	t.Helper()
	whole, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", whole); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// generic returns a value as a validator takes it.
func generic(t testing.TB, v any) any {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	again, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// treeOf parses a document; nil where it cannot be parsed.
func treeOf(format Format, text []byte) map[string]any {
	d := &Document{name: "x", format: format, text: strings.TrimPrefix(string(text), utf8BOM)}
	root, err := d.parse(&checker{report: new(report)})
	if err != nil {
		return nil
	}
	return root
}

// checkSchema fails where a document is accepted and the schema does not have it.
func checkSchema(t testing.TB, schema *jsonschema.Schema, name string, format Format, text []byte) (accepted bool) {
	t.Helper()
	env := func(string) (string, bool) { return "10.0.0.1", true }
	if _, err := DecodeWith(name, format, text, Options{Env: env}); err != nil {
		return false
	}
	if err := schema.Validate(generic(t, treeOf(format, text))); err != nil {
		t.Errorf("%s is accepted, and not by the schema: %v", name, err)
	}
	return true
}

// fenced finds the documents in a page.
var fenced = regexp.MustCompile("(?ms)^```(toml|json|yaml)[^\n]*\n(.*?)^```$")

// TestSchemaTakesWhatDecodes reads all documents there are: those of the tests, the examples and the pages.
func TestSchemaTakesWhatDecodes(t *testing.T) {
	schema := compiled(t, JSONSchema())
	for _, root := range []struct {
		dir   string
		least int
	}{{"testdata", 50}, {"../../examples", 12}, {"../../docs", 20}} {
		accepted := 0
		err := filepath.WalkDir(root.dir, func(name string, _ fs.DirEntry, err error) error {
			format, ok := FormatOf(name)
			if err != nil || !ok && !strings.HasSuffix(name, ".md") {
				return err
			}
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			if ok {
				if checkSchema(t, schema, name, format, text) {
					accepted++
				}
				return nil
			}
			for _, m := range fenced.FindAllSubmatch(text, -1) {
				if checkSchema(t, schema, name, Format(m[1]), m[2]) {
					accepted++
				}
			}
			return nil
		})
		if err != nil || accepted < root.least {
			t.Errorf("%s: %d documents, %v", root.dir, accepted, err)
		}
	}
}

// eachKey calls do with the place and the schema of each key that gorb's tables have.
func eachKey(root *Schema, do func(place string, s *Schema)) {
	var walk func(at string, s *Schema)
	walk = func(at string, s *Schema) {
		for key, p := range s.Properties {
			place := strings.TrimPrefix(at+"."+key, ".")
			if at != "ipvs.sysctl" && key != schemaKey {
				do(place, p)
			}
			walk(place, p)
		}
		for _, p := range s.AnyOf {
			walk(at, p)
		}
		if s.Items != nil {
			walk(at, s.Items)
		}
		for kind, p := range s.Defs {
			walk(kind, p)
		}
	}
	walk("", root)
}

// TestSchemaSaysWhatKeysAreFor fails where a key has no sentence or no type, and where a sentence or a default has no key.
func TestSchemaSaysWhatKeysAreFor(t *testing.T) {
	keys := make(map[string]bool)
	eachKey(ConfigSchema(), func(place string, s *Schema) {
		keys[place] = true
		if s.Type == nil && s.AnyOf == nil && s.Ref == "" {
			t.Errorf("the schema does not say what %s may be: its reader does not describe itself", place)
		}
		first, _, _ := strings.Cut(s.Description, " ")
		if first == "" || first == "From" || first == "Over" || first == "Up" {
			t.Errorf("sentences do not say what %s is for", place)
		}
	})
	for place, sentence := range sentences {
		if !keys[place] {
			t.Errorf("there is a sentence for %s, and no such key", place)
		}
		if !strings.HasSuffix(sentence, ".") {
			t.Errorf("%s: %q has no end", place, sentence)
		}
	}
	for place := range schemaDefaults() {
		if !keys[place] {
			t.Errorf("there is a default for %s, and no such key", place)
		}
	}
}

// TestSchemaDefaults writes each default out, which is to change nothing.
func TestSchemaDefaults(t *testing.T) {
	places := map[string]string{ // a document for each table, which QQQ adds a key to
		"gorb":               `{"gorb": {QQQ}}`,
		"gorb.vip_interface": `{"gorb": {"vip_interface": {"name": "eth0", QQQ}}}`,
		"api":                `{"api": {QQQ}}`,
		"consul":             `{"consul": {QQQ}}`,
		"source":             `{"sources": [{"url": "%s", QQQ}]}`,
		"sync_daemon":        `{"ipvs": {"sync": {"master": {"interface": "eth0", QQQ}}}}`,
		"probe":              `{"probe": {QQQ}}`,
		"service":            `{"services": {"a": {"port": 80, "x": 1, QQQ}}}`,
		"backend":            `{"services": {"a": {"port": 80, "backends": {"b": {"host": "10.0.0.1", "x": 1, QQQ}}}}}`,
		"pulse":              `{"services": {"a": {"port": 80, "pulse": {"x": 1, QQQ}}}}`,
		"args":               `{"services": {"a": {"port": 80, "pulse": {"type": "https", "args": {"x": 1, QQQ}}}}}`,
	}
	for place, value := range schemaDefaults() {
		dot := strings.LastIndexByte(place, '.')
		text, ok := places[place[:dot]]
		if !ok {
			t.Errorf("%s is in no table that the test knows", place)
			continue
		}
		key := place[dot+1:]
		switch {
		case slices.Contains(keysOf[key], URLSource):
			text = strings.Replace(text, "%s", "http://a.example/", 1)
		case slices.Contains(keysOf[key], ConsulSource):
			text = strings.Replace(text, "%s", "consul://a.example/b", 1)
		}
		switch place {
		case "service.family":
			text = strings.Replace(text, `"port": 80`, `"fwmark": 1`, 1)
		case "backend.tunnel_checksum":
			text = strings.Replace(text, `"x": 1`, `"method": "gue", "tunnel_port": 1`, 1)
		}
		text = strings.Replace(text, `"x": 1, `, "", 1)
		written, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		with := strings.Replace(text, "QQQ", `"`+key+`": `+string(written), 1)
		without := regexp.MustCompile(`,? ?QQQ`).ReplaceAllString(text, "")
		if diff := cmp.Diff(cameTo(t, without), cameTo(t, with), sameValues); diff != "" {
			t.Errorf("%s (-without +with):\n%s", place, diff)
		}
	}
}

// cameTo is what a document comes to, but for where it says so.
func cameTo(t *testing.T, text string) any {
	t.Helper()
	d, err := Decode("x", JSON, []byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	m, err := Merge(d)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return []any{m.Gorb, m.IPVS, m.Consul, m.Probe, m.API, m.Services, d.Sources()}
}

// TestSchemaKey: an editor's $schema is none of gorb's.
func TestSchemaKey(t *testing.T) {
	for text, format := range map[string]Format{`{"$schema": "gorb.json", "services": {}}`: JSON, "$schema: gorb.json\nservices: {}": YAML} {
		a, err := Decode("x", format, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Join("x", a, a); err != nil {
			t.Error(err)
		}
		if got, err := a.JSON(); err != nil || string(got) != `{"services":{}}` {
			t.Errorf("%s, %v", got, err)
		}
	}
	for text, format := range map[string]Format{`{"$schema": 5}`: JSON, `"$schema" = "gorb.json"`: TOML} {
		if _, err := Decode("x", format, []byte(text)); err == nil {
			t.Errorf("%s is accepted", text)
		}
	}
}

// TestDefinitions has the definitions where OpenAPI wants them.
func TestDefinitions(t *testing.T) {
	parts := Definitions("#/components/schemas/")
	for _, tt := range []struct {
		kind, body string
		want       bool
	}{
		{"service", `{"port": 80, "backends": {"a": {"host": "10.1.0.1", "pulse": {"type": "HTTP"}}}}`, true},
		{"service", `{"port": 80, "backend": {}}`, false},
		{"service", `{"port": null}`, false},
		{"service", `{"backends": {"a/b": {}}}`, false},
		{"service", `{"protocol": "icmp"}`, false},
		{"backend", `{"weight": 0}`, true},
		{"backend", `{"weight": -1}`, false},
		{"backend", `{"host": "${HOST}"}`, false}, // the environment is for files
		{"service_patch", `{"port": null, "method": null, "drain": null, "pulse": {"args": {"expect": null, "headers": {"a": null}}}}`, true},
		{"service_patch", `{"pulse": null, "backends": {"a": null, "b": {"host": null, "pulse": {"type": null}}}}`, true},
		{"service_patch", `{"backends": {"a": {"none": null}}}`, false},
		{"backend_patch", `{"weight": null, "tunnel_checksum": null}`, true},
		{"backend_patch", `{"weight": "1"}`, false},
		{"configuration", `{"services": {"web": {"port": 80}}}`, true},
	} {
		text, err := json.Marshal(map[string]any{
			"$schema": dialect, "$ref": "#/components/schemas/" + tt.kind, "components": map[string]any{"schemas": parts},
		})
		if err != nil {
			t.Fatal(err)
		}
		var body any
		if err := json.Unmarshal([]byte(tt.body), &body); err != nil {
			t.Fatal(err)
		}
		if err := compiled(t, text).Validate(body); (err == nil) != tt.want {
			t.Errorf("%s %s: %v", tt.kind, tt.body, err)
		}
		if kind, ok := strings.CutSuffix(tt.kind, patched); ok && tt.want {
			o := Override{Kind: Patch, Service: "a", Body: []byte(tt.body)}
			if kind == "backend" {
				o.Backend = "b"
			}
			if err := o.Check(); err != nil {
				t.Error(err)
			}
		}
	}
	if strings.Contains(string(JSONSchema()), patched) {
		t.Error("the configuration's schema has merge patches in it")
	}
}
