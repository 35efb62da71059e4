package httpapi

import (
	"encoding/json"
	"net/http"

	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// notThere is that there is no such object.
func notThere(what string) *Failure {
	f := Fail(http.StatusNotFound, errNotThere)
	f.Problems = []Problem{{Message: what}}
	return f
}

// absent is notThere of an object, with what is written over it or its service: that may be why.
func (a *api) absent(c *caller, at object, what string) *Failure {
	f := notThere(what)
	if c.who.Stranger {
		return f
	}
	over := overlay(a.daemon.Of(at.service))
	about := []object{{at.service, ""}}
	if at.backend != "" {
		about = append(about, at)
	}
	for _, o := range about {
		lasts, ends := over.of(o)
		for _, stored := range []*sources.StoredOverride{ends, lasts} {
			if stored != nil && (o == at || takesAway(stored)) {
				f.Problems = append(f.Problems, Problem{Path: o.String(), Message: a.whyAbsent(over, stored, o)})
				break
			}
		}
	}
	return f
}

// whyAbsent says what an override of an object that is not there has to do with that.
func (a *api) whyAbsent(over overlay, o *sources.StoredOverride, at object) string {
	path := "/overrides/" + Segment(at.service)
	if at.backend != "" {
		path += "/" + Segment(at.backend)
	}
	if !takesAway(o) {
		return "what is written over it has no effect; GET " + path + " says why"
	}
	if is, _ := a.without(overlay{*o}, nil); o.Ends() && at.isIn(is) {
		return "an override hides it for a while; a PUT of it, or DELETE " + path + "?ending=true, brings it back"
	}
	if is, known := a.without(over.about(at), nil); known && !at.isIn(is) && (at.backend == "" || is != nil) {
		return "an override hides it, and nothing declares it"
	}
	return "an override hides it; a PUT of it, or DELETE " + path + ", brings it back"
}

// takesAway reports whether an override says that its object is not to be there.
func takesAway(o *sources.StoredOverride) bool {
	var body struct{ Disabled bool }
	return o.Kind == spec.Hide || json.Unmarshal(o.Body, &body) == nil && body.Disabled
}

// enables reports whether a patch says of an object that it is not disabled, which may bring it back.
func enables(patch []byte) bool {
	var keys map[string]json.RawMessage
	if json.Unmarshal(patch, &keys) != nil {
		return false
	}
	disabled, said := keys["disabled"]
	return said && string(disabled) != "true"
}
