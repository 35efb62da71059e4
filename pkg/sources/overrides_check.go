package sources

import (
	"bytes"
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
	Missing  Fault = "missing"  // there is none
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
	if o.Kind == spec.Hide {
		if len(o.Body) > 0 {
			return o, refuse(Invalid, o, "hide takes no body")
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
	case o.Kind != spec.Set && o.Kind != spec.Patch && o.Kind != spec.Hide:
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

// over returns what takes the place of an override when another is written for the same object: a set and a hide replace
// what was there, a patch is merged into it. The reason, the author and the times are those of the later one.
//
// A patch of what is hidden, and one that would end with what does not, or the reverse, are refused: the first would
// bring back what somebody took away for a reason of his own, the second end what he meant to stay, or keep what he
// meant to end.
func over(was, o spec.Override) (spec.Override, error) {
	if o.Kind != spec.Patch {
		return o, nil
	}
	switch {
	case was.Kind == spec.Hide:
		return o, refuse(Conflict, o, "it is hidden%s; clear that first", because(was))
	case was.Until.IsZero() && !o.Until.IsZero():
		return o, refuse(Conflict, o, "there is a %s without end%s, which would end with this one; clear that, or give this one no end",
			was.Kind, because(was))
	case !was.Until.IsZero() && o.Until.IsZero():
		return o, refuse(Conflict, o, "there is a %s that ends at %s%s and would not any more; clear that, or give this one an end",
			was.Kind, was.Until.Format(time.RFC3339), because(was))
	}
	body, err := mergeBodies(was.Body, o.Body)
	if err != nil {
		return o, refuse(Invalid, o, "the body: %v", err)
	}
	if len(body) > maxOverrideBody {
		return o, refuse(Full, o, "with what is there, the body would be %d bytes, over %d (1 MiB)", len(body), maxOverrideBody)
	}
	o.Kind, o.Body = was.Kind, body
	return o, nil
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
