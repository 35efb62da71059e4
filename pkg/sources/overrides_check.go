package sources

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gorb-io/gorb/pkg/spec"
)

// What the store takes at most.
const (
	maxOverrides     = 10_000
	maxOverrideBytes = 64 << 20 // of all together
	maxOverrideBody  = 1 << 20  // of one
	maxObjectName    = 128      // bytes, as of a name in a document
)

// Fault is what kind of reason there was not to do what was asked.
type Fault string

// The faults.
const (
	Invalid  Fault = "invalid"  // the override makes no sense
	Conflict Fault = "conflict" // it contradicts the one that is there
	Full     Fault = "full"     // there is no room for it
)

// OverrideError says why an override was not taken or not found. Nothing has changed.
type OverrideError struct {
	Fault   Fault
	Object  string
	Message string
}

// Error returns the reason with the object that it is about.
func (e *OverrideError) Error() string { return fmt.Sprintf("override of %s: %s", e.Object, e.Message) }

// refuse makes an OverrideError.
func refuse(fault Fault, o spec.Override, format string, args ...any) *OverrideError {
	return &OverrideError{Fault: fault, Object: o.Object(), Message: fmt.Sprintf(format, args...)}
}

// tidy checks what an override says as far as the store has to know, and brings it into the one form in which it is
// kept: a compact body, times in UTC without the monotonic clock's. Whether the body is right is for spec to say.
func tidy(o spec.Override) (spec.Override, error) {
	if fault := checkWords(o); fault != "" {
		// The object is said as it was given, however long or odd: quoted, and cut.
		return o, &OverrideError{Invalid, quoteShort(o.Object()), fault}
	}
	o.At, o.Until = o.At.UTC().Round(0), o.Until.UTC().Round(0)
	for _, t := range []time.Time{o.At, o.Until} {
		if y := t.Year(); y < 1 || y > 9999 { // RFC 3339 has no others
			return o, refuse(Invalid, o, "the year %d is out of range", y)
		}
	}
	if o.Kind == spec.Hide || isClear(o) {
		if len(o.Body) > 0 {
			return o, refuse(Invalid, o, "%s takes no body", cmp.Or(string(o.Kind), "clearing"))
		}
		o.Body = nil
		return o, nil
	}
	var body bytes.Buffer
	switch {
	case len(o.Body) > maxOverrideBody:
		return o, refuse(Full, o, "a body of %d bytes is over %d (1 MiB)", len(o.Body), maxOverrideBody)
	case !isTable(o.Body):
		return o, refuse(Invalid, o, "%s takes a body, an object in JSON", o.Kind)
	case !utf8.Valid(o.Body):
		return o, refuse(Invalid, o, "the body is not valid UTF-8")
	}
	if err := json.Compact(&body, o.Body); err != nil {
		return o, refuse(Invalid, o, "the body: %v", err)
	}
	o.Body = body.Bytes()
	return o, nil
}

// checkWords says what is wrong with the short fields of an override; "" is nothing.
func checkWords(o spec.Override) string {
	names := []struct{ what, name string }{{"service", o.Service}, {"backend", o.Backend}}
	for i, n := range names {
		switch {
		case n.name == "" && i == 0:
			return "it names no service"
		case len(n.name) > maxObjectName:
			return fmt.Sprintf("the name of the %s is over %d bytes long", n.what, maxObjectName)
		case strings.Contains(n.name, "/") || !isOneLine(n.name):
			return fmt.Sprintf("%s is no name of a %s", quoteShort(n.name), n.what)
		}
	}
	switch {
	case !isClear(o) && o.Kind != spec.Set && o.Kind != spec.Patch && o.Kind != spec.Hide:
		return fmt.Sprintf("%s is not what an override can do (set, patch, hide)", quoteShort(string(o.Kind)))
	case len(o.Reason) > spec.MaxReason:
		return fmt.Sprintf("the reason is %d bytes long, over %d", len(o.Reason), spec.MaxReason)
	case len(o.By) > spec.MaxBy:
		return fmt.Sprintf("by is %d bytes long, over %d", len(o.By), spec.MaxBy)
	case !isOneLine(o.Reason):
		return "the reason is not one line of text"
	case !isOneLine(o.By):
		return "by is not one line of text"
	}
	return ""
}

// isOneLine says whether a text can be shown in a line of a table or a log.
func isOneLine(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// quoteShort quotes the beginning of a text.
func quoteShort(s string) string {
	const most = 160
	if len(s) <= most {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("%q…", strings.ToValidUTF8(s[:most], ""))
}

// over returns what takes the place of an override when another is written at the same key: a set and a hide replace
// what was there, but for the backends of a service that a set does not speak of, a patch is merged into it. The reason, the author and the times are those of the later one.
//
// A patch of what is hidden is refused: it would bring back what somebody took away for a reason of his own. So is one with
// another end than what says more: the rest would end with it, or go on.
func over(was, o spec.Override) (spec.Override, error) {
	if o.Kind == spec.Set && was.Kind == spec.Set && o.Backend == "" {
		return keepingBackends(o, was.Body)
	}
	if o.Kind != spec.Patch {
		return o, nil
	}
	if was.Kind == spec.Hide {
		return o, refuse(Conflict, o, "it is hidden%s; clear that first", because(was))
	}
	if o.Ends() && !o.Until.Equal(was.Until) && (was.Kind == spec.Set || speaksOfMore(was.Body, o.Body)) {
		return o, refuse(Conflict, o, "there is a %s%s that ends at %s, and all of it would end with this one; clear that, or change it without an end, which leaves it its own",
			was.Kind, because(was), was.Until.Format(time.RFC3339))
	}
	body, err := mergeBodies(was.Body, o.Body)
	if err == nil && was.Kind == spec.Set {
		body, err = withoutNulls(body) // a Patch that is stored goes on taking away what is beneath it; nothing is beneath a Set
	}
	if err != nil {
		return o, refuse(Invalid, o, "the body: %v", err)
	}
	if len(body) > maxOverrideBody {
		return o, refuse(Full, o, "with what is there, the body would be %d bytes, over %d (1 MiB)", len(body), maxOverrideBody)
	}
	if o.Reason == "" && bytes.Equal(body, was.Body) { // it is so for another time, and for the same reason
		o.Reason = was.Reason
	}
	o.Kind, o.Body = was.Kind, body
	return o, nil
}

// keepingBackends returns the Set of a service with the backends that the one before named, where it names none itself: then it
// is not about them.
func keepingBackends(o spec.Override, before []byte) (spec.Override, error) {
	var was, is map[string]json.RawMessage
	if json.Unmarshal(before, &was) != nil || json.Unmarshal(o.Body, &is) != nil || was["backends"] == nil || is["backends"] != nil {
		return o, nil
	}
	is["backends"] = was["backends"]
	body, err := compactJSON(is)
	if err != nil {
		return o, refuse(Invalid, o, "the body: %v", err)
	}
	if len(body) > maxOverrideBody {
		return o, refuse(Full, o, "with what is there, the body would be %d bytes, over %d (1 MiB)", len(body), maxOverrideBody)
	}
	o.Body = body
	return o, nil
}

// speaksOfMore reports whether an object in JSON has keys that another does not have.
func speaksOfMore(body, other []byte) bool {
	var keys, others map[string]json.RawMessage
	if json.Unmarshal(body, &keys) != nil || json.Unmarshal(other, &others) != nil {
		return false // it has been checked
	}
	for key := range keys {
		if _, both := others[key]; !both {
			return true
		}
	}
	return false
}

// because says who wrote an override and what for, as far as is known.
func because(o spec.Override) string {
	switch {
	case o.By != "" && o.Reason != "":
		return fmt.Sprintf(" (%s: %s)", o.By, o.Reason)
	case o.By != "" || o.Reason != "":
		return fmt.Sprintf(" (%s%s)", o.By, o.Reason)
	}
	return ""
}
