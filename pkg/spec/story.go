package spec

import (
	"maps"
	"slices"
)

// A story is what all layers said of one object, the lowest first.
type story struct {
	service, backend string // the object; backend is "" where it is the service
	there            bool
	hider            Place     // who hid it, while it is not there
	served           bool      // of a backend: its service is there
	early            []*change // overrides of backends that came before their service, see folding
	wasHidden        bool      // the service was, and what came for it before is over
	keys             map[string]*history
	defaults         map[string]*history
	pulse            map[string]*history // of [defaults.pulse], which lies below the other defaults
}

// history is what was said of one field.
type history struct {
	given []Given // the lowest first
	live  bool    // the last of them counts
	cut   Place   // who took it away, where it does not
}

// story reads what the layers say of a service, or of a backend of it.
func (d *Desired) story(service, backend string) *story {
	t := &story{
		service: service, backend: backend,
		keys: make(map[string]*history), defaults: make(map[string]*history), pulse: make(map[string]*history),
	}
	for _, doc := range d.layers {
		if doc.override != nil {
			if doc.override.name() == service {
				t.override(doc.override)
			}
			continue
		}
		t.document(doc)
	}
	return t
}

// table is where the object stands.
func (t *story) table() path {
	if t.backend == "" {
		return path{"services", t.service}
	}
	return path{"services", t.service, "backends", t.backend}
}

func (t *story) document(doc *Document) {
	kind, base := "service", doc.declared.defaults.service.said()
	if t.backend != "" {
		kind, base = "backend", doc.declared.defaults.backend.said()
	}
	table := path{"defaults", kind}
	record(t.defaults, doc, table, flat(table, base), table.String())
	pulse := doc.declared.defaults.pulse.said(nil)
	record(t.pulse, doc, path{"defaults"}, flat(path{"defaults"}, pulse), "defaults.pulse")

	declared := doc.declared.services[t.service]
	if declared == nil {
		return
	}
	t.served = true
	if t.backend == "" {
		t.there = true
		t.say(doc, declared)
	} else if b := declared.backends[t.backend]; b != nil {
		t.there = true
		record(t.keys, doc, t.table(), flat(t.table(), b.said()), "")
	}
}

// say takes in what a layer says of the service itself, and a summary of what it says of its backends.
func (t *story) say(doc *Document, declared *declaredService) {
	told := flat(t.table(), declared.said())
	for _, name := range sortedKeys(declared.backends) {
		told = append(told, summary(t.service, name, declared.backends[name]))
	}
	record(t.keys, doc, t.table(), told, "")
}

func summary(service, backend string, b *declaredBackend) leaf {
	return leaf{path{"services", service, "backends", backend}, tomlValue(withoutSecrets(b.said()))}
}

// record adds what a layer says. The text is read once for all of it.
func record(into map[string]*history, doc *Document, table path, told []leaf, in string) {
	if len(told) == 0 {
		return
	}
	paths := make([]path, len(told))
	for i, l := range told {
		paths[i] = l.path
	}
	parts := leaves([]*Document{doc})
	for i, at := range locate(parts, paths) {
		doc := parts[at.layer]
		key, by := paths[i][len(table):], doc.placeOf(at, in)
		h := remember(into, key)
		h.given = append(h.given, Given{Value: told[i].value, From: by})
		h.live = true
		// The name of another host goes with that, as in nameOver; one of this host is told of next.
		if name := into["host_name"]; name != nil && name.live && key.String() == "host" {
			name.live, name.cut = false, by
		}
	}
}

// placeOf says where in the document something stands.
func (d *Document) placeOf(at place, in string) Place {
	if d.override != nil {
		at.line = 0
	}
	return Place{Source: d.name, Line: at.line, In: in}
}

func remember(into map[string]*history, key path) *history {
	h := into[key.String()]
	if h == nil {
		h = new(history)
		into[key.String()] = h
	}
	return h
}

// override takes in what an override of the service, or of one of its backends, does to the object.
func (t *story) override(c *change) {
	served := t.served
	if t.backend == "" {
		served = t.there
	}
	switch {
	case c.backendName() != "" && !served:
		if !t.wasHidden {
			t.early = append(t.early, c)
		}
		return
	case c.backendName() == "" && c.kind == Hide:
		t.early, t.wasHidden = nil, true
	case c.backendName() == "" && c.kind == Set && !served && len(c.service.backends) == 0:
		defer t.layEarly()
	}
	switch {
	case t.backend == "" && c.backendName() == "":
		t.own(c)
	case t.backend == "":
		t.ofBackend(c)
	case c.backendName() == "":
		t.ofService(c)
	case c.backendName() == t.backend && t.served:
		t.own(c)
	}
}

// layEarly takes in what came before the service that was just made, as a folding does.
func (t *story) layEarly() {
	early := t.early
	t.early = nil
	for _, c := range early {
		t.override(c)
	}
}

// own takes in an override of the object itself.
func (t *story) own(c *change) {
	by := c.doc.placeOf(place{}, "")
	switch {
	case c.kind == Hide:
		t.hide(by)
		return
	case c.kind == Set:
		t.cutAll(by, c.service == nil || len(c.service.backends) > 0)
		t.there, t.served = true, true
	case !t.there:
		return
	default:
		t.cut(by, nil, c.nulls)
	}
	if c.service != nil {
		t.say(c.doc, c.service)
	} else {
		record(t.keys, c.doc, t.table(), flat(t.table(), c.backend.said()), "")
	}
}

// ofBackend takes in an override of a backend of the service that is told of.
func (t *story) ofBackend(c *change) {
	key := path{"backends", c.backendName()}
	h := t.keys[key.String()]
	switch {
	case !t.there:
	case c.kind == Set || h != nil && h.live && c.kind == Patch:
		record(t.keys, c.doc, t.table(), []leaf{summary(t.service, c.backendName(), c.backend)}, "")
	case h != nil && h.live:
		h.live, h.cut = false, c.doc.placeOf(place{}, "")
	}
}

// ofService takes in an override of the service that the backend which is told of belongs to.
func (t *story) ofService(c *change) {
	by := c.doc.placeOf(place{}, "")
	switch {
	case c.kind == Hide:
		t.served = false
		t.hide(by)
		return
	case c.kind == Set:
		t.served = true
		if len(c.service.backends) > 0 {
			t.hide(by)
		}
	case !t.served:
		return
	default:
		t.ofPatch(c, by)
	}
	if b := c.service.backends[t.backend]; b != nil {
		t.there = true
		record(t.keys, c.doc, t.table(), flat(t.table(), b.said()), "")
	}
}

// ofPatch takes away what a patch of the service takes away of the backend.
func (t *story) ofPatch(c *change, by Place) {
	all, there := c.nulls["backends"]
	below, _ := all.(map[string]any)
	mine, named := below[t.backend]
	nulls, _ := mine.(map[string]any)
	switch {
	case there && all == nil, named && mine == nil:
		t.hide(by)
	default:
		t.cut(by, nil, nulls)
	}
}

func (t *story) hide(by Place) {
	if t.there {
		t.hider = by
	}
	t.there = false
	t.cutAll(by, true)
}

// underlay lays the other defaults over those of [defaults.pulse].
func (t *story) underlay() {
	for key, h := range t.pulse {
		if over := t.defaults[key]; over != nil {
			h = &history{given: append(slices.Clip(h.given), over.given...), live: true}
		}
		t.defaults[key] = h
	}
}

// cutAll takes away all that was said; of the backends only if asked for.
func (t *story) cutAll(by Place, backends bool) {
	for key, h := range t.keys {
		if h.live && (backends || !isBackend(key)) {
			h.live, h.cut = false, by
		}
	}
}

// cut takes away what is nil in nulls, and what is in such tables.
func (t *story) cut(by Place, at path, nulls map[string]any) {
	for _, key := range slices.Sorted(maps.Keys(nulls)) {
		here := append(slices.Clone(at), key)
		if below, ok := nulls[key].(map[string]any); ok {
			if len(at) == 0 && key == "backends" {
				below = onlyNil(below) // what it takes away within one is told of that
			}
			t.cut(by, here, below)
			continue
		}
		for told, h := range t.keys {
			if p, _ := parsePath(told); h.live && p.within(here) {
				h.live, h.cut = false, by
			}
		}
	}
}
