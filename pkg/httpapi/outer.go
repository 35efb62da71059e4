package httpapi

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"path"
	"runtime/debug"
	"sync"

	"github.com/gorb-io/gorb/pkg/spec"
)

// otherRoutes are those whose answers are no JSON values of a type: streams, metrics, documents.
func (a *api) otherRoutes(mux *http.ServeMux, o Options) {
	add := func(h http.Handler, s streamed) {
		if h == nil {
			return
		}
		s.document(a.huma.OpenAPI())
		guarded := a.guarded(s.need, h)
		if hub, ok := h.(*Hub); ok {
			guarded = hub.before(guarded)
		}
		mux.Handle("GET "+s.path, guarded)
	}
	verbose := [][2]string{{"verbose", "If it is there, a line for each thing that was looked at."}}
	add(o.Events, streamed{
		path: "/events", id: "watchEvents", summary: "What happens, as server-sent events", need: needRead, kind: "text/event-stream",
		query: [][2]string{
			{"type", "Events of these types alone, with commas between; once or more."},
			{"service", "Events of this service and of none alone; once or more."},
			{"last_event_id", "As Last-Event-ID, for who cannot set headers."},
		},
		headers: [][2]string{{"Last-Event-ID", "Go on with the event after this one."}},
		codes:   []int{http.StatusUnprocessableEntity},
	})
	add(o.Metrics, streamed{path: "/metrics", id: "getMetrics", summary: "Metrics for Prometheus", need: needPublic, kind: "text/plain"})
	add(o.Live, streamed{
		path: "/livez", id: "isLive", summary: "200 while gorb does its work", need: Need{Open: true}, kind: "text/plain",
		json: jsonOf[Condition]{}, query: verbose,
	})
	add(o.Ready, streamed{
		path: "/readyz", id: "isReady", summary: "200 once gorb keeps what all sources declare, 503 with the reasons before",
		need: Need{Open: true}, kind: "text/plain", json: jsonOf[Condition]{}, query: verbose,
	})
	add(static(mediaJSON, a.document), streamed{
		path: "/openapi.json", id: "getOpenAPI", summary: "This document", need: needRead, kind: mediaJSON,
	})
	add(static(mediaSchema, func() ([]byte, error) { return spec.JSONSchema(), nil }), streamed{
		path: "/schema.json", id: "getSchema", summary: "The JSON Schema of the configuration", need: needRead, kind: mediaSchema,
	})
}

// guarded lets in who may use a handler.
func (a *api) guarded(need Need, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, refused := a.access.Allow(r, need); refused != nil {
			fail(w, refused)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// outer is what every request goes through: its body is bounded, a panic is an answer, and what no route is for is said in
// JSON as everything else is.
func (a *api) outer(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w := &answering{ResponseWriter: rw}
		defer a.survive(w, r)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if a.access.CORS(w, r) {
			return
		}
		most := int64(maxBody)
		if r.Method == http.MethodPost && r.URL.Path == "/plan" {
			most = maxPlanBody // it has whole documents
		}
		r.Body = http.MaxBytesReader(rw, r.Body, most)
		h, pattern := mux.Handler(r)
		if pattern != "" && canonical(r.URL.EscapedPath()) {
			mux.ServeHTTP(w, r)
			return
		}
		probe := &headOnly{header: http.Header{}}
		h.ServeHTTP(probe, r)
		switch probe.code {
		case http.StatusMethodNotAllowed:
			f := Fail(probe.code, r.Method+" is no method of this route; there are "+probe.header.Get("Allow"))
			f.Header = http.Header{"Allow": probe.header["Allow"]}
			fail(w, f)
		default:
			fail(w, Fail(http.StatusNotFound, "there is no such route"))
		}
	})
}

// canonical reports whether a path is as the routes are written. The mux would answer any other with a redirect in HTML, which
// clients follow with another method, or not at all.
func canonical(at string) bool {
	clean := path.Clean(at)
	return at == clean || at == clean+"/"
}

// headOnly takes from an answer what is before its body.
type headOnly struct {
	header http.Header
	code   int
}

// Header is that of the answer.
func (h *headOnly) Header() http.Header { return h.header }

// Write drops the body.
func (h *headOnly) Write(b []byte) (int, error) { return len(b), nil }

// WriteHeader takes the status.
func (h *headOnly) WriteHeader(code int) { h.code = code }

// answering is an answer of which it is known whether it has begun.
type answering struct {
	http.ResponseWriter
	begun bool
}

// WriteHeader begins it.
func (a *answering) WriteHeader(code int) {
	a.begun = true
	a.ResponseWriter.WriteHeader(code)
}

// Write goes on with it.
func (a *answering) Write(b []byte) (int, error) {
	a.begun = true
	return a.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (a *answering) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// survive makes of a panic an answer with a number, under which the log has where it happened. An answer that has begun is
// cut off, so that nobody takes a part for the whole.
func (a *api) survive(w *answering, r *http.Request) {
	what := recover()
	if what == nil {
		return
	}
	if what == http.ErrAbortHandler { // somebody cuts off the connection on purpose
		panic(what)
	}
	var id [8]byte
	_, _ = rand.Read(id[:]) // which never fails
	number := hex.EncodeToString(id[:])
	a.log.Error().Str("id", number).Str("method", r.Method).Str("path", r.URL.Path).Interface("panic", what).
		Str("stack", string(debug.Stack())).Msg("a request failed by a fault of gorb's")
	if w.begun {
		panic(http.ErrAbortHandler)
	}
	fail(w, Fail(http.StatusInternalServerError, "a fault of gorb's; its log has it under the id "+number))
}

const mediaSchema = "application/schema+json"

// static answers with a document that is made once.
func static(kind string, make func() ([]byte, error)) http.Handler {
	document := sync.OnceValues(make)
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		text, err := document()
		if err != nil {
			fail(w, failureOf(err))
			return
		}
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write(text) // a client that has gone needs no answer
	})
}
