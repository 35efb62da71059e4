package spec

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
)

// FromPublished puts the body of an override, as clients of GORB write them, into the schema of the file. Both
// generations are taken: "address" is "host", and what stands in a pulse and not in its args is in them. The names that
// GORB published are taken in any case, as its decoder took them, but for those of args, of which it made a map. What GORB
// took for left out, such as "host": "", "protocol": "" and in a Set null, is left out, and so are in a Patch an empty pulse
// and the port 0 of a backend, which clients send with a weight; where that is meant, null says it. Else in a Patch null takes
// a field away, and so does "host": "" of a service. All else stays, for the schema to judge. A backend within the body of a
// service is no matter of GORB's. The error is Problems.
//
// What comes of it stays as it is when it is put in again. A host may still be a name in it: see HostNames.
func FromPublished(o Override) (Override, error) {
	object := o.path()
	doc := &Document{name: o.Label(), format: JSON, at: object, override: &change{kind: o.Kind, object: object}}
	t := translation{Override: o, report: new(report), at: object}
	root := t.parse()
	if t.empty() {
		t.object(root)
	}
	if !t.empty() {
		return Override{}, t.problems([]*Document{doc})
	}
	o.Body = compactJSON(root)
	return o, nil
}

func compactJSON(root map[string]any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(root) // cannot err: it was read from JSON
	return bytes.TrimSpace(b.Bytes())
}

// The names that GORB published, "address" of the first generation among them.
var (
	publishedService = []string{"host", "address", "port", "protocol", "method", "flags", "persistent"}
	publishedBackend = []string{"host", "address", "port", "weight", "method", "pulse", "vsid"}
	publishedArgs    = []string{"host", "port", "path", "method", "expect"}
	publishedPulse   = append([]string{"type", "interval", "args"}, publishedArgs...)
)

// A translation is of one body.
type translation struct {
	Override
	*report
	at path
}

// keyf reports a problem at a key of the table that the translation is at.
func (t *translation) keyf(kind ProblemKind, key, format string, args ...any) {
	t.kindf(kind, append(slices.Clip(t.at), key), format, args...)
}

// parse reads the body.
func (t *translation) parse() map[string]any {
	if len(bytes.TrimSpace(t.Body)) == 0 {
		t.kindf(KindSyntax, nil, noBody)
		return nil
	}
	if p, bad := unreadable(t.Body, MaxRemoteSize); bad {
		t.add(p)
		return nil
	}
	root, err := parseJSON(string(t.Body), t.at, t.report)
	if p := (pending{}); errors.As(err, &p) { // the parser returns no other error
		t.add(p)
	}
	return root
}

// object translates the object itself.
func (t *translation) object(root map[string]any) {
	names := publishedService
	if t.Backend != "" {
		names = publishedBackend
	}
	t.fold(root, names)
	t.leaveOut(root, names)
	t.move(root, "address", root, "host", "host")
	if t.Backend != "" {
		t.vsid(root)
		t.noPort(root)
		lower(root, "method")
	}
	lower(root, "protocol")
	t.host(root)
	if pulse, ok := root["pulse"].(map[string]any); ok {
		t.at = append(slices.Clip(t.at), "pulse")
		if t.pulse(pulse); t.Kind == Patch && len(pulse) == 0 {
			delete(root, "pulse") // an empty one would take the place of the service's, or the default's
		}
	}
}

// fold gives names in another case the case that they have.
func (t *translation) fold(table map[string]any, names []string) {
	for _, key := range sortedKeys(table) {
		i := slices.IndexFunc(names, func(name string) bool { return strings.EqualFold(name, key) })
		if i < 0 || names[i] == key {
			continue
		}
		if _, twice := table[names[i]]; twice {
			t.keyf(KindTwice, key, "it is %s in another case, which is there already", names[i])
			continue
		}
		table[names[i]] = table[key]
		delete(table, key)
	}
}

// leaveOut takes out what GORB took for left out: its decoder did so with null, and it could not tell "" from nothing.
// No flags, "", are those there are by default, and may be meant to replace others.
func (t *translation) leaveOut(table map[string]any, names []string) {
	for _, key := range names {
		v, there := table[key]
		emptyHost := v == "" && (key == "host" || key == "address") && t.Kind == Patch && t.Backend == "" && len(t.at) == 2
		switch {
		case emptyHost: // GORB wrote that for the interface's own
			table[key] = nil
		case there && v == nil && t.Kind != Patch, v == "" && key != "flags":
			delete(table, key)
		}
	}
}

// move moves a key into a table where it has another place, unless that is taken.
func (t *translation) move(from map[string]any, key string, into map[string]any, as, where string) {
	v, there := from[key]
	if !there {
		return
	}
	if _, twice := into[as]; twice {
		t.keyf(KindCombination, key, "it is %s by another name, which is there already", where)
		return
	}
	delete(from, key)
	into[as] = v
}

// vsid takes out the service's name, with which GORB wrote backends into a store and showed them.
func (t *translation) vsid(root map[string]any) {
	switch v := root["vsid"].(type) {
	case nil:
		delete(root, "vsid")
	case string:
		if v == t.Service {
			delete(root, "vsid")
			return
		}
		t.keyf(KindCombination, "vsid", "%s is not the service of this backend, which is %s", quote(v), keyString(t.Service))
	default:
		t.keyf(KindType, "vsid", "%s, wanted a string", describe(v))
	}
}

// noPort takes out of a patch the port of a client that filled in none. GORB looked at the weight alone.
func (t *translation) noPort(root map[string]any) {
	if v := root["port"]; t.Kind == Patch && (v == int64(0) || v == "0") {
		delete(root, "port")
	}
}

// lower takes a word in any case, as GORB did.
func lower(table map[string]any, key string) {
	if s, ok := table[key].(string); ok {
		table[key] = strings.ToLower(s)
	}
}

// host has the name of the former host go when a patch says another, or none.
func (t *translation) host(root map[string]any) {
	_, host := root["host"]
	_, name := root["host_name"]
	if t.Kind == Patch && host && !name {
		root["host_name"] = nil
	}
}

// pulse translates a health check.
func (t *translation) pulse(pulse map[string]any) {
	t.fold(pulse, publishedPulse)
	if t.Kind == Patch && pulse["type"] == "" {
		dropUnfilled(pulse)
	}
	t.leaveOut(pulse, publishedPulse)
	if s, ok := pulse["interval"].(string); ok && strings.TrimSpace(s) != "" {
		pulse["interval"] = strings.TrimSpace(s)
	}
	if !slices.ContainsFunc(publishedArgs, func(key string) bool { _, flat := pulse[key]; return flat }) {
		return
	}
	if pulse["args"] == nil {
		pulse["args"] = map[string]any{}
	}
	if args, ok := pulse["args"].(map[string]any); ok {
		for _, key := range publishedArgs {
			t.move(pulse, key, args, key, "args."+key)
		}
	}
}

// dropUnfilled takes out of a pulse what its client filled in no more than its type.
func dropUnfilled(pulse map[string]any) {
	unfilled := func(_ string, v any) bool { return v == nil || v == "" }
	maps.DeleteFunc(pulse, unfilled)
	if args, ok := pulse["args"].(map[string]any); ok {
		if maps.DeleteFunc(args, unfilled); len(args) == 0 {
			delete(pulse, "args")
		}
	}
}
