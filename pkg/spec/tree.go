package spec

import (
	"encoding/json"
	"fmt"
)

// JSON returns what the document says as one JSON object that Decode takes, for a program that cannot read the source
// itself. The environment's values are in it, and a document that Join made is one. What says which other documents
// there are, [[sources]] and include, is left out, and so is [api], which has secrets and says nothing of the table. So are
// the places: problems with what is made of it have none. A document that Decode found fault with has no such form.
func (d *Document) JSON() ([]byte, error) {
	if len(d.faults) > 0 {
		return nil, d.faults
	}
	whole := make(map[string]any)
	for _, part := range leaves([]*Document{d}) {
		root, err := part.tree()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", part.name, err)
		}
		graft(whole, root)
	}
	if d.services && whole["services"] == nil {
		whole["services"] = map[string]any{}
	}
	return json.Marshal(whole)
}

// tree reads the text again, into what it says of the whole.
func (d *Document) tree() (map[string]any, error) {
	again := &Document{name: d.name, format: d.format, text: d.text, at: d.at}
	c := checker{report: new(report)}
	root, err := again.parse(&c)
	if err != nil {
		return nil, err
	}
	if root["vsid"] != nil { // a record of GORB's, which decoding put where it belongs
		again.at = path{"backends", d.at[len(d.at)-1]}
	}
	root = again.wrap(root)
	if d.env != nil {
		c.expand(root, Options{Env: d.env, Expand: true})
	}
	delete(root, "sources")
	delete(root, "include")
	delete(root, "api")
	if gorb, ok := root["gorb"].(map[string]any); ok {
		delete(gorb, "env")
	}
	return root, nil
}

// graft adds a tree to another. What both have are tables: Join allows nothing else.
func graft(into, more map[string]any) {
	for key, v := range more {
		have, isTable := into[key].(map[string]any)
		if table, both := v.(map[string]any); isTable && both {
			graft(have, table)
			continue
		}
		into[key] = v
	}
}
