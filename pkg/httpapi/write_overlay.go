package httpapi

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// overlay is what is written over the sources of one service and its backends.
type overlay []sources.StoredOverride

// at is the override of a key; nil: there is none.
func (v overlay) at(key spec.OverrideKey) *sources.StoredOverride {
	for i := range v {
		if v[i].Key() == key {
			return &v[i]
		}
	}
	return nil
}

// of are the overrides of an object: what lasts, and what ends; nil: there is none.
func (v overlay) of(at object) (lasts, ends *sources.StoredOverride) {
	return v.at(at.key(false)), v.at(at.key(true))
}

// thatEnd are those that end by themselves.
func (v overlay) thatEnd() overlay {
	return slices.DeleteFunc(slices.Clone(v), func(o sources.StoredOverride) bool { return !o.Ends() })
}

// brings reports whether something of an object is written that is not to take it away: it may be there by that some time.
func (v overlay) brings(at object) bool {
	return slices.ContainsFunc(v.about(at), func(o sources.StoredOverride) bool { return !takesAway(&o) })
}

// revisions are those of all of them, from the least on.
func (v overlay) revisions() []uint64 {
	list := make([]uint64, 0, len(v))
	for _, o := range v {
		list = append(list, o.Revision)
	}
	slices.Sort(list)
	return list
}

// cleared takes an override back.
func cleared(o *sources.StoredOverride) sources.Write {
	return sources.Write{Override: spec.Override{Service: o.Service, Backend: o.Backend, Until: o.Until}, If: &o.Revision}
}

// clears takes overrides back.
func clears(list []sources.StoredOverride) []sources.Write {
	writes := make([]sources.Write, len(list))
	for i := range list {
		writes[i] = cleared(&list[i])
	}
	return writes
}

// above returns what else has to be written for writes that last to count at once where something that ends lies over their
// objects.
func (v overlay) above(writes ...sources.Write) []sources.Write {
	var more []sources.Write
	for _, w := range writes {
		if !w.Ends() {
			more = append(more, v.over(w.Override)...)
		}
	}
	return v.inPlace(more)
}

// covered takes back what is written of backends, and lasts, where a set that lasts names the backends of their service: it
// says all of them, and nothing of what was said of them before is to come up again.
func (v overlay) covered(writes ...sources.Write) []sources.Write {
	var more []sources.Write
	for _, w := range writes {
		if w.Kind != spec.Set || w.Backend != "" || w.Ends() || backendsIn(w.Body) == nil {
			continue
		}
		for i := range v {
			if v[i].Backend != "" && !v[i].Ends() {
				more = append(more, cleared(&v[i]))
			}
		}
	}
	return more
}

// over is above of one. What ends gives way to a Set, a Hide and their taking back. What a Patch says is said there, too, as
// far as that speaks of the same fields: for what else the Patch is beneath, and counts.
func (v overlay) over(o spec.Override) []sources.Write {
	if o.Backend != "" {
		return v.overObject(o, v.part(object{o.Service, o.Backend}))
	}
	var more []sources.Write
	if parts := backendsIn(o.Body); o.Kind != spec.Hide && parts != nil {
		for _, name := range slices.Sorted(maps.Keys(parts)) {
			one, in := o, v.part(object{o.Service, name})
			if one.Backend, one.Body = name, parts[name]; string(one.Body) == "null" {
				one.Kind, one.Body = "", nil
			}
			if o.Kind == spec.Set {
				in = nil // what ends of the service gives way
			}
			more = append(more, v.overObject(one, in)...)
		}
		if o.Kind == spec.Set { // and those that it does not name, which are not there any more
			for i := range v {
				if _, named := parts[v[i].Backend]; v[i].Backend != "" && v[i].Ends() && !named {
					more = append(more, cleared(&v[i]))
				}
			}
		}
	}
	return append(more, v.overObject(o, nil)...)
}

// overObject is over of an object alone. The part is what the override of its service that ends says of it; nil: nothing.
func (v overlay) overObject(o spec.Override, part *sources.StoredOverride) []sources.Write {
	_, ends := v.of(object{o.Service, o.Backend})
	switch {
	case part != nil && o.Kind != "" && (ends == nil || o.Kind != spec.Patch):
		o.Until = part.Until
		return []sources.Write{{Override: o}}
	case ends == nil:
		return nil
	case o.Kind != spec.Patch:
		return []sources.Write{cleared(ends)}
	case part != nil && part.Revision > ends.Revision:
		return v.patchedPart(o, ends, part)
	case ends.Kind == spec.Hide:
		return nil // it cannot be patched
	}
	return patched(ends, common(o.Body, ends, part))
}

// patched merges a patch into an override; nil: there is nothing to merge.
func patched(o *sources.StoredOverride, patch []byte) []sources.Write {
	if patch == nil {
		return nil
	}
	said := *o
	said.Kind, said.Body = spec.Patch, patch
	return []sources.Write{{Override: said.Override, If: &said.Revision}}
}

// patchedPart is overObject of a patch where the part lies over what ends of the backend: both say it, each where it lies.
func (v overlay) patchedPart(o spec.Override, ends, part *sources.StoredOverride) []sources.Write {
	body := common(o.Body, part, ends)
	if body == nil {
		return nil
	}
	whole, _ := json.Marshal(map[string]any{"backends": map[string]json.RawMessage{o.Backend: body}}) // it was JSON
	return append(patched(ends, common(o.Body, ends)), patched(v.at(object{o.Service, ""}.key(true)), whole)...)
}

// part is what the override that ends of a backend's service says of the backend; nil: nothing. A Set that names backends says
// of all others that they are not there.
func (v overlay) part(at object) *sources.StoredOverride {
	whole := v.at(object{at.service, ""}.key(true))
	if at.backend == "" || whole == nil {
		return nil
	}
	named := backendsIn(whole.Body)
	part := *whole
	part.Backend, part.Body = at.backend, named[at.backend]
	if part.Body == nil && (whole.Kind != spec.Set || named == nil) {
		return nil
	}
	return &part
}

// ending is when an object ends that is there by something that ends alone: without is its service without all that ends,
// nil: that is not there then. The zero time is that it does not end.
func (v overlay) ending(at object, without *spec.Service) time.Time {
	if at.isIn(without) {
		return time.Time{}
	}
	for _, o := range []object{at, {at.service, ""}} {
		if _, ends := v.of(o); ends != nil {
			return ends.Until
		}
	}
	return time.Time{}
}

// backendsIn are the backends that the body of a service names; nil: it does not speak of them.
func backendsIn(body []byte) map[string]json.RawMessage {
	var service struct{ Backends map[string]json.RawMessage }
	if json.Unmarshal(body, &service) != nil {
		return nil
	}
	return service.Backends
}

// common is the part of a patch that is about fields of which some overrides speak, without backends; nil: there is none.
func common(patch []byte, list ...*sources.StoredOverride) []byte {
	var keys map[string]json.RawMessage
	if json.Unmarshal(patch, &keys) != nil {
		return nil
	}
	maps.DeleteFunc(keys, func(key string, _ json.RawMessage) bool {
		return key == "backends" || !slices.ContainsFunc(list, func(o *sources.StoredOverride) bool {
			return speaksOf(o, key) || key == "host_name" && speaksOf(o, "host") // whose name it is
		})
	})
	if len(keys) == 0 {
		return nil
	}
	body, _ := json.Marshal(keys) // it was JSON
	return body
}

// speaksOf reports whether an override, nil: there is none, decides a field: a Set decides all of them.
func speaksOf(o *sources.StoredOverride, key string) bool {
	if o == nil || o.Kind == spec.Hide {
		return false
	}
	var keys map[string]json.RawMessage
	return o.Kind == spec.Set || json.Unmarshal(o.Body, &keys) == nil && keys[key] != nil
}

// renews reports whether a write says something new of a field that is so already, and is so or not, as lasting says, without
// what ends: how long it is to be so, or why.
func (v overlay) renews(w spec.Override, key string, lasting bool) bool {
	lasts, ends := v.of(object{w.Service, w.Backend})
	if w.Ends() {
		return speaksOf(ends, key) && (!w.Until.Equal(ends.Until) || w.Reason != "" && w.Reason != ends.Reason)
	}
	return !lasting || w.Reason != "" && speaksOf(lasts, key) && w.Reason != lasts.Reason
}
