package httpapi

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// Failure is the body of every answer that is an error, and the error that a Client makes of it.
type Failure struct {
	Code     int         `json:"-"` // the status
	Header   http.Header `json:"-"` // what the answer has beside
	Message  string      `json:"error"`
	Problems []Problem   `json:"problems,omitempty"`
}

// Problem is one thing that is wrong.
type Problem struct {
	Source  string `json:"source,omitempty"` // the layer that it is in, where several were sent
	Path    string `json:"path,omitempty"`   // such as "services.web.port"
	Message string `json:"message"`
}

func (f *Failure) Error() string {
	text := f.Message
	for _, p := range f.Problems {
		text += "\n"
		if p.Source != "" {
			text += p.Source + ": "
		}
		if p.Path != "" {
			text += p.Path + ": "
		}
		text += p.Message
	}
	return text
}

// Fail returns a failure with a status.
func Fail(code int, message string) *Failure { return &Failure{Code: code, Message: message} }

// faults are the statuses of what is wrong with an override.
var faults = map[sources.Fault]int{
	sources.Invalid:  http.StatusUnprocessableEntity,
	sources.Conflict: http.StatusConflict,
	sources.Full:     http.StatusInsufficientStorage,
}

// failureOf makes a failure of any error: 500 unless it is one, or it is of what was sent.
func failureOf(err error) *Failure {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f
	}
	if o, ok := errors.AsType[*sources.OverrideError](err); ok {
		return Fail(cmp.Or(faults[o.Fault], http.StatusUnprocessableEntity), o.Error())
	}
	list, ok := errors.AsType[spec.Problems](err)
	if !ok {
		return Fail(http.StatusInternalServerError, err.Error())
	}
	f := Fail(http.StatusUnprocessableEntity, "what was sent cannot be used")
	for _, p := range list {
		f.Problems = append(f.Problems, Problem{Path: p.Path, Message: p.Message})
	}
	return f
}

// Handle makes a handler of a function whose result is answered as JSON, nil as {}.
func Handle(answer func(r *http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, err := answer(r)
		if err != nil {
			f := failureOf(err)
			write(w, f.Code, f)
			return
		}
		if v == nil {
			v = struct{}{}
		}
		write(w, http.StatusOK, v)
	})
}

func write(w http.ResponseWriter, code int, v any) {
	body, err := json.MarshalIndent(v, "", "\t") // GORB's form
	if err != nil {
		http.Error(w, `{"error": "the answer cannot be written"}`, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = w.Write(body) // a client that has gone needs no answer
}

// Read decodes the body of a request, one JSON value, strictly: no unknown key and nothing after it.
func Read(r *http.Request, into any) error {
	if t := r.Header.Get("Content-Type"); t != "" {
		if kind, _, err := mime.ParseMediaType(t); err != nil || kind != "application/json" {
			return Fail(http.StatusUnsupportedMediaType, "the body must be application/json")
		}
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, err = d.Token(); err == nil {
			err = errors.New("there is more after the first value")
		} else if errors.Is(err, io.EOF) {
			return nil
		}
	}
	if big, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return Fail(http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is over %d MiB", big.Limit>>20))
	}
	if errors.Is(err, io.EOF) {
		err = errors.New("it is empty")
	}
	return Fail(http.StatusBadRequest, "the body is no such JSON: "+err.Error())
}

// NotFound answers requests that no route is for, those with another method among them.
func NotFound(*http.Request) (any, error) {
	return nil, Fail(http.StatusNotFound, "there is no such route")
}
