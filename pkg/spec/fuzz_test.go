package spec

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

func FuzzDecodeTOML(f *testing.F) {
	seed(f, TOML)
	schema := compiled(f, JSONSchema())
	f.Add([]byte("a=[[{b={c.d='#'}}],\"\"\"\\\n\"\"\"\"\"]\r\n[[x]]\n'k' .\"\\e\\u0041\"=1_0"))
	f.Fuzz(func(t *testing.T, data []byte) {
		text := strings.TrimPrefix(string(data), utf8BOM)
		checkScan(t, text)
		if _, bad := unreadable(data, MaxSize); !bad {
			checkReader(t, text)
		}
		checkDecode(t, TOML, data)
		checkSchema(t, schema, "x", TOML, data)
	})
}

func FuzzDecodeJSON(f *testing.F) {
	seed(f, JSON)
	schema := compiled(f, JSONSchema())
	f.Add([]byte(`{"services":{"a":{"port":[{"a":1,"a":[]},1e9,"\ud800"],"p\u006frt":-0}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		checkDecode(t, JSON, data)
		checkSchema(t, schema, "x", JSON, data)
	})
}

func FuzzDecodeYAML(f *testing.F) {
	seed(f, YAML)
	schema := compiled(f, JSONSchema())
	for _, text := range []string{
		"services:\n  web: {port: 0x50, host: \"\\u0031\"}\n", "a: |\n  x\n---\nb: >-\n", "? [a]\n: &x *x\n", "%YAML 1.1\n--- !!map\n<<: {}\n",
		"sources: [{url: a, interval: 1ms}, ~, 5]\ninclude:\n- no\n-\n", "a: 010\nb: 1:30\n'c': 2001-01-01\n1: .5\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		checkDecode(t, YAML, data)
		checkSchema(t, schema, "x", YAML, data)
	})
}

// FuzzJoin joins a document with itself and with another, at a path and remote.
func FuzzJoin(f *testing.F) {
	f.Add([]byte("[services.web]\nport = 80\n[[sources]]\nurl = 'a'\n[gorb]\nenv = true\n"), []byte(`{"vsid":"web","host":"${X:-1}"}`))
	f.Fuzz(func(t *testing.T, one, two []byte) {
		env := func(name string) (string, bool) { return name, len(name)%2 == 0 }
		a, err := DecodeWith("x", TOML, one, Options{Env: env})
		if err != nil {
			checkPlaces(t, err)
		}
		b, err := DecodeWith("x", JSON, two, Options{Origin: Remote, At: []string{"backends", "a"}})
		if err != nil {
			checkPlaces(t, err)
		}
		if a == nil || b == nil {
			return
		}
		for _, parts := range [][]*Document{{a, b}, {a, a}, {b, b, a}} {
			d, err := Join("x", parts...)
			if err != nil {
				checkPlaces(t, err)
			}
			if _, err := Merge(d); err != nil {
				checkPlaces(t, err)
			}
		}
	})
}

func seed(f *testing.F, format Format) {
	files, err := filepath.Glob("testdata/*." + string(format))
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
}

// checkDecode checks that nothing panics, that every problem has its place, and that what is accepted comes back from
// both formats as it is.
func checkDecode(t *testing.T, format Format, data []byte) {
	doc, err := Decode("x", format, data)
	if err != nil {
		checkPlaces(t, err)
		return
	}
	desired, err := Merge(doc)
	if err != nil {
		checkPlaces(t, err)
		return
	}
	for _, format := range []Format{TOML, JSON} {
		checkRoundTrip(t, desired.Services, format)
	}
}

func checkPlaces(t *testing.T, err error) {
	problems, ok := err.(Problems)
	if !ok || len(problems) == 0 {
		t.Fatalf("%T is not Problems", err)
	}
	for _, p := range problems {
		if p.Source != "x" || p.Message == "" || p.Line == 0 && p.Path != "" {
			t.Errorf("a problem without a place or a message: %q", p)
		}
	}
}

// checkScan checks the scanner against the parser: it gets through what the parser accepts, unless that exceeds a
// limit, and knows the line of every key.
func checkScan(t *testing.T, text string) {
	var root map[string]any
	meta, err := toml.Decode(text, &root)
	if err != nil || strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff") {
		return
	}
	scan := tomlScanner{text: text, line: 1}
	if !scan.document() {
		if scan.limit == nil {
			t.Fatalf("the scanner stops at byte %d of %q, which the parser accepts", scan.pos, text)
		}
		return
	}
	var paths []path
	for _, key := range meta.Keys() {
		paths = append(paths, path(key))
	}
	for i, place := range locate([]*Document{{format: TOML, text: text}}, paths) {
		if place.depth != len(paths[i]) || place.line == 0 {
			t.Errorf("the scanner does not find %s in %q", paths[i], text)
		}
	}
}
