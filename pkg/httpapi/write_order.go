package httpapi

import (
	"cmp"
	"encoding/json"
	"maps"
	"math"
	"slices"

	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// inPlace orders writes of what ends so that each comes to lie where it lay before, and what is new over all. What lay over
// the override of a service is written once more after it.
func (v overlay) inPlace(writes []sources.Write) []sources.Write {
	writes = joined(writes)
	for _, w := range writes {
		if w.Backend == "" && w.Kind == spec.Patch {
			writes = append(writes, v.newer(w, writes)...)
			break
		}
	}
	slices.SortStableFunc(writes, func(a, b sources.Write) int { return cmp.Compare(v.age(a), v.age(b)) })
	return writes
}

// age is the revision of what is there at the key of a write; the greatest number: nothing is.
func (v overlay) age(w sources.Write) uint64 {
	if o := v.at(w.Key()); o != nil {
		return o.Revision
	}
	return math.MaxUint64
}

// newer writes once more what is written of backends, and not among writes, and lies over what is there at the key of a write
// of their service.
func (v overlay) newer(of sources.Write, writes []sources.Write) []sources.Write {
	var newer []sources.Write
	for i := range v {
		o := &v[i]
		written := slices.ContainsFunc(writes, func(w sources.Write) bool { return w.Key() == o.Key() })
		if o.Backend != "" && o.Ends() == of.Ends() && o.Revision > v.age(of) && !written {
			newer = append(newer, sources.Write{Override: o.Override, If: &o.Revision})
		}
	}
	slices.SortFunc(newer, func(a, b sources.Write) int { return cmp.Compare(*a.If, *b.If) })
	return newer
}

// beneath returns, for each patch or set among writes of a service where what is there speaks of backends, what lies over that
// already and the write does not name: what is there is newer by the write, and would come to lie over that.
func (v overlay) beneath(writes []sources.Write) []sources.Write {
	var over []sources.Write
	for _, w := range writes {
		stored, named := v.at(w.Key()), backendsIn(w.Body)
		if w.Backend != "" || stored == nil || !has(stored.Body, "backends") || w.Kind != spec.Patch && (w.Kind != spec.Set || named != nil) {
			continue
		}
		for _, o := range v.newer(w, writes) {
			if named[o.Backend] == nil {
				over = append(over, o)
			}
		}
	}
	return over
}

// joined has one write at each key, at the place of the first: of several patches what all of them say, the last of a field, and
// else the last.
func joined(writes []sources.Write) []sources.Write {
	var out []sources.Write
	for _, w := range writes {
		i := slices.IndexFunc(out, func(o sources.Write) bool { return o.Key() == w.Key() })
		switch {
		case i < 0:
			out = append(out, w)
		case out[i].Kind == spec.Patch && w.Kind == spec.Patch:
			out[i].Body = joinedBody(out[i].Body, w.Body)
		default:
			out[i] = w
		}
	}
	return out
}

// joinedBody is what two patches of a service say that are about different backends, or fields.
func joinedBody(one, other []byte) []byte {
	var keys, more map[string]json.RawMessage
	if json.Unmarshal(one, &keys) != nil || json.Unmarshal(other, &more) != nil {
		return other // they have been checked
	}
	backends := backendsIn(one)
	maps.Copy(keys, more)
	if named := backendsIn(other); backends != nil && named != nil {
		maps.Copy(backends, named)
		keys["backends"], _ = json.Marshal(backends) // it was JSON
	}
	body, _ := json.Marshal(keys) // it was JSON
	return body
}
