package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/gorb-io/gorb/pkg/sources"
)

// body returns the object that is to be written, in JSON.
func (o *overriding) body(ctx context.Context, pairs []string) (json.RawMessage, error) {
	switch {
	case o.file != "" && len(pairs) > 0:
		return nil, &usageError{err: errors.New("--file and KEY=VALUE are two ways to say one thing; one is enough")}
	case o.file != "":
		text, err := sources.ReadText(ctx, o.file, o.stdin)
		if err == nil && !json.Valid(text) {
			err = fmt.Errorf("%s: it is not JSON", o.file)
		}
		return text, err
	case len(pairs) == 0:
		return nil, &usageError{err: errors.New("there is nothing to write: KEY=VALUE, such as weight=50, or --file")}
	}
	object := map[string]any{}
	for _, pair := range pairs {
		if err := addPair(object, pair); err != nil {
			return nil, &usageError{err: err}
		}
	}
	return json.Marshal(object)
}

// addPair puts a KEY=VALUE into an object.
func addPair(object map[string]any, pair string) error {
	key, text, ok := strings.Cut(pair, "=")
	path, good := keyOf(strings.TrimSpace(key))
	if !ok || !good {
		return fmt.Errorf("%q is not KEY=VALUE, such as weight=50", pair)
	}
	value, err := valueOf(strings.TrimSpace(text))
	if err != nil {
		return fmt.Errorf("%s: %w", pair, err)
	}
	for _, name := range path[:len(path)-1] {
		next, there := object[name]
		if !there {
			next = map[string]any{}
			object[name] = next
		}
		table, isTable := next.(map[string]any)
		if !isTable {
			return fmt.Errorf("%s: %s has a value already", pair, name)
		}
		object = table
	}
	last := path[len(path)-1]
	if _, there := object[last]; there {
		return fmt.Errorf("%s: %s has a value already", pair, key)
	}
	object[last] = value
	return nil
}

// keyOf reads a key as TOML writes it: weight, pulse.args.path, backends."a.b".port.
func keyOf(key string) ([]string, bool) {
	meta, err := toml.Decode(key+" = 0", new(map[string]any))
	if err != nil {
		return nil, false
	}
	keys := meta.Keys()
	if len(keys) == 0 || strings.ContainsAny(key, "\n#=[]{}") {
		return nil, false
	}
	return keys[len(keys)-1], true
}

// valueOf reads a value as TOML writes it. A word that TOML does not know is a text, and null is what takes a field away.
func valueOf(text string) (any, error) {
	if text == "null" {
		return nil, nil
	}
	var in struct{ V any }
	meta, err := toml.Decode("v = "+text, &in)
	if err == nil && len(meta.Keys()) > 0 && meta.Keys()[len(meta.Keys())-1][0] == "v" {
		if _, err := json.Marshal(in.V); err != nil {
			return nil, errors.New("it is no value that a field has")
		}
		return in.V, nil
	}
	if text == "" || strings.ContainsAny(text, "'\"[]{},#=\\ \t\n") {
		return nil, errors.New(`the value is neither TOML nor a word; a text is written '"like this"'`)
	}
	return text, nil
}

// compacted is JSON in one line.
func compacted(body json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, body) != nil {
		return ""
	}
	return b.String()
}
