package spec

import (
	"encoding/json"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"
)

// resolved is the schema that a reference leads to.
func (s *Schema) resolved(root *Schema) *Schema {
	if name, ok := strings.CutPrefix(s.Ref, "#/$defs/"); ok {
		return root.Defs[name]
	}
	return s
}

// within returns the schema of what a table or an array has at a key; nil where it can have none.
func (s *Schema) within(root *Schema, key string) *Schema {
	s = s.resolved(root)
	if p, ok := s.Properties[key]; ok {
		return p.resolved(root)
	}
	if s.Items != nil && strings.HasPrefix(key, indexMark) {
		return s.Items.resolved(root)
	}
	if rest, ok := s.AdditionalProperties.(*Schema); ok {
		return rest.resolved(root)
	}
	for _, one := range s.AnyOf {
		if p := one.within(root, key); p != nil {
			return p
		}
	}
	return nil
}

// everySource has the keys of all kinds of sources.
const everySource = `{"sources": [
	{"url": "a.toml", "name": "a", "below": true, "format": "yaml", "env": false},
	{"url": "https://a.example/b", "interval": "30s", "timeout": "9s", "ca_file": "ca", "cert_file": "c", "key_file": "k",
	 "header_files": {"X-Key": "x"}, "max_removal": "50%", "max_removal_floor": 5, "hold": "1m"},
	{"url": "https://a.example/c", "bearer_token_file": "x"},
	{"url": "consul://a.example/b/", "settle": "1s", "wait": "5m", "token_file": "x", "datacenter": "a", "namespace": "b", "stale": true}
]}`

// agreement compares what Decode and the schema say of documents that differ in one value.
type agreement struct {
	*testing.T
	root   *Schema
	schema *jsonschema.Schema
	tree   map[string]any
	tried  int
}

// judge says who accepts the tree.
func (a *agreement) judge() (decoder, schema bool) {
	text, err := json.Marshal(a.tree)
	if err != nil {
		a.Fatal(err)
	}
	env := func(string) (string, bool) { return "", false }
	_, err = DecodeWith("x", JSON, text, Options{Env: env})
	return err == nil, a.schema.Validate(generic(a, a.tree)) == nil
}

// walk tries other values for all that is in a part of the tree. Set puts one in its place.
func (a *agreement) walk(at path, s *Schema, v any, set func(any)) {
	for _, other := range others(s) {
		set(other)
		decoder, schema := a.judge()
		if decoder != schema {
			a.Errorf("%s = %#v: it is %t that it is accepted, and %t by the schema", at, other, decoder, schema)
		}
		a.tried++
	}
	set(v)
	here := at[:len(at):len(at)]
	switch v := v.(type) {
	case map[string]any:
		for _, key := range sortedKeys(v) {
			a.walk(append(here, key), s.within(a.root, key), v[key], func(other any) { v[key] = other })
		}
		if s.AdditionalProperties == false {
			v["unknown_key"] = 1
			if decoder, schema := a.judge(); decoder || schema {
				a.Errorf("%s: another key is accepted: %t, by the schema: %t", at, decoder, schema)
			}
			delete(v, "unknown_key")
		}
	case []any:
		for i := range v {
			key := indexKey(i)
			a.walk(append(here, key), s.within(a.root, key), v[i], func(other any) { v[i] = other })
		}
	}
}

// others are values of all types, at the ends of the range and beyond, and words known and not known. What is in other
// strings the schema knows less of.
func others(s *Schema) []any {
	values := []any{
		nil, true, false, -1, 0, 1, 1 << 40, json.Number("1e400"), 1.5, -0.5,
		[]any{},
		[]any{1.5},
		[]any{[]any{}},
		map[string]any{"unknown key": 1},
	}
	for _, end := range []*int64{s.Minimum, s.Maximum} {
		if end != nil && *end < math.MaxInt64 {
			values = append(values, *end-1, *end, *end+1)
		}
	}
	for _, one := range append(s.AnyOf, s) {
		for _, word := range one.Enum {
			values = append(values, word, word+"x", " "+word)
		}
	}
	return values
}

// TestSchemaAgrees changes each value of documents that have all keys: of types, ranges, words and keys the schema and
// Decode think the same.
func TestSchemaAgrees(t *testing.T) {
	reference, err := os.ReadFile("../../examples/reference.toml")
	if err != nil {
		t.Fatal(err)
	}
	a := &agreement{T: t, root: ConfigSchema(), schema: compiled(t, JSONSchema())}
	all := treeOf(TOML, reference)
	web := all["services"].(map[string]any)["web"].(map[string]any)
	delete(web["pulse"].(map[string]any)["args"].(map[string]any), "expect") // what it may be hangs on the type
	for _, tree := range []map[string]any{all, treeOf(JSON, []byte(everySource))} {
		a.tree = tree
		if decoder, schema := a.judge(); !decoder || !schema {
			t.Fatalf("it is accepted: %t, by the schema: %t", decoder, schema)
		}
		a.walk(nil, a.root, tree, func(v any) {
			if a.tree, _ = v.(map[string]any); a.tree == nil {
				a.tree = tree
			}
		})
	}
	if a.tried < 2000 {
		t.Errorf("%d values were tried", a.tried)
	}
}

// TestSchemaIsNeverStricter grows documents of what the schema takes, and of other things: what Decode accepts the schema
// accepts.
func TestSchemaIsNeverStricter(t *testing.T) {
	root, schema := ConfigSchema(), compiled(t, JSONSchema())
	rapid.Check(t, func(r *rapid.T) {
		tree := make(map[string]any)
		for range rapid.IntRange(1, 8).Draw(r, "values") {
			grown := grow(r, root, root, tree)
			text, err := json.Marshal(grown)
			if err != nil {
				r.Fatal(err)
			}
			if _, err := Decode("x", JSON, text); err != nil {
				continue
			}
			if err := schema.Validate(generic(t, grown)); err != nil {
				r.Fatalf("%s is accepted, and not by the schema: %v", text, err)
			}
			tree = grown
		}
	})
}

// grow returns a table with one more value somewhere in it.
func grow(r *rapid.T, root, s *Schema, table map[string]any) map[string]any {
	s = s.resolved(root)
	keys := sortedKeys(s.Properties)
	for _, key := range []string{"services", "backends", "pulse", "args"} { // where most keys are
		if _, ok := s.Properties[key]; ok {
			keys = append(keys, slices.Repeat([]string{key}, 2+len(s.Properties)/4)...)
		}
	}
	if s.PropertyNames != nil {
		keys = append(keys, rapid.StringMatching(`[a-zA-Z0-9_.-]{1,8}`).Draw(r, "name"))
		keys = append(keys, slices.Sorted(maps.Keys(table))...)
	}
	key := rapid.SampledFrom(keys).Draw(r, "key")
	grown := maps.Clone(table)
	grown[key] = anyValue(r, root, s.within(root, key), table[key])
	return grown
}

// anyValue draws what the schema takes, and now and then something else.
func anyValue(r *rapid.T, root, s *Schema, had any) any {
	s = s.resolved(root)
	if rapid.IntRange(0, 9).Draw(r, "odd") == 0 {
		return rapid.SampledFrom([]any{
			nil, true, 1, 443, -1, 1.5, "", "0", "5s", " 10 MIN ", "TCP", "Https", "10.0.0.1", "::1", "1%", "a b",
			[]any{},
			map[string]any{},
			"80", "+1h", ".5s", "/24", "255.0.255.0", "é\u2028", "00%", "fe80::1%eth0", "HTTP://a", "a:00004672",
			[]any{"200", 404},
		}).Draw(r, "other")
	}
	if len(s.AnyOf) > 0 {
		return anyValue(r, root, rapid.SampledFrom(s.AnyOf).Draw(r, "one of"), had)
	}
	if len(s.Enum) > 0 {
		return rapid.SampledFrom(s.Enum).Draw(r, "word")
	}
	kind := "string"
	if len(s.Type) > 0 {
		kind = rapid.SampledFrom(s.Type).Draw(r, "type")
	}
	switch kind {
	case "object":
		table, _ := had.(map[string]any)
		if table == nil {
			table = make(map[string]any)
		}
		return grow(r, root, s, table)
	case "array":
		var list []any
		for range rapid.IntRange(0, 3).Draw(r, "items") {
			list = append(list, anyValue(r, root, s.Items, nil))
		}
		return list
	case "boolean":
		return rapid.Bool().Draw(r, "boolean")
	case "number", "integer":
		if s.Minimum == nil {
			return rapid.Int64().Draw(r, "number")
		}
		return rapid.Int64Range(*s.Minimum, *s.Maximum).Draw(r, "number")
	}
	switch {
	case s.Pattern == addressPattern+`|\$\{`:
		return "10.0.0." + strconv.Itoa(rapid.IntRange(0, 255).Draw(r, "address"))
	case s.Pattern != "":
		return rapid.StringMatching(s.Pattern).Draw(r, "string")
	}
	return rapid.StringN(s.MinLength, 9, -1).Draw(r, "string")
}
