package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/sources"
)

// FuzzRoutes sends anything by any route: every answer is of a type that is documented, nothing is the server's fault,
// what is stored goes with the rest, and nothing goes on when it has answered.
func FuzzRoutes(f *testing.F) {
	for _, seed := range [][4]string{
		{"POST", "/overrides", `{"kind":"set","service":"web","backend":"a","body":{"weight":1},"ttl":"1h"}`, ""},
		{"POST", "/overrides", `{"kind":"patch","service":"web","body":{"backends":{"a":null}}}`, ""},
		{"POST", "/overrides", `{"kind":"hide","service":"web","body":null,"reason":"x","by":"y"}`, ""},
		{"POST", "/overrides", `{"kind":"set","service":"new","body":{"host":"six.example","port":1,"backends":{"a":{"host":"both.example"},"b":{"host":"x"}}}}`, ""},
		{"DELETE", "/overrides/web/a", "", `If-Match: "r1"`},
		{"DELETE", "/overrides?x=y", "", "If-Match: *"},
		{"GET", "/explain/web%2Fa/%00", "", ""},
		{"POST", "/sources/https%3A%2F%2Fx/accept", "", ""},
		{"POST", "/sources/test.toml/accept", "", ""},
		{"POST", "/reload", `{"sources":["x"]}`, ""},
		{"GET", "/status", "", "Accept: text/html, */*;q=0"},
		{"HEAD", "/service/web", "", "Accept: application/json"},
		{"GET", "/health?service=web&service=", "", ""},
		{"GET", "/plan?flush=true", "", ""},
		{"POST", "/plan", `{"layers":[{"name":"x","document":{"services":{"web":{"port":80}}}},{"name":"y"}],"flush":true}`, ""},
		{"PUT", "/service/new?wait=0s&ttl=1h&reason=%20x", `{"address":"10.0.0.7","Port":"80","flags":"sh-port","method":"sh"}`, ""},
		{"PUT", "/service/web/a?replace=true", `{"host":"six.example","port":"80","pulse":{"type":"http","expect":"200"}}`, ""},
		{"PUT", "/service/web/b", `{"host":"both.example","weight":0,"vsid":"web"}`, "Content-Type: application/x-www-form-urlencoded"},
		{"PATCH", "/service/web/a?dry_run=true", `{"weight":0}`, `If-Match: "a", W/"b"`},
		{"PATCH", "/service/web?wait=1ms", `{"backends":{"a":{"weight":null}},"pulse":null}`, "Content-Type: application/merge-patch+json"},
		{"PATCH", "/service/web?ttl=1h", `{"host":"both.example","backends":{"a":{"host":"mapped.example"},"b":{"host":"local","port":1}}}`, ""},
		{"DELETE", "/service/web?ttl=1s&keep=true", "", ""},
		{"DELETE", "/service/web/a", "", "Origin: http://evil.example"},
		{"OPTIONS", "/service/web", "", "Access-Control-Request-Method: PUT"},
		{"GET", "/audit?limit=3&before=2", "", ""},
		{"GET", "/openapi.json", "", ""},
		{"POST", "/probe/web/a", "", "Authorization: Basic Og=="},
		{"PUT", "/service/../service//web/", "{}", ""},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	f.Fuzz(func(t *testing.T, method, path, body, header string) {
		target, err := url.ParseRequestURI(path)
		if err != nil || path[0] != '/' || strings.ContainsAny(method, " \r\n\t") || method == "" || method == http.MethodConnect {
			t.Skip()
		}
		before := runtime.NumGoroutine()
		daemon := over(t, web)
		daemon.status.Sources = []sources.SourceStatus{{Name: "test.toml"}}
		r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/", strings.NewReader(body))
		r.Method, r.URL, r.RequestURI = method, target, path
		if name, value, named := strings.Cut(header, ": "); named && !strings.ContainsAny(header, "\r\n") {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		h := New(daemon, Options{Access: open(), Log: zerolog.Nop(), Resolver: known{someNames}})
		h.ServeHTTP(w, places["the socket"](r))
		if problem := unlike(w); problem != "" {
			t.Errorf("%s %s %s %s: %s", method, path, body, header, problem)
		}
		judged, err := daemon.Await(t.Context(), daemon.Revision())
		if err != nil || judged.Desired == nil || judged.Nothing != nil {
			t.Errorf("%s %s %s: nothing counts any more: %v %v", method, path, body, err, judged.Nothing)
		}
		for _, o := range daemon.List() {
			effect, why := judged.Of(o.Key())
			if err := o.Check(); err != nil || effect == sources.SetAside && target.Path != "/overrides" {
				t.Errorf("%s %s %s: stored is %v: %v %v", method, path, body, o, err, why)
			}
		}
		daemon.end()
		for tries := 0; runtime.NumGoroutine() > before; tries++ {
			if tries > 20_000 {
				t.Fatalf("%s %s: %d goroutines go on", method, path, runtime.NumGoroutine()-before)
			}
			time.Sleep(time.Millisecond)
		}
	})
}

// known is a book that knows that there are no other names.
type known struct{ book }

func (k known) LookupNetIP(ctx context.Context, network, host string) (list []netip.Addr, err error) {
	if _, there := k.book[host]; !there {
		host = "none.example"
	}
	return k.book.LookupNetIP(ctx, network, host)
}

// unlike says what is wrong with an answer; "": nothing is.
func unlike(w *httptest.ResponseRecorder) string {
	kind := w.Header().Get("Content-Type")
	switch code := w.Code; {
	case code >= 500 && code != http.StatusServiceUnavailable && code != http.StatusInsufficientStorage:
		return fmt.Sprintf("%d: %s", code, w.Body)
	case code == http.StatusNoContent || code >= 300 && code < 400: // CORS; the mux cleans the path
	case !slices.Contains([]string{mediaJSON, mediaSchema}, kind):
		return fmt.Sprintf("%d has the type %q", code, kind)
	case !json.Valid(w.Body.Bytes()):
		return fmt.Sprintf("%d, and it is no JSON: %s", code, w.Body)
	case code >= 400 && !strings.Contains(w.Body.String(), `"error": "`):
		return fmt.Sprintf("%d has no error: %s", code, w.Body)
	}
	return ""
}
