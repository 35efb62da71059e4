package main

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gorb-io/gorb/pkg/kernel"
)

const documented = `
[services.web]
host = "10.0.0.1"
port = 80
method = "mh"
flags = "mh-port"
persistent = "5m"
pulse = { type = "none" }
[services.web.backends.a]
host = "10.1.0.1"
port = 8080
[services.web.backends.b]
host = "10.1.0.2"
weight = 0
pulse = { type = "http", interval = "1s", args = { path = "/health", expect = 200, headers = { Authorization = "Bearer x" } } }
[services.mark]
fwmark = 7
family = "ipv6"
`

// TestAPIDocument sends real requests to every operation of the OpenAPI document, good ones and what provokes its errors,
// and compares each answer with the document. Routes that it does not have are not reached: the mux is made of it.
func TestAPIDocument(t *testing.T) {
	w := &apiWorld{t: t, kernel: kernel.NewFake(), dir: t.TempDir(), log: &syncLog{}}
	w.file = filepath.Join(w.dir, "gorb.toml")
	var full atomic.Bool
	var busy sync.Mutex
	w.kernel.Fail = func(kernel.Op) error {
		busy.Lock()
		defer busy.Unlock()
		if full.Load() {
			return errors.New("no room")
		}
		return nil
	}
	w.declare(documented)
	w.start()
	d := readDocument(t, w)
	file := url.PathEscape(w.file)
	d.structure()
	late := func(do string) { // which the kernel does not have when it is answered
		busy.Lock()
		defer busy.Unlock()
		d.ask(202, do)
	}

	// What there is to read.
	d.ask(200, "GET /service")
	service := d.ask(200, "GET /service/web")
	d.ask(200, "GET /service/mark")
	d.ask(404, "GET /service/gone")
	backend := d.ask(200, "GET /service/web/a")
	d.ask(200, "GET /service/web/b")
	d.ask(404, "GET /service/web/gone")
	for _, do := range []string{
		"GET /overrides", "GET /sources", "GET /held", "GET /status", "GET /health", "GET /health?service=web", "GET /plan", "GET /audit",
		"GET /explain/web", "GET /explain/web/a", "GET /metrics", "GET /livez", "GET /livez?verbose", "GET /readyz", "GET /openapi.json",
		"GET /schema.json", "GET /events", "GET /plan?accept_removals=true&flush=true",
	} {
		if d.find(strings.Fields(do)[1]) == "" && (strings.Contains(do, "/metrics") || strings.Contains(do, "z")) {
			continue // this gorb does not have it
		}
		d.ask(200, do)
	}
	d.ask(404, "GET /explain/gone")
	d.ask(404, "GET /explain/web/gone")
	d.ask(422, "GET /events?type=none")
	d.ask(422, "GET /plan?flush=perhaps")
	d.ask(421, "GET /plan?namespace=1:2")
	d.ask(422, "GET /audit?limit=0")

	// Changes of services and backends.
	for _, tt := range []struct {
		path, good, tag string
	}{
		{"/service/web", `{"host": "10.0.0.1", "port": 80, "method": "mh", "flags": "mh-port", "persistent": "5m", "pulse": {"type": "none"}}`, service},
		{"/service/web/a", `{"host": "10.1.0.1", "port": 8080}`, backend},
	} {
		d.sent("PUT "+tt.path+" "+tt.good, true)
		d.sent("PUT "+tt.path+` {"colour": "red"}`, false)
		d.sent("PATCH "+tt.path+` {"port": null}`, true)
		d.ask(200, "PUT "+tt.path+" "+tt.good)
		d.ask(409, "PUT "+tt.path+` {"host": "10.9.0.1", "port": 90}`)
		d.ask(422, "PUT "+tt.path+"?ttl=soon "+tt.good)
		d.ask(200, "PATCH "+tt.path+`?dry_run=true {"port": 81}`)
		d.ask(200, "PATCH "+tt.path+"?ttl=1h&reason=test&wait=10s"+` {"port": 81}`)
		late("PATCH " + tt.path + "?ttl=1h&wait=0s" + ` {"port": 82}`)
		d.ask(200, "PATCH "+tt.path+"?ttl=1h"+` {"port": 83}`, "Content-Type: application/merge-patch+json")
		d.ask(200, "DELETE /overrides"+strings.TrimPrefix(tt.path, "/service"))
		d.ask(412, "PATCH "+tt.path+` {"port": 84}`, `If-Match: "x"`)
		d.ask(200, "PATCH "+tt.path+"?dry_run=true"+` {"port": 84}`, "If-Match: "+tt.tag)
		d.ask(412, "DELETE "+tt.path, `If-Match: "x"`)
		d.ask(412, "PUT "+tt.path+" "+tt.good, `If-Match: "x"`)
		late("DELETE " + tt.path + "?wait=0s")
		late("PUT " + tt.path + "?wait=0s " + tt.good)
		d.ask(200, "DELETE "+tt.path)
		d.ask(404, "DELETE "+tt.path)
		d.ask(404, "PATCH "+tt.path+` {"port": 84}`)
		d.ask(422, "DELETE "+tt.path+"?colour=red")
		d.ask(200, "PUT "+tt.path+" "+tt.good)
		d.ask(409, "PUT "+tt.path+` {"colour": "red"}`)
		d.ask(422, "PUT "+tt.path+`?replace=true {"colour": "red"}`)
		d.ask(422, "PATCH "+tt.path+` {"colour": "red"}`)
		for _, method := range []string{"PUT", "PATCH"} {
			d.ask(400, method+" "+tt.path+" {")
			d.ask(415, method+" "+tt.path+" {}", "Content-Type: text/plain")
			d.ask(413, method+" "+tt.path+" {"+strings.Repeat(" ", 1<<20)+"}")
		}
	}
	d.ask(404, `PUT /service/gone/a {"host": "10.1.0.1"}`)
	d.ask(409, `PATCH /service/web {"host": "10.0.0.1", "backends": {"b": {"host": "10.1.0.1", "port": 8080}}}`)
	d.ask(409, `PATCH /service/web/b {"host": "10.1.0.1", "port": 8080}`)

	// Overrides, as such.
	d.sent(`POST /overrides {"kind": "hide", "service": "mail", "body": null}`, true)
	d.sent(`POST /overrides {"kind": "drop", "service": "mail"}`, false)
	d.ask(200, `POST /overrides {"kind": "hide", "service": "mail", "reason": "moved", "ttl": "1h"}`)
	d.ask(200, `POST /overrides {"kind": "patch", "service": "web", "backend": "a", "body": {"weight": 3}}`)
	d.ask(200, `POST /overrides {"kind": "patch", "service": "web", "body": {"port": 81}}`)
	late(`POST /overrides?wait=0s {"kind": "patch", "service": "web", "body": {"port": 82}}`)
	d.ask(412, `POST /overrides {"kind": "patch", "service": "web", "body": {"port": 81}}`, `If-Match: "x"`)
	d.ask(409, `POST /overrides {"kind": "patch", "service": "mail", "body": {"port": 81}, "ttl": "1h"}`)
	d.ask(400, `POST /overrides {"kind": 5}`)
	d.ask(422, `POST /overrides {"colour": "red"}`)
	d.ask(422, `POST /overrides {"kind": "drop", "service": "x"}`)
	d.ask(415, "POST /overrides {}", "Content-Type: text/plain")
	d.ask(413, "POST /overrides {"+strings.Repeat(" ", 1<<20)+"}")
	all := d.ask(200, "GET /overrides")
	d.ask(200, "GET /service/web/a")
	d.ask(200, "GET /explain/web/a")
	d.ask(200, "GET /status")
	for _, object := range []string{"web", "web/a"} {
		tag := d.ask(200, "GET /overrides/"+object)
		d.ask(412, "DELETE /overrides/"+object, `If-Match: "x"`)
		d.ask(200, "DELETE /overrides/"+object, "If-Match: "+tag)
		d.ask(404, "DELETE /overrides/"+object)
		d.ask(404, "GET /overrides/"+object)
		d.ask(200, "PATCH /service/"+object+` {"port": 85}`)
		late("DELETE /overrides/" + object + "?wait=0s")
	}
	d.ask(412, "DELETE /overrides", "If-Match: "+all)
	d.ask(200, `PATCH /service/web {"port": 86}`)
	late("DELETE /overrides?wait=0s")
	d.ask(200, "DELETE /overrides")

	// Sources, plans, checks.
	d.ask(200, "POST /reload?reason=test")
	d.ask(200, fmt.Sprintf(`POST /reload {"sources": [%q]}`, w.file))
	d.ask(404, `POST /reload {"sources": ["gone"]}`)
	d.ask(400, "POST /reload {")
	d.ask(415, "POST /reload {}", "Content-Type: text/plain")
	d.ask(413, "POST /reload {"+strings.Repeat(" ", 1<<20)+"}")
	d.ask(404, "POST /sources/gone/accept")
	d.ask(409, "POST /sources/"+file+"/accept?reason=test") // nothing is held
	d.ask(200, `POST /plan {"layers": [{"name": "x", "document": {"services": {}}}]}`)
	d.ask(422, `POST /plan {"layers": [{"name": "x", "document": {"gorb": {"state_dir": "/elsewhere"}, "services": {}}}]}`)
	plan := fmt.Sprintf(`POST /plan {"layers": [{"name": %q}, {"name": "new.toml", "document": {"services": {"new": {"host": "10.0.0.9", "port": 80}}}}]}`, w.file)
	d.sent(plan, true)
	d.sent(`POST /plan {"layers": [{"name": "x", "document": {"colour": "red"}}]}`, false)
	d.ask(200, plan)
	d.ask(422, `POST /plan {"layers": [{"name": "x", "document": {"colour": "red"}}]}`)
	alone := `POST /plan {"services": {"new": {"host": "10.0.0.9", "port": 80}}}`
	d.sent(alone, true)
	d.sent(`POST /plan {"services": {"new": {"colour": "red"}}}`, false)
	d.sent(`POST /plan {"services": {}, "layers": []}`, false) // it is one or the other
	d.ask(200, alone)
	d.ask(200, "POST /plan?accept_removals=true&flush=true [services]", "Content-Type: application/toml")
	d.ask(413, alone+strings.Repeat(" ", 1<<20))
	d.ask(400, "POST /plan {")
	d.ask(415, "POST /plan {}", "Content-Type: text/plain")
	d.ask(409, "POST /probe/web/a") // it has no checks
	d.ask(200, "POST /probe/web/b")
	d.ask(404, "POST /probe/web/gone")
	d.ask(200, "GET /audit?limit=1000")
	d.ask(200, "GET /audit?limit=1")

	// What the kernel refuses.
	full.Store(true)
	d.ask(500, `PATCH /service/web/a {"weight": 9}`)
	full.Store(false)

	// What every route may answer. Who may not is not told more.
	for path, operations := range d.Paths {
		target := strings.NewReplacer("{service}", "web", "{backend}", "a", "{name}", file).Replace(path)
		for method, o := range operations {
			do := strings.ToUpper(method) + " " + target
			if !strings.Contains(o.Description, "Anybody may use it") {
				d.ask(403, do, "X-Forwarded-For: 192.0.2.1")
			}
			if _, picky := o.Responses["406"]; picky {
				d.ask(406, do, "Accept: text/html")
				d.ask(422, do+"?colour=red")
			}
		}
	}
	d.complete()
}

// hard are the answers that this test does not provoke, and why.
var hard = map[string]string{
	"401": "no credentials are configured", "429": "no credentials are configured", "421": "the address is the host's own",
	"500": "nothing fails", "503": "it runs", "507": "there is room",
	"403 GET /service": "anybody may", "403 GET /service/{service}": "anybody may", "403 GET /service/{service}/{backend}": "anybody may",
	"403 GET /metrics":      "anybody may",
	"409 DELETE /overrides": "nobody is quicker", "409 DELETE /overrides/{service}": "nobody is quicker",
	"409 DELETE /overrides/{service}/{backend}": "nobody is quicker", "409 DELETE /service/{service}": "nobody is quicker",
	"409 DELETE /service/{service}/{backend}": "nobody is quicker",
	"200 POST /sources/{name}/accept":         "nothing is held",
}

// complete reports the operations that were not requested, and the answers that none of them gave.
func (d *apiDocument) complete() {
	d.t.Helper()
	for path, operations := range d.Paths {
		for method, o := range operations {
			key := strings.ToUpper(method) + " " + path
			if len(d.answered[key]) == 0 {
				d.t.Errorf("%s was not requested", key)
			}
			for code := range o.Responses {
				var n int
				_, _ = fmt.Sscan(code, &n)
				_, excused := hard[code]
				_, here := hard[code+" "+key]
				if !d.answered[key][n] && !excused && !here {
					d.t.Errorf("%s was not answered with %s", key, code)
				}
			}
		}
	}
}
