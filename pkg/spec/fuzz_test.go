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
	f.Add([]byte("a=[[{b={c.d='#'}}],\"\"\"\\\n\"\"\"\"\"]\r\n[[x]]\n'k' .\"\\e\\u0041\"=1_0"))
	f.Fuzz(func(t *testing.T, data []byte) {
		checkScan(t, strings.TrimPrefix(string(data), utf8BOM))
		checkDecode(t, TOML, data)
	})
}

func FuzzDecodeJSON(f *testing.F) {
	seed(f, JSON)
	f.Add([]byte(`{"services":{"a":{"port":[{"a":1,"a":[]},1e9,"\ud800"],"p\u006frt":-0}}}`))
	f.Fuzz(func(t *testing.T, data []byte) { checkDecode(t, JSON, data) })
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
