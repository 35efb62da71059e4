package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"

	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// patch merges fields into an object that is there.
func (a *api) patch(ctx context.Context, c *caller, at object, q *WriteQuery) (*reply[Written], error) {
	body, err := a.objectBody(ctx, c, at, spec.Patch)
	whole := at.override(c, q, spec.Patch, body)
	if err == nil {
		err = asGORB(whole.Check())
	}
	if !isLate(err) {
		return nil, err
	}
	late := err
	return a.change(ctx, c, at, q, func(was *spec.Service, over overlay) (step, error) {
		before := was
		switch absent := !at.isIn(was); {
		case absent && !enables(body):
			return step{}, a.absent(c, at, "there is no "+at.String())
		case late != nil:
			return step{}, late
		case was == nil:
			before = &spec.Service{Name: at.service}
		}
		without := a.withoutEnding(over, was)
		writes := over.patches(before, without, whole)
		tried, err := a.tryOver(over, writes)
		if err == nil && hideStill(writes, at.serviceIn(tried, was), whole) {
			tried, err = a.tryOver(over, writes)
		}
		switch {
		case err != nil:
			return step{}, err
		case !at.isIn(was) && !at.isIn(at.serviceIn(tried, was)):
			return step{}, a.absent(c, at, "there is no "+at.String())
		}
		if writes = over.lean(writes, before, at.serviceIn(tried, was), without); len(writes) == 0 {
			return step{result: ResultUnchanged}, nil
		}
		s := step{own: len(writes), result: ResultChanged, tried: tried, sent: whole.Body}
		s.writes = joined(append(writes, over.above(writes...)...))
		s.writes = append(s.writes, over.beneath(s.writes)...)
		return s, nil
	})
}

// tryOver is try of writes with what has to be written for them to count at once.
func (a *api) tryOver(over overlay, writes []sources.Write) (*sources.Tried, error) {
	return a.try(joined(slices.Concat(writes, over.above(writes...)))...)
}

// patches are what a patch writes: one of a service changes each backend that it names by itself, as a patch of that does.
// What is not there yet it makes, and what is null it takes away. What is there by something that ends alone, and not without,
// is changed as long as that is.
func (v overlay) patches(was, without *spec.Service, whole spec.Override) []sources.Write {
	writes := parts(was, whole)
	for i := range writes {
		w := &writes[i]
		if at := (object{w.Service, w.Backend}); w.Kind == spec.Patch && !w.Ends() {
			w.Until = v.ending(at, without)
		} else if w.Kind == spec.Set && !w.Ends() {
			w.Until = v.ending(object{w.Service, ""}, without)
		}
	}
	return writes
}

// parts are a patch, or the patches of a service and its backends that one of the service is.
func parts(was *spec.Service, whole spec.Override) []sources.Write {
	var keys map[string]json.RawMessage
	var backends map[string]json.RawMessage
	if whole.Backend == "" && json.Unmarshal(whole.Body, &keys) == nil { // it has been checked
		if named := keys["backends"]; string(named) == "null" {
			backends = map[string]json.RawMessage{}
			for _, name := range names(was) {
				backends[name] = named
			}
		} else if named != nil {
			_ = json.Unmarshal(named, &backends) // it has been checked
		}
	}
	if backends == nil {
		return []sources.Write{{Override: whole}}
	}
	delete(keys, "backends")
	var writes []sources.Write
	if len(keys) > 0 {
		own := whole
		own.Body, _ = json.Marshal(keys) // it was JSON
		writes = append(writes, sources.Write{Override: own})
	}
	for _, name := range slices.Sorted(maps.Keys(backends)) {
		w := sources.Write{Override: whole}
		w.Backend, w.Body = name, backends[name]
		switch {
		case string(w.Body) == "null" && whole.Ends():
			w.Kind, w.Body = spec.Hide, nil
		case string(w.Body) == "null":
			w.Override = spec.Override{Service: whole.Service, Backend: name}
		case was.Backend(name) == nil:
			w.Kind = spec.Set
		default:
			w.Body = withoutFormerName(w.Body)
		}
		writes = append(writes, w)
	}
	return writes
}

// withoutFormerName has the name of the former host go when a patch of a backend says another, as that of the body itself
// does (spec.FromPublished).
func withoutFormerName(patch []byte) []byte {
	var keys map[string]json.RawMessage
	if json.Unmarshal(patch, &keys) != nil || keys["host"] == nil || keys["host_name"] != nil {
		return patch
	}
	keys["host_name"] = json.RawMessage("null")
	body, _ := json.Marshal(keys) // it was JSON
	return body
}

// hideStill has those backends hidden that are there still though what was written of them is taken back, and reports whether
// there are any.
func hideStill(writes []sources.Write, is *spec.Service, whole spec.Override) (still bool) {
	for i, w := range writes {
		if w.Kind == "" && is != nil && is.Backend(w.Backend) != nil {
			writes[i].Override = whole
			writes[i].Kind, writes[i].Backend, writes[i].Body = spec.Hide, w.Backend, nil
			still = true
		}
	}
	return still
}

// lean leaves out of writes what changes nothing, neither now nor when what ends has ended.
func (v overlay) lean(writes []sources.Write, was, is, without *spec.Service) []sources.Write {
	var lean []sources.Write
	for _, w := range writes {
		_, ends := v.of(object{w.Service, w.Backend})
		// It was so, and not only because of what ends.
		gone := (w.Kind == "" || w.Kind == spec.Hide) && was.Backend(w.Backend) == nil && ends == nil
		if w.Kind == spec.Patch {
			w.Body = v.leanPatch(w.Override, was, is, without)
			gone = len(w.Body) == 0
		}
		if !gone {
			lean = append(lean, w)
		}
	}
	return lean
}

// leanPatch leaves out of a patch what changes nothing: a client that sends all of an object to change its weight does not
// mean to keep the rest as it is for ever, whatever the sources say. Nil is that nothing is left.
func (v overlay) leanPatch(w spec.Override, before, after, without *spec.Service) []byte {
	var keys, stored map[string]json.RawMessage
	if json.Unmarshal(w.Body, &keys) != nil {
		return w.Body // it has been checked, so this is not
	}
	if o := v.at(w.Key()); o != nil && bytes.Contains(w.Body, []byte("null")) {
		_ = json.Unmarshal(o.Body, &stored) // none: nothing is said there
	}
	if keys["weight"] != nil && len(keys) == 1 && stored == nil && before != nil && after != nil { // the usual one needs no look at the rest
		if before.Equal(after) && !v.renews(w, "weight", without != nil && without.Equal(after)) {
			return nil
		}
		return w.Body
	}
	at := object{w.Service, w.Backend}
	was, is, lasting := shown(at, before), shown(at, after), shown(at, without)
	host, name := keys["host"], keys["host_name"]
	maps.DeleteFunc(keys, func(key string, _ json.RawMessage) bool {
		return key != "disabled" && !removes(keys[key], stored[key]) && bytes.Equal(was[key], is[key]) && !v.renews(w, key, bytes.Equal(lasting[key], is[key]))
	})
	if named := name != nil && string(name) != "null"; named && host != nil && (keys["host"] != nil || keys["host_name"] != nil) {
		keys["host"], keys["host_name"] = host, name // be one the same: a name is that of its address, and goes with that
	}
	if len(keys) == 0 {
		return nil
	}
	lean, _ := json.Marshal(keys) // it was JSON
	return lean
}

// removes reports whether a merge patch takes something away that is stored, though it may have no effect there; nil: nothing
// is stored.
func removes(patch, stored json.RawMessage) bool {
	if string(patch) == "null" || len(stored) == 0 {
		return len(stored) > 0 && string(stored) != "null"
	}
	var of, in map[string]json.RawMessage
	if json.Unmarshal(patch, &of) != nil || json.Unmarshal(stored, &in) != nil {
		return false
	}
	for key, value := range of {
		if removes(value, in[key]) {
			return true
		}
	}
	return false
}

// shown is an object by key, of a service its backends among them; none where it is not there.
func shown(at object, s *spec.Service) map[string]json.RawMessage {
	keys := map[string]json.RawMessage{}
	if !at.isIn(s) {
		return keys
	}
	options := s.OptionsJSON()
	if at.backend != "" {
		options = s.BackendOptionsJSON(s.Backend(at.backend))
	}
	_ = json.Unmarshal(options, &keys) // it is JSON
	if at.backend == "" {
		keys["backends"] = json.RawMessage(at.tag(s))
	}
	return keys
}
