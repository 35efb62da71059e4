package httpapi

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gorb-io/gorb/pkg/sources"
)

// FuzzRoutes sends anything: every answer is JSON, no override is stored that is wrong alone, and nothing is the server's
// fault.
func FuzzRoutes(f *testing.F) {
	for _, seed := range [][3]string{
		{"POST", "/overrides", `{"kind":"set","service":"web","backend":"a","body":{"weight":1},"ttl":"1h"}`},
		{"POST", "/overrides", `{"kind":"patch","service":"web","body":{"backends":{"a":null}}}`},
		{"POST", "/overrides", `{"kind":"hide","service":"web","body":null,"reason":"x","by":"y"}`},
		{"DELETE", "/overrides/web/a", ""},
		{"GET", "/explain/web%2Fa/%00", ""},
		{"POST", "/sources/https%3A%2F%2Fx/accept", ""},
		{"POST", "/reload", `{"sources":["x"]}`},
		{"GET", "/status", ""},
		{"GET", "/health?service=web&service=", ""},
		{"GET", "/plan?flush=true", ""},
		{"POST", "/plan", `{"layers":[{"name":"x","document":{"services":{"web":{"port":80}}}},{"name":"y"}],"flush":true}`},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, method, path, body string) {
		target, err := url.ParseRequestURI(path)
		if err != nil || path[0] != '/' || strings.ContainsAny(method, " \r\n\t") || method == "" || method == http.MethodConnect {
			t.Skip()
		}
		store, err := sources.OpenOverrides("")
		if err != nil {
			t.Fatal(err)
		}
		daemon := &fakeDaemon{OverrideStore: store, status: sources.Status{Sources: []sources.SourceStatus{{Name: "x"}}}}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", strings.NewReader(body))
		r.Method, r.URL, r.RequestURI = method, target, path
		w := httptest.NewRecorder()
		bounded(NewMux(daemon)).ServeHTTP(w, r)
		switch code := w.Code; {
		case code >= 500:
			t.Errorf("%d: %s", code, w.Body)
		case code >= 300 && code < 400: // the mux cleans the path
		case !json.Valid(w.Body.Bytes()):
			t.Errorf("%d, and it is no JSON: %s", code, w.Body)
		}
		for _, o := range store.List() {
			if err := o.Check(); err != nil {
				t.Errorf("stored is %v: %v", o, err)
			}
		}
	})
}
