package sources

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/pkg/spec"
)

// pairsOf makes pairs of keys and values, with indexes from 1.
func pairsOf(keysAndValues ...string) []pair {
	var pairs []pair
	for i := 0; i+1 < len(keysAndValues); i += 2 {
		pairs = append(pairs, pair{key: keysAndValues[i], value: []byte(keysAndValues[i+1]), index: uint64(1 + i/2)})
	}
	return pairs
}

func testTree() *tree { return &tree{name: "kv", base: "consul://h:8500", path: "gorb/prod/"} }

// TestTreeBothShapes reads GORB's records, as GORB writes them, to what gorb's own keys say.
func TestTreeBothShapes(t *testing.T) {
	theirs := pairsOf(
		"gorb/prod/", "",
		"gorb/prod/services/", "",
		"gorb/prod/services/web", `{"host":"10.0.0.1","port":80,"protocol":"tcp","method":"sh","flags":"sh-port","persistent":false}`,
		"gorb/prod/backends/", "",
		"gorb/prod/backends/a", `{"host":"10.1.0.1","port":80,"weight":50,"method":"ipip","pulse":{"type":"http","interval":"10min","args":{"path":"/","expect":"200"}},"vsid":"web"}`,
		"gorb/prod/backends/b", `{"host":"10.1.0.2","port":8080,"weight":100,"method":"nat","pulse":{"type":"tcp","interval":"1m","args":null},"vsid":"web"}`,
	)
	ours := pairsOf(
		"gorb/prod/services/web", "host = '10.0.0.1'\nport = 80\nmethod = 'sh'\nflags = 'sh-port'",
		"gorb/prod/services/web/backends/a", "host = '10.1.0.1'\nport = 80\nweight = 50\nmethod = 'tunnel'\n"+
			"pulse = { type = 'http', interval = '10m', args = { path = '/', expect = 200 } }",
		"gorb/prod/services/web/backends/b", `{"host": "10.1.0.2", "port": 8080, "pulse": {"type": "tcp"}}`,
		"gorb/prod/services/web/backends/", "",
	)
	var is [2]*spec.Desired
	for i, pairs := range [][]pair{theirs, ours} {
		doc, _, ignored, err := testTree().document(pairs)
		must(t, err)
		equal(t, "ignored", 0, len(ignored))
		is[i], err = spec.Merge(doc)
		must(t, err)
	}
	if !is[0].Services[0].Equal(&is[1].Services[0]) {
		t.Errorf("GORB's tree gives\n%+v\nand gorb's\n%+v", is[0].Services[0], is[1].Services[0])
	}
}

// TestTreeProblems names the key of each problem, and the line where the value has several.
func TestTreeProblems(t *testing.T) {
	for _, test := range []struct {
		name  string
		pairs []pair
		want  string
	}{
		{"syntax", pairsOf("gorb/prod/services/web", "{"), "consul://h:8500/gorb/prod/services/web#1"},
		{"field", pairsOf("gorb/prod/services/web", "host = '10.0.0.1'\nprot = 80"), "consul://h:8500/gorb/prod/services/web#1:2: services.web.prot: "},
		{"name", pairsOf("gorb/prod/services/w b\x1b", "{}"), "consul://h:8500/gorb/prod/services/w%20b%1B#1:1: "},
		{"empty value", pairsOf("gorb/prod/services/web", " \n"), "the value is empty; {} is a table without keys"},
		{"folder with a value", pairsOf("gorb/prod/services/web/", "{}"), "the key ends in / like a folder and has a value"},
		{"too deep", pairsOf("gorb/prod/services/web/port", "80"), "not services/NAME, services/NAME/backends/NAME or backends/NAME"},
		{"marker with more", pairsOf("gorb/prod/services", "{\"web\": {}}"), "only {} may stand here"},
		{"no vsid", pairsOf("gorb/prod/backends/a", `{"host":"10.1.0.1","port":1}`), "consul://h:8500/gorb/prod/backends/a#1"},
		{
			"twice", pairsOf("gorb/prod/backends/a", `{"vsid":"web","host":"10.1.0.1"}`, "gorb/prod/services/web/backends/a", "{}"),
			"consul://h:8500/gorb/prod/services/web/backends/a#2",
		},
		{"nothing", nil, `kv: no service under "gorb/prod/"`},
		{"only others' keys", pairsOf("gorb/prod/services2/web", "{}"), `kv: no service under "gorb/prod/"`},
		{"too big", pairsOf("gorb/prod/services/web", strings.Repeat(" ", spec.MaxRemoteSize+1)), "are over 16 MiB"},
	} {
		t.Run(test.name, func(t *testing.T) {
			doc, _, _, err := testTree().document(test.pairs)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got document %v, error %v, want %q", doc, err, test.want)
			}
			if _, ok := errors.AsType[spec.Problems](err); !ok {
				t.Errorf("%T is not spec.Problems", err)
			}
		})
	}
}

// TestTreeManyProblems says how many there are more.
func TestTreeManyProblems(t *testing.T) {
	var pairs []pair
	for n := range 1000 {
		pairs = append(pairs, pair{key: fmt.Sprintf("gorb/prod/services/s%03d", n), value: []byte("x"), index: 1})
	}
	_, _, _, err := testTree().document(pairs)
	if lines := strings.Split(err.Error(), "\n"); len(lines) != mostWrong+1 || lines[mostWrong] != "kv: and 900 more" {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1])
	}
}

// TestTreeIgnores names some of the keys that are not read.
func TestTreeIgnores(t *testing.T) {
	pairs := pairsOf("gorb/prod/services", "{}", "gorb/prod/lock\n", "x", "gorb/prod/services2/web", "{}")
	for n := range mostIgnored {
		pairs = append(pairs, pair{key: fmt.Sprintf("gorb/prod/z%d", n)})
	}
	_, _, ignored, err := testTree().document(pairs)
	must(t, err)
	if diff := cmp.Diff([]string{`gorb/prod/lock`, "gorb/prod/services2/web"}, ignored[:2]); diff != "" {
		t.Errorf("ignored (-want +got):\n%s", diff)
	}
	equal(t, "last", "and 2 more", ignored[len(ignored)-1])
}

// FuzzTree has no tree that panics, and no error without the address of what is wrong.
func FuzzTree(f *testing.F) {
	for _, seed := range []string{"services/web", "services/web/backends/a", "backends/a", "services", "services//", ""} {
		f.Add(seed, []byte(`{"vsid": "web", "host": "10.0.0.1", "port": 80}`), "services/x", []byte("host = '::1'"))
	}
	f.Fuzz(func(t *testing.T, key1 string, value1 []byte, key2 string, value2 []byte) {
		tree := testTree()
		doc, _, _, err := tree.document([]pair{{tree.path + key1, value1, 1}, {tree.path + key2, value2, 2}})
		if (doc == nil) == (err == nil) {
			t.Fatalf("document %v, error %v", doc, err)
		}
		if err == nil {
			return
		}
		problems, ok := errors.AsType[spec.Problems](err)
		if !ok {
			t.Fatalf("%T is not spec.Problems", err)
		}
		for _, p := range problems {
			if p.Source != tree.name && !strings.HasPrefix(p.Source, "consul://h:8500/") {
				t.Errorf("no address: %v", p)
			}
		}
	})
}
