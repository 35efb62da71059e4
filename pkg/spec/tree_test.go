package spec

import (
	"reflect"
	"testing"
)

func decodedWith(t *testing.T, text string, f Format, o Options) *Document {
	t.Helper()
	doc, err := DecodeWith("doc", f, []byte(text), o)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestDocumentJSON reads what a document says from its JSON.
func TestDocumentJSON(t *testing.T) {
	env := Options{Env: func(name string) (string, bool) { return "10.0.0.7", name == "HOST" }}
	const web = "[services.web]\nhost = \"10.0.0.1\"\nport = 80\n"
	for _, tt := range []struct {
		name string
		docs []*Document
		want string
	}{
		{"no services", []*Document{decodedWith(t, "services: {}\n", YAML, Options{})}, `{"services":{}}`},
		{
			"what it says of others",
			[]*Document{decodedWith(t,
				"include = [\"a\"]\n[gorb]\nenv = true\nlisten = \":1\"\n[[sources]]\nurl = \"b.toml\"\n[services.web]\nhost = \"${HOST}\"\n", TOML, env)},
			`{"gorb":{"listen":":1"},"services":{"web":{"host":"10.0.0.7"}}}`,
		},
		{
			"not asked for",
			[]*Document{decodedWith(t, "[services.web]\nhost = \"10.0.0.1\"\nflags = \"sh-port\"", TOML, env)},
			`{"services":{"web":{"flags":"sh-port","host":"10.0.0.1"}}}`,
		},
		{"parts", []*Document{
			decodedWith(t, web, TOML, Options{}),
			decodedWith(t, `{"host": "10.1.0.1", "port": 8080, "vsid": "web"}`, JSON, Options{At: []string{"backends", "a"}}),
			decodedWith(t, `{"weight": 5, "host": "10.1.0.2"}`, JSON, Options{At: []string{"services", "web", "backends", "b"}}),
			decodedWith(t, "[defaults.service]\nmethod = \"rr\"\n", TOML, Options{}),
		}, `{"defaults":{"service":{"method":"rr"}},"services":{"web":{"backends":{"a":{"host":"10.1.0.1","port":8080},` +
			`"b":{"host":"10.1.0.2","weight":5}},"host":"10.0.0.1","port":80}}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			doc := tt.docs[0]
			if len(tt.docs) > 1 {
				joined, err := Join("all", tt.docs...)
				if err != nil {
					t.Fatal(err)
				}
				doc = joined
			}
			got, err := doc.JSON()
			if err != nil || string(got) != tt.want {
				t.Fatalf("%s, %v, and not %s", got, err, tt.want)
			}
			again, err := Decode("again", JSON, got)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(doc.declared, again.declared) {
				t.Errorf("it declares %+v, and not %+v", again.declared, doc.declared)
			}
		})
	}
	wrong, err := Decode("wrong", TOML, []byte("[services.web]\nport = 0.5"))
	if err == nil || wrong == nil {
		t.Fatalf("%v, %v", wrong, err)
	}
	if _, err := wrong.JSON(); err == nil {
		t.Error("what is wrong has a JSON")
	}
}
