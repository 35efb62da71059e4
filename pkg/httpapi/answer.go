package httpapi

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"strings"
	"syscall"

	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// Failure is the body of every answer that is an error, and the error that a Client makes of it.
type Failure struct {
	Code     int         `json:"-" doc:"The status."`
	Header   http.Header `json:"-" doc:"What the answer has beside."`
	Message  string      `json:"error"`
	Problems []Problem   `json:"problems,omitempty"`
}

// Problem is one thing that is wrong.
type Problem struct {
	Source  string `json:"source,omitempty" doc:"The layer that it is in, where several were sent."`
	Path    string `json:"path,omitempty" doc:"Such as \"services.web.port\"."`
	Message string `json:"message"`
}

func (f *Failure) Error() string {
	var text strings.Builder
	text.WriteString(f.Message)
	for _, p := range f.Problems {
		text.WriteString("\n")
		if p.Source != "" {
			text.WriteString(p.Source + ": ")
		}
		if p.Path != "" {
			text.WriteString(p.Path + ": ")
		}
		text.WriteString(p.Message)
	}
	return text.String()
}

// maxProblems is how many problems an answer names, as package spec does; it counts the rest.
const maxProblems = 100

// foremost is a list of problems that an answer can have.
func foremost(list []Problem) []Problem {
	if n := len(list) - maxProblems; n > 0 {
		return append(list[:maxProblems:maxProblems], Problem{Message: fmt.Sprintf("and %d more", n)})
	}
	return list
}

// Fail returns a failure with a status.
func Fail(code int, message string) *Failure { return &Failure{Code: code, Message: message} }

// faults are the statuses of what is wrong with an override.
var faults = map[sources.Fault]int{
	sources.Invalid:  http.StatusUnprocessableEntity,
	sources.Conflict: http.StatusConflict,
	sources.Full:     http.StatusInsufficientStorage,
}

// failureOf makes a failure of any error: 500 unless it is one, it is of what was sent, or the disk is full. An answer that
// nobody waits for any more is one that gorb, or the client, has no time left for.
func failureOf(err error) *Failure {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f
	}
	if o, ok := errors.AsType[*sources.OverrideError](err); ok {
		return Fail(cmp.Or(faults[o.Fault], http.StatusUnprocessableEntity), o.Error())
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return Fail(http.StatusServiceUnavailable, unavailable)
	}
	list, ok := errors.AsType[spec.Problems](err)
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return Fail(http.StatusInsufficientStorage, err.Error())
	case !ok:
		return Fail(http.StatusInternalServerError, err.Error())
	}
	f := Fail(http.StatusUnprocessableEntity, unusable)
	f.Problems = newProblems(list)
	return f
}

func newProblems(list spec.Problems) []Problem {
	var out []Problem
	for _, p := range list {
		out = append(out, Problem{Path: p.Path, Message: p.Message})
	}
	return out
}

// fail answers with a failure.
func fail(w http.ResponseWriter, f *Failure) {
	maps.Copy(w.Header(), f.Header)
	write(w, f.Code, f)
}

// write answers with a value as JSON.
func write(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", mediaJSON)
	w.WriteHeader(code)
	_ = writeJSON(w, v) // a client that has gone needs no answer
}

// Read decodes the body of a request, one JSON value, strictly: no unknown key and nothing after it.
func Read(r *http.Request, into any) error {
	if err := checkMedia(r); err != nil {
		return err
	}
	return decode(r.Body, into)
}

// readIfAny is Read for a body that need not be there. What type one without content is said to be is not looked at: curl -d
// calls it a form, and a page of another site has no more from that than from a request without a type.
func readIfAny(r *http.Request, into any) error {
	text, err := io.ReadAll(r.Body)
	switch {
	case err != nil:
		return badBody(err)
	case len(bytes.TrimSpace(text)) == 0:
		return nil
	}
	if err := checkMedia(r); err != nil {
		return err
	}
	return decode(bytes.NewReader(text), into)
}

// decode is Read for a body whose type is known.
func decode(body io.Reader, into any) error {
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, err = d.Token(); err == nil {
			err = errors.New("there is more after the first value")
		} else if errors.Is(err, io.EOF) {
			return nil
		}
	}
	if _, big := errors.AsType[*http.MaxBytesError](err); big {
		return badBody(err)
	}
	if wrong, is := errors.AsType[*json.UnmarshalTypeError](err); is {
		return wrongType(wrong)
	}
	if key, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); unknown { // the package has no type for it
		f := Fail(http.StatusUnprocessableEntity, unusable)
		f.Problems = []Problem{{Path: strings.Trim(key, `"`), Message: "there is no such key"}}
		return f
	}
	if errors.Is(err, io.EOF) {
		err = errors.New("it is empty")
	}
	return Fail(http.StatusBadRequest, "the body is no such JSON: "+err.Error())
}

// wrongType says that a value is of another type than its key takes.
func wrongType(wrong *json.UnmarshalTypeError) error {
	wanted := map[reflect.Kind]string{
		reflect.String: "a string", reflect.Bool: "true or false", reflect.Slice: "an array", reflect.Struct: "an object",
	}[wrong.Type.Kind()]
	p := Problem{Path: wrong.Field, Message: "it is of the wrong type"}
	if wanted != "" {
		p.Message += ", wanted " + wanted
	}
	f := Fail(http.StatusBadRequest, "the body is no such JSON")
	f.Problems = []Problem{p}
	return f
}
