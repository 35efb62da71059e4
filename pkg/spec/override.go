package spec

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// OverrideKind is what an override does to an object.
type OverrideKind string

// The kinds.
const (
	// Set replaces the object's own fields, and its backends only if it names any. A service that is not there is
	// made; so is a backend, in a service that is there.
	Set OverrideKind = "set"
	// Patch merges fields into an object that is there, as RFC 7386 has it: null takes away what lower layers say of a
	// field, so that it has its default again, and "backends": {"a": null} takes away a backend.
	Patch OverrideKind = "patch"
	// Hide removes what lower layers declare, overrides before it included. What is patched after that is not there; a
	// later Set makes the object anew, of what that says alone.
	Hide OverrideKind = "hide"
)

// Override is one runtime change of one object: what REST and `gorb override` write.
type Override struct {
	Kind    OverrideKind
	Service string
	Backend string    // "": the service itself
	Body    []byte    // the object in JSON, with the keys of the file; nil with Hide
	Reason  string    // what for; ""
	By      string    // who; ""
	At      time.Time // when
	Until   time.Time // when it ends; zero: never
}

// Object names what the override is about: "web", "web/a".
func (o Override) Object() string {
	if o.Backend == "" {
		return o.Service
	}
	return o.Service + "/" + o.Backend
}

// Ends reports whether the override ends by itself. Those that do lie over those that last: what ends gives way to what it
// lay over.
func (o Override) Ends() bool { return !o.Until.IsZero() }

// OverrideKey tells an override from all others: of an object there is at most one that lasts, and one that ends.
type OverrideKey struct {
	Service, Backend string
	Ends             bool
}

// Key is what the override is known by.
func (o Override) Key() OverrideKey { return OverrideKey{o.Service, o.Backend, o.Ends()} }

// Compare orders keys by service, each before its backends; of an object, what lasts comes first.
func (k OverrideKey) Compare(other OverrideKey) int {
	switch order := cmp.Or(strings.Compare(k.Service, other.Service), strings.Compare(k.Backend, other.Backend)); {
	case order != 0 || k.Ends == other.Ends:
		return order
	case other.Ends:
		return -1
	}
	return 1
}

// What may be said of an override beside what it does, in bytes.
const (
	MaxReason = 1000
	MaxBy     = 256
)

// Check says what is wrong with an override alone: its kind, its names, the keys, types and ranges of its body. The
// error is Problems. Whether it goes with what it lies over, the merged whole tells.
func (o Override) Check() error {
	if _, problems := o.decode(); len(problems) > 0 {
		return problems
	}
	return nil
}

// change is an override, decoded. It is never changed once made.
type change struct {
	kind    OverrideKind
	object  path             // {"services", "web"} or {"services", "web", "backends", "a"}
	doc     *Document        // its text, and what problems call it
	service *declaredService // of a Set or Patch of a service
	backend *declaredBackend // of a Set or Patch of a backend
	nulls   map[string]any   // what a Patch takes away: nil at the key, or a table of that; nil: nothing
	hides   bool             // it says that its object is not to be there
}

func (c *change) name() string { return c.object[1] }

// backendName is "" where the change is of the service itself.
func (c *change) backendName() string {
	if len(c.object) == 2 {
		return ""
	}
	return c.object[3]
}

// Label is what problems and explanations call the override: "override web/a", "ending override web/a".
func (o Override) Label() string {
	label := "override " + keyString(o.Service)
	if o.Backend != "" {
		label += "/" + keyString(o.Backend)
	}
	if o.Ends() {
		label = "ending " + label
	}
	return label
}

// PathOf is what problems call a key of the object: "services.web.backends.a.port".
func (o Override) PathOf(key string) string { return append(o.path(), key).String() }

func (o Override) path() path {
	if o.Backend == "" {
		return path{"services", o.Service}
	}
	return path{"services", o.Service, "backends", o.Backend}
}

// decode reads an override and checks it alone.
func (o Override) decode() (*change, Problems) {
	c := &change{kind: o.Kind, object: o.path(), hides: o.Kind == Hide}
	c.doc = &Document{name: o.Label(), format: JSON, at: c.object, override: c}
	var r report
	o.checkNames(&r)
	switch body := bytes.TrimSpace(o.Body); {
	case o.Kind == Hide && len(body) > 0:
		r.kindf(KindValue, nil, "hide has a body; it removes the object, whatever that says")
	case o.Kind == Hide:
	case o.Kind != Set && o.Kind != Patch:
		r.kindf(KindValue, nil, "%s is not a kind of override; there are set, patch and hide", quote(string(o.Kind)))
	case len(body) == 0:
		r.kindf(KindSyntax, nil, noBody)
	default:
		c.read(&r, o.Body)
	}
	if r.empty() {
		return c, nil
	}
	return nil, r.problems([]*Document{c.doc})
}

const noBody = "the body is missing: the object in JSON, with the keys of the file"

// checkNames checks all but the kind and the body.
func (o Override) checkNames(r *report) {
	if !isName(o.Service) {
		r.kindf(KindValue, nil, "%s cannot name a service: that takes 1 to 128 of letters, digits and ._:@-, and not . or ..", quote(o.Service))
	}
	if o.Backend != "" && !isName(o.Backend) {
		r.kindf(KindValue, nil, "%s cannot name a backend: that takes 1 to 128 of letters, digits and ._:@-, and not . or ..", quote(o.Backend))
	}
	for _, remark := range []struct {
		what, text string
		most       int
	}{{"reason", o.Reason, MaxReason}, {"by", o.By, MaxBy}} {
		switch {
		case len(remark.text) > remark.most:
			r.kindf(KindOver, nil, "%s has %d bytes, which is over %d", remark.what, len(remark.text), remark.most)
		case !utf8.ValidString(remark.text):
			r.kindf(KindValue, nil, "%s is not valid UTF-8", remark.what)
		case strings.ContainsFunc(remark.text, unicode.IsControl):
			r.kindf(KindValue, nil, "%s has a control character in it", remark.what)
		}
	}
}

// read reads the body.
func (c *change) read(r *report, body []byte) {
	if p, bad := unreadable(body, MaxRemoteSize); bad {
		r.add(p)
		return
	}
	root, err := parseJSON(string(body), c.object, r)
	if p := (pending{}); errors.As(err, &p) { // the parser returns no other error
		r.add(p)
		return
	}
	c.doc.text = string(body) // from here on there are keys to be found in it
	shape := serviceShape
	if c.backendName() != "" {
		shape = backendShape
	}
	if c.kind == Patch {
		c.nulls = takeNulls(root, shape)
	}
	check := checker{report: r, at: slices.Clone(c.object), remote: true}
	if c.backendName() != "" {
		c.backend = new(declaredBackend)
		walkTable(&check, root, backendFields, c.backend)
	} else {
		c.service = new(declaredService)
		walkTable(&check, root, serviceFields, c.service)
	}
	if disabled, ok := root["disabled"].(bool); ok {
		c.hides = disabled
	}
}

// changes decodes overrides. The order returned is that in which they rank, as they are listed. What is wrong with some of
// them is told by their places in the list; they are left out.
func changes(overrides []Override) (decoded []*change, order []int, wrong map[int]Problems) {
	decoded = make([]*change, len(overrides))
	wrong = make(map[int]Problems)
	for i, o := range overrides {
		c, problems := o.decode()
		if len(problems) > 0 {
			wrong[i] = problems
			continue
		}
		decoded[i] = c
		order = append(order, i)
	}
	return decoded, order, wrong
}

// String is for messages of tests and logs: "set web/a".
func (o Override) String() string { return fmt.Sprintf("%s %s", o.Kind, o.Object()) }
