package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"strings"
	"sync"
)

// undocumented are the answers of the API that tests got and its document does not have. TestAPIDocument has all that the
// document has provoked, which is not that it has all there are.
var undocumented sync.Map

// document says of requests whether its answers are in the document of the API.
type document struct {
	routes *http.ServeMux
	paths  map[string]map[string]struct{ Responses map[string]any }
}

// readDocument reads it, once, from the first API that there is: all have the same.
var readDocument = sync.OnceValue(func() *document {
	var doc struct {
		Paths map[string]map[string]struct{ Responses map[string]any }
	}
	w := exchange(New(&fakeDaemon{}, Options{Access: open()}), "GET", "/openapi.json", "")
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		panic(err)
	}
	d := &document{http.NewServeMux(), doc.Paths}
	for path := range doc.Paths {
		d.routes.Handle(path, http.NotFoundHandler())
	}
	return d
})

// note notes an answer that the document does not have, of the routes that it has.
func (d *document) note(r *http.Request, status int) {
	if path.Clean(r.URL.Path) != r.URL.Path {
		return // what is no route here is one to a ServeMux
	}
	_, route := d.routes.Handler(r)
	method := strings.ToLower(r.Method)
	if method == "head" {
		method = "get"
	}
	o, known := d.paths[route][method]
	if _, said := o.Responses[fmt.Sprint(status)]; known && !said {
		undocumented.Store(fmt.Sprintf("%s %s: %d", r.Method, route, status), true)
	}
}

// noting notes the answers of an API.
func noting(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		h.ServeHTTP(s, r)
		readDocument().note(r, s.status)
	})
}

// statusWriter knows the status of its answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
