package spec

import (
	"fmt"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// checkReader holds the reader to the parser: what it accepts, the parser accepts, and makes the same tree of; and it
// gets through what the parser accepts, which would else take ten times as long.
func checkReader(t interface{ Fatalf(string, ...any) }, text string) (accepted bool) {
	reader := tomlReader{tomlScanner: tomlScanner{text: text, line: 1}}
	got, ok := reader.document()
	want := make(map[string]any)
	_, err := toml.Decode(text, &want)
	switch {
	case !ok && err == nil && reader.limit == nil && reader.odd <= maxOdd && !strings.HasPrefix(text, utf8BOM):
		t.Fatalf("the reader stops at byte %d of %q", reader.pos, text)
	case !ok && reader.redefinitions() == nil:
		_, _, err := parseTOML(text)
		_, _, want := judgeTOML(text)
		redefined := want != nil && strings.Contains(want.Error(), " already ") // in the same statement
		if diff := cmp.Diff(want, err, cmp.AllowUnexported(pending{})); diff != "" && !redefined {
			t.Fatalf("%q (-the parser's error +ours):\n%s", text, diff)
		}
		return false
	case !ok || reader.redefinitions() != nil:
		return false
	case err != nil:
		t.Fatalf("the reader accepts what the parser does not: %v: %q", err, text)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateNaNs()); diff != "" {
		t.Fatalf("%q (-parser +reader):\n%s", text, diff)
	}
	return true
}

// TestReaderAndParser puts together what TOML has, right and wrong.
func TestReaderAndParser(t *testing.T) {
	words := []string{
		"a", "b", "c", ".", ".", " = ", "=", "=", "\n", "\n", "\n", "[", "]", "[", "]\n", "[[", "]]\n", "{", "}", "}\n", ",",
		" ", "1", "0", "-1", "+0", "007", "0x1f", "1_0", "9223372036854775808", "1.5", "1e3", "inf", "true", "false",
		"1979-05-27 07:32:00", `"a"`, `'b'`, `"\u00e9\e\x80"`, `"\a"`, `"\ud800"`, "\"\"\"\na\\\n b\"\"\"\"\n", "'''\na'''", `""`,
		"# é\n", "\r\n", "\r", "\t", "\v",
	}
	accepted := 0
	rapid.Check(t, func(r *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(words), 0, 20).Draw(r, "words"), "")
		if checkReader(r, text) {
			accepted++
		}
		checkReader(r, strings.Join(rapid.SliceOfN(anyStatement, 0, 8).Draw(r, "statements"), ""))
	})
	if accepted == 0 {
		t.Error("nothing was accepted")
	}
}

// anyStatement draws a line of TOML that is well alone, of few names, so that lines meet.
var anyStatement = rapid.Custom(func(t *rapid.T) string {
	name := rapid.SampledFrom([]string{"a", "b", `"c"`, "a.b", "b.a", "a.b.c", "a . 'b' . a"})
	value := rapid.SampledFrom([]string{
		"1", "-17", `"s"`, "1.0", "[1, [2]]", "[{a = 1}, {a.b = 2}, [{b = [{c = {}}]}]]", "{}", "{a = 1, b.c = {a = 2}}",
		"{a.b = 1, a.c = 2,}",
	})
	key := name.Draw(t, "key")
	return rapid.SampledFrom([]string{
		"[" + key + "]\n", "[[" + key + "]] # more\r\n", key + " = " + value.Draw(t, "value") + "\n",
	}).Draw(t, "statement")
})

// TestDefinedTwice: TOML forbids each, the parser not all of them; and none hides that host is wrong.
func TestDefinedTwice(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"key": {
			"services.web.port = 1\nservices.web.port = 2\nservices.web.port = 3",
			"x:2: services.web.port: the key is defined twice, first on line 1\n" +
				"x:3: services.web.port: the key is defined twice, first on line 1",
		},
		"key, inline": {
			"services.web = {port = 1,\nport = 2}",
			"x:2: services.web.port: the key is defined twice, first on line 1",
		},
		"header and header": {
			"[services.web]\nport = 1\n[services.web]\nport = 2\nmethod = 'rr'",
			"x:3: services.web: the table is defined twice, first on line 1",
		},
		"header and header, over a longer one": {
			"[services.web.backends.a]\nhost = '10.0.0.1'\n[services.web]\nport = 1\n[services.web]",
			"x:5: services.web: the table is defined twice, first on line 3",
		},
		"header and keys": {
			"[services.web]\nport = 1\n[services]\nweb.method = 'rr'\nweb.port = 2",
			"x:4: services.web: the table is defined twice, first on line 1",
		},
		"header and keys, further down": {
			"[services.web.backends.a]\nport = 1\n[services]\nweb.backends.a.weight = 2",
			"x:4: services.web.backends.a: the table is defined twice, first on line 1",
		},
		"keys and header": {
			"services.web.port = 1\n[services.web]\nmethod = 'rr'",
			"x:2: services.web: the table is defined twice, first on line 1",
		},
		"more keys and header": {
			"services.web.port = 1\nservices.web.method = 'rr'\n[services.web]",
			"x:3: services.web: the table is defined twice, first on line 1",
		},
		"inline and key": {
			"[services]\nweb = {port = 1}\nweb.method = 'rr'",
			"x:3: services.web: the table is defined twice, first on line 2",
		},
		"inline and header": {
			"[services]\nweb = {port = 1}\n[services.web]",
			"x:3: services.web: the table is defined twice, first on line 2",
		},
		"inline and longer header": {
			"[services]\nweb = {port = 1}\n[services.web.backends]",
			"x:3: services.web: the table is defined twice, first on line 2",
		},
		"key and inline": {
			"[services.web]\npulse.type = 'tcp'\npulse = {interval = '1s'}",
			"x:3: services.web.pulse: the table is defined twice, first on line 2",
		},
		"longer header and inline": {
			"[services.web.backends.a]\n[services]\nweb = {port = 1}",
			"x:3: services.web: the table is defined twice, first on line 1",
		},
		"longer header and value": {
			"[services.web.backends.a]\n[services]\nweb = 1",
			"x:3: services.web: the key is defined twice, as a table and as a plain value, first on line 1",
		},
		"value and header": {
			"[services.web]\npulse = 'tcp'\n[services.web.pulse]\ntype = 'tcp'",
			"x:2: services.web.pulse: a string, wanted a table\n" +
				"x:3: services.web.pulse: the key is defined twice, as a table and as a plain value, first on line 2",
		},
		"array and array of tables": {
			"services.web = []\n[[services.web]]",
			"x:1: services.web: an array, wanted a table\n" +
				"x:2: services.web: the key is defined twice, as a table and as a plain value, first on line 1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			bad := "[services.last]\nhost = 1\n"
			line := strings.Count(tt.text+"\n", "\n") + 2
			_, err := Decode("x", TOML, []byte(tt.text+"\n"+bad))
			want := tt.want + fmt.Sprintf("\nx:%d: services.last.host: 1 is a number, wanted an IP address", line)
			if err == nil {
				t.Fatal("it is accepted")
			}
			if diff := cmp.Diff(want, err.Error()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestTooOdd: what has many values that the reader leaves to the parser, the parser reads as a whole.
func TestTooOdd(t *testing.T) {
	text := "[services.web.backends.a]\n[services]\nweb = 1\n[x]\nx = [" + strings.Repeat("1.5,", maxOdd+1) + "]\n"
	checkReader(t, text)
	_, err := Decode("x", TOML, []byte(text))
	const want = "x:3: services.web: the key is defined twice, as a table and as a plain value\n"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestManyInlineTables: those of an array are beside one another, and not each within the last.
func TestManyInlineTables(t *testing.T) {
	if text := "a = [" + strings.Repeat("{b = 1}, ", 2*maxDepth) + "]\n"; !checkReader(t, text) {
		t.Error("the reader does not accept it")
	} else {
		checkScan(t, text)
	}
}
