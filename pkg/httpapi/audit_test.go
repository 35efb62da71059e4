package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/sources"
)

// TestAudit has what is kept of changes: those that are done and those that are refused, and not those of who may not.
func TestAudit(t *testing.T) {
	f := over(t, web)
	f.status.Sources = []sources.SourceStatus{{Name: "x"}}
	h := routes(f)
	for _, do := range []string{
		`PATCH /service/web/a?reason=slow+disk&ttl=1h {"weight": 7}`, `PATCH /service/web/a?ttl=1h {"weight": 7}`,
		`PATCH /service/web/a?dry_run=true {"weight": 8}`, `PATCH /service/web/a {"wight": 8}`, "DELETE /service/web/b", "DELETE /overrides/web/a",
		"POST /reload?reason=new+keys", `POST /reload {"sources": ["y"]}`, "POST /sources/x/accept?reason=half+is+gone", "POST /sources/y/accept?reason=why",
		`POST /overrides {"kind": "hide", "service": "mail", "reason": "moved"}`, "DELETE /overrides",
		// These change nothing.
		`PATCH /service/gone?dry_run=true {"weight": 8}`, "GET /service/web", `POST /plan {"layers": []}`, "POST /nowhere", "DELETE /status", "POST /probe/web/a", "GET /audit",
	} {
		method, rest, _ := strings.Cut(do, " ")
		target, body, _ := strings.Cut(rest, " ")
		exchange(h, method, target, body)
	}
	f.broken = errors.New("a disk")
	exchange(h, "POST", "/reload", "")
	for _, place := range []string{"elsewhere", "loopback, by a proxy"} {
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, places[place](request("DELETE", "/service/web"))); w.Code != 403 {
			t.Errorf("from %s: %d", place, w.Code)
		}
	}
	var got []string
	for _, e := range f.Audit(0, 100) {
		if e.Who != "uid 0 (root)" || e.From != "socket, pid 4321" || e.At.IsZero() {
			t.Errorf("%+v", e)
		}
		line, _, _ := strings.Cut(fmt.Sprintf("%s: %d %s", e.What, e.Status, e.Result), "\n")
		for _, more := range []string{e.Object, e.Reason, string(e.Body)} {
			if more != "" {
				line += "; " + more
			}
		}
		got = append(got, line)
	}
	want := []string{
		"POST /reload: 500 a disk",
		"DELETE /overrides: 200 cleared",
		`POST /overrides: 200 stored; mail; moved; {"kind":"hide","service":"mail","reason":"moved","by":"uid 0 (root)"}`,
		`POST /sources/y/accept?reason=why: 404 no source is called "y"; why`,
		"POST /sources/x/accept?reason=half+is+gone: 200 done; half is gone",
		`POST /reload: 404 no source is called "y"`,
		"POST /reload?reason=new+keys: 200 done; new keys",
		"DELETE /overrides/web/a: 200 cleared; web/a",
		"DELETE /service/web/b: 404 unable to locate specified object; web/b",
		"PATCH /service/web/a: 422 what was sent cannot be used; web/a",
		`PATCH /service/web/a?ttl=1h: 200 changed; web/a; {"weight":7}`, // it ends later by that
		"PATCH /service/web/a?reason=slow+disk&ttl=1h: 200 changed; web/a; slow disk; " + `{"weight":7}`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestAuditSaysWhatCame has each thing that can come of a change.
func TestAuditSaysWhatCame(t *testing.T) {
	f := over(t, web)
	h := routes(f)
	for i, tt := range []struct{ do, want string }{
		{`PUT /service/new {"host": "10.0.0.3", "port": 80}`, "200 created"},
		{`PUT /service/new?replace=true {"host": "10.0.0.3", "port": 81}`, "200 changed"},
		{"DELETE /service/new", "200 removed"},
		{"DELETE /service/web/a", "200 hidden"},
		{`PUT /service/web/a {"host": "10.1.0.1", "port": 8080, "pulse": {"type": "none"}}`, "200 unhidden"},
	} {
		method, rest, _ := strings.Cut(tt.do, " ")
		target, body, _ := strings.Cut(rest, " ")
		w := exchange(h, method, target, body)
		if got := told(t, w.Body.Bytes(), w.Code); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: %s", tt.do, got)
		}
		all := f.Audit(0, 100)
		if got := fmt.Sprint(all[0].Status, " ", all[0].Result); got != tt.want || len(all) != i+1 {
			t.Errorf("%s: %d entries, and the last is %s, want %s", tt.do, len(all), got, tt.want)
		}
	}
}

// TestAuditOfRefusals has changes that are refused, by whatever looks at them first: each is kept once.
func TestAuditOfRefusals(t *testing.T) {
	f := over(t, web)
	h := routes(f)
	const unknown = "422 what was sent cannot be used; query."
	for _, tt := range []struct{ do, body, header, want string }{
		{"PATCH /service/web/a?ttl=x&reason=slow", `{"weight": 7}`, "", unknown + `ttl: "x" is no time to live, from "1s" to "876000h", such as "15m" or "1h30m"; web/a; slow`},
		{"PATCH /service/web/a?dry_run=perhaps", `{"weight": 7}`, "", unknown + "dry_run: invalid boolean; web/a"},
		{"PATCH /service/web/a?dry-run=true", `{"weight": 7}`, "", unknown + "dry-run: unknown query parameter; web/a"},
		{"PATCH /service/web/a?dry_run=true;wait=1s", `{"weight": 7}`, "", "422 what was sent cannot be used; query: invalid semicolon separator in query; web/a"},
		{"DELETE /overrides/web?ttl=1h", "", "", unknown + "ttl: unknown query parameter; web"},
		{"PUT /service/new", `{"port": 80}` + strings.Repeat(" ", maxBody), "", "413 the body is over 1 MiB; new"},
		{"PUT /service/new", "<port>80</port>", "Content-Type: application/xml", "415 "},
		{"PUT /service/new", `{"port": 80`, "", "400 unexpected end of JSON input; "},
		{"PUT /service/new", `{"port": 80}`, "Accept: text/html", "406 the answer is application/json, which Accept does not take; new"},
		{"PATCH /service/web/a", `{"weight": 7}`, `If-Match: "x"`, "412 "},
		{"POST /overrides", `{"kind": "hide"`, "", "400 "},
		{"POST /overrides", `{"kind": "blow up", "service": "web", "backend": "a", "reason": "war"}`, "", "422 "},
		{"POST /overrides", strings.Repeat(" ", maxBody+1), "", "413 the body is over 1 MiB"},
		{"POST /reload?all=1", "", "", unknown + "all: unknown query parameter"},
		{"POST /sources/nowhere/accept", "", "", `404 no source is called "nowhere"`},
	} {
		before := len(f.Audit(0, 100))
		method, target, _ := strings.Cut(tt.do, " ")
		var headers []string
		if tt.header != "" {
			headers = append(headers, tt.header)
		}
		w := exchange(h, method, target, tt.body, headers...)
		all := f.Audit(0, 100)
		if len(all) != before+1 {
			t.Errorf("%s: %d %s: there are %d entries more", tt.do, w.Code, w.Body, len(all)-before)
			continue
		}
		e := all[0]
		got := fmt.Sprintf("%d %s", e.Status, strings.ReplaceAll(e.Result, "\n", "; "))
		for _, more := range []string{e.Object, e.Reason} {
			if more != "" {
				got += "; " + more
			}
		}
		if !strings.HasPrefix(got, tt.want) || e.Status != w.Code || e.What != tt.do || e.Who != "uid 0 (root)" || e.From != "socket, pid 4321" {
			t.Errorf("%s: %d; %+v\ngot  %s\nwant %s", tt.do, w.Code, e, got, tt.want)
		}
		if strings.Contains(tt.body, "war") && (e.Object != "web/a" || e.Reason != "war") {
			t.Errorf("%+v", e)
		}
	}
	if stored(f) != "" || len(f.List()) > 0 {
		t.Errorf("stored is %s", stored(f))
	}
}

// TestAuditOnAFullDisk has changes that neither the disk nor the audit can take: the log has whose they were and what came of
// them, nothing that is secret, and no more lines than of other refusals.
func TestAuditOnAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := over(t, web)
		defer f.end()
		f.full = fmt.Errorf("audit: %w", syscall.ENOSPC)
		f.writes = func([]sources.Write) error { return fmt.Errorf("override of web/a: %w", syscall.ENOSPC) }
		var log bytes.Buffer
		h := New(f, Options{Access: open(), Log: zerolog.New(&log)})
		for _, tt := range []struct {
			do, body, want string
		}{
			{
				"PATCH /service/web/a?reason=private", `{"pulse": {"type": "tcp", "args": {"send": "private"}}}`,
				`"path":"/service/web/a","object":"web/a","status":507,"result":"override of web/a: no space left on device"`,
			},
			{"DELETE /service/web/a?if=private", "", `"path":"/service/web/a","object":"web/a","status":422,"result":"what was sent cannot be used\nquery.if: unknown query parameter"`},
			{"POST /overrides", `{"kind": "hide", "service": "mail"}`, `"path":"/overrides","object":"mail","status":507,"result":"override of web/a: no space left on device"`},
			{"POST /reload", "", `"path":"/reload","status":200,"result":"done"`},
		} {
			log.Reset()
			method, target, _ := strings.Cut(tt.do, " ")
			exchange(h, method, target, tt.body)
			want := `{"level":"error","error":"audit: no space left on device","who":"uid 0 (root)","from":"socket, pid 4321","method":"` +
				method + `",` + tt.want + `,"message":"a change is not in the audit"}` + "\n"
			if d := cmp.Diff(want, log.String()); d != "" {
				t.Errorf("%s (-want +got):\n%s", tt.do, d)
			}
		}
		time.Sleep(time.Hour)
		log.Reset()
		for range 1000 {
			exchange(h, "POST", "/reload", "")
		}
		if got := strings.Count(log.String(), "\n"); got != 10 {
			t.Errorf("%d lines, want 10", got)
		}
		time.Sleep(time.Hour)
		log.Reset()
		exchange(h, "POST", "/reload", "")
		if !strings.Contains(log.String(), `"result":"done","others":990,`) {
			t.Errorf("the log: %s", log.String())
		}
	})
}

// TestAuditOfAFault has a change whose handler panics, before something is stored.
func TestAuditOfAFault(t *testing.T) {
	f, _ := fake(t)
	h := withRoutes(f, io.Discard, func(a *api) {
		route(a, "POST", "/x", func(*caller) (isDone, error) { panic("oh") })
		route(a, "GET", "/x", func(*caller) (isDone, error) { panic("oh") })
	})
	exchange(h, "GET", "/x", "")
	w := exchange(h, "POST", "/x", "")
	all := f.Audit(0, 100)
	if len(all) != 1 || w.Code != 500 || all[0].Status != 500 || all[0].What != "POST /x" {
		t.Errorf("%d %s; %+v", w.Code, w.Body, all)
	}
}

// TestAuditPages reads the audit piece by piece.
func TestAuditPages(t *testing.T) {
	f, _ := fake(t)
	h := routes(f)
	page := func(query string) (ids []uint64, next uint64) {
		t.Helper()
		w := exchange(h, "GET", "/audit"+query, "")
		var list AuditList
		if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || w.Code != 200 || list.Entries == nil {
			t.Fatalf("%d %s: %v", w.Code, w.Body, err)
		}
		for _, e := range list.Entries {
			ids = append(ids, e.ID)
		}
		return ids, list.Next
	}
	if ids, next := page(""); len(ids) > 0 || next != 0 {
		t.Errorf("of nothing: %v %d", ids, next)
	}
	const most = 250
	for i := range most {
		if _, err := f.Record(t.Context(), sources.Entry{What: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if ids, next := page(""); len(ids) != 100 || ids[0] != most || next != most-99 {
		t.Errorf("%d, from %d; %d", len(ids), ids[0], next)
	}
	var all []uint64
	for query, pages := "?limit=50", 0; query != ""; pages++ {
		ids, next := page(query)
		all = append(all, ids...)
		if query = fmt.Sprintf("?limit=50&before=%d", next); next == 0 || pages > 5 {
			query = ""
		}
	}
	if len(all) != most || all[0] != most || all[most-1] != 1 {
		t.Errorf("%d entries: %v", len(all), all)
	}
	if ids, next := page("?before=1"); len(ids) > 0 || next != 0 {
		t.Errorf("before the first: %v %d", ids, next)
	}
	for _, query := range []string{"?limit=0", "?limit=1001", "?limit=x", "?before=-1", "?after=3"} {
		if w := exchange(h, "GET", "/audit"+query, ""); w.Code != 422 {
			t.Errorf("%s: %d", query, w.Code)
		}
	}
}

// TestAuditOfBackends has a change of a service that is one of its backends: the audit has all of it, and none for the service.
func TestAuditOfBackends(t *testing.T) {
	f := over(t, web)
	h := routes(f)
	for _, body := range []string{
		`{"backends":{"a":{"weight":3}}}`,
		`{"backends":{"a":{"weight":4},"b":{"host":"10.1.0.2","port":80},"c":{"host":"10.1.0.3","port":80}}}`,
		`{"backends":{"b":null},"method":"rr"}`,
	} {
		w := exchange(h, "PATCH", "/service/web", body)
		if e := f.Audit(0, 1)[0]; w.Code != 200 || e.Object != "web" || string(e.Body) != body {
			t.Errorf("%d, of %s: %s", w.Code, e.Object, e.Body)
		}
	}
}

// TestAuditLastPage: a page that ends with the first entry of all is the last one.
func TestAuditLastPage(t *testing.T) {
	f := over(t, web)
	h := routes(f)
	for range 3 {
		exchange(h, "DELETE", "/service/gone", "")
	}
	for target, next := range map[string]uint64{"/audit?limit=2": 2, "/audit?limit=2&before=2": 0, "/audit?limit=3": 0, "/audit": 0} {
		var list AuditList
		if err := json.Unmarshal(exchange(h, "GET", target, "").Body.Bytes(), &list); err != nil || list.Next != next {
			t.Errorf("%s: next is %d, want %d: %v", target, list.Next, next, err)
		}
	}
}
