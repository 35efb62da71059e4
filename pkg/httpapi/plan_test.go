package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// Plan answers with what it was asked for.
func (f *fakeDaemon) Plan(_ context.Context, o PlanOptions) (*Plan, error) {
	names := []string{}
	for _, p := range o.Proposals {
		if p.Name == "wrong" {
			return nil, spec.Problems{{Source: "wrong", Line: 7, Path: "services.web", Message: "it is wrong"}}
		}
		text := p.Name
		if p.Document != nil {
			text += " with a document"
		}
		names = append(names, text)
	}
	if o.Namespace == "other" {
		return nil, ErrOtherTable
	}
	return &Plan{Summary: fmt.Sprint(o.AcceptRemovals, o.Flush), Foreign: names}, nil
}

func TestPlanRoutes(t *testing.T) {
	_, c := fake(t)
	doc := json.RawMessage(`{"services": {"web": {"port": 80}}}`)
	for _, tt := range []struct {
		method, path string
		body         any
		want         Plan
	}{
		{"GET", "/plan", nil, Plan{Summary: "false false", Foreign: []string{}}},
		{"GET", "/plan?accept_removals=true&flush=1", nil, Plan{Summary: "true true", Foreign: []string{}}},
		{
			"POST", "/plan",
			PlanRequest{Layers: []PlanLayer{{"a", doc, true}, {"b", nil, false}, {"c", json.RawMessage(" null"), false}}, Flush: true},
			Plan{Summary: "false true", Foreign: []string{"a with a document", "b", "c"}},
		},
	} {
		if d := cmp.Diff(tt.want, ask[Plan](t, c, tt.method, tt.path, tt.body)); d != "" {
			t.Errorf("%s %s (-want +got):\n%s", tt.method, tt.path, d)
		}
	}
	long := json.RawMessage(`{"services": {` + strings.Repeat(" ", 2<<20) + `}}`)
	if got := ask[Plan](t, c, "POST", "/plan", PlanRequest{Layers: []PlanLayer{{"long", long, false}}}); len(got.Foreign) != 1 {
		t.Errorf("a document of 2 MiB: %+v", got)
	}
	for _, tt := range []struct {
		method, path string
		body         any
		code         int
		want         string
	}{
		{"GET", "/plan?flush=perhaps", nil, 422, "what was sent cannot be used\nquery.flush: invalid boolean"},
		{"GET", "/plan?flsh=true", nil, 422, "what was sent cannot be used\nquery.flsh: unknown query parameter"},
		{"GET", "/plan?namespace=other", nil, 421, "this gorb keeps the table of another network namespace"},
		{"POST", "/plan", PlanRequest{}, 422, "there are no layers; GET /plan is about the daemon's own"},
		{"POST", "/plan", map[string]any{"layers": nil, "layer": 1}, 422, "what was sent cannot be used\nlayer: there is no such key"},
		{
			"POST", "/plan",
			PlanRequest{Layers: []PlanLayer{{"a", json.RawMessage(`{"service": {}}`), false}, {"b", json.RawMessage(`[]`), false}}},
			422,
			"what was sent cannot be used\na: service: there is no such key, did you mean \"services\"?\nb: an array, wanted an object",
		},
		{
			"POST", "/plan",
			PlanRequest{Layers: []PlanLayer{{"a", json.RawMessage(`{"gorb": {"env": true}}`), false}}},
			422,
			"what was sent cannot be used\na: gorb.env: the environment is not looked at here",
		},
		{
			"POST", "/plan",
			PlanRequest{Layers: []PlanLayer{{"a", json.RawMessage(`{"defaults": {"pulse": {"type": "exec"}}}`), true}}},
			422,
			"what was sent cannot be used\na: defaults.pulse.type: \"exec\" runs a program: only a local file may say this, and no document that comes from elsewhere",
		},
		{
			"POST", "/plan",
			PlanRequest{Layers: []PlanLayer{{"wrong", nil, false}}},
			422,
			"what was sent cannot be used\nwrong: services.web: it is wrong",
		},
	} {
		var got *Failure
		err := c.Do(t.Context(), tt.method, tt.path, tt.body, nil)
		if !errors.As(err, &got) || got.Code != tt.code || got.Error() != tt.want {
			t.Errorf("%s %s %v: got %v\nwant %d %s", tt.method, tt.path, tt.body, err, tt.code, tt.want)
		}
	}
}

// TestPlanOfDocument sends a configuration alone, and what is none.
func TestPlanOfDocument(t *testing.T) {
	f, _ := fake(t)
	h := routes(f)
	const (
		web           = `{"services": {"web": {"host": "10.0.0.1", "port": 80}}}`
		form          = "Content-Type: application/x-www-form-urlencoded"
		toml, yaml    = "Content-Type: application/toml", "Content-Type: application/yaml; charset=utf-8"
		unusable      = "422 what was sent cannot be used; "
		nothingToRead = "nothing else is read for a plan; 'gorb plan --server URL FILE' reads it and sends it along"
	)
	long := func(most int) string { return web[:len(web)-1] + strings.Repeat(" ", most-len(web)) + "}" }
	for _, tt := range []struct {
		name, query, body string
		headers           []string
		want              string
	}{
		{"JSON", "", web, nil, "200 false false the document with a document"},
		{"as curl sends a file", "", web, []string{"Content-Type: application/json; charset=utf-8"}, "200 false false the document with a document"},
		{"with options", "?accept_removals=true&flush=true", web, nil, "200 true true the document with a document"},
		{"layers with options", "?flush=true", `{"accept_removals": true, "layers": [{"name": "a"}]}`, nil, "200 true true a"},
		{"TOML", "", "[services.web]\nhost = \"10.0.0.1\"\nport = 80\n", []string{toml}, "200 false false the document with a document"},
		{"YAML", "", "services: {web: {port: 80}}\n", []string{yaml}, "200 false false the document with a document"},
		{"a file's settings", "", `{"gorb": {"state_dir": "/x"}, "services": {}}`, nil, "200 false false the document with a document"},
		{"as much as there may be", "", long(maxBody), nil, "200 false false the document with a document"},
		{"more", "", long(maxBody + 1), nil, "413 the body is over 1 MiB; 'gorb plan --server URL' sends larger documents as layers"},
		{"a wrong port", "", `{"services": {"web": {"port": 70000}}}`, nil, unusable + "services.web.port: 70000 is over 65535"},
		{"a key that is like the other form's", "", `{"layer": []}`, nil, unusable + "layer: there is no such key; there are api, consul, defaults, gorb, include, ipvs, probe, services, sources"},
		{"half of it", "", `{"services": {`, nil, "400 the body is no JSON: line 1: unexpected end of JSON input"},
		{"half of layers", "", `{"layers": [`, nil, "400 the body is no such JSON: unexpected EOF"},
		{"TOML as JSON", "", "[services]\n", nil, "400 the body is no JSON: line 1: invalid character 's' looking for beginning of value"},
		{"JSON as TOML", "", web, []string{toml}, "400 the body is no TOML: line 1: "},
		{"a list", "", `[]`, nil, unusable + ": an array, wanted an object"},
		{"nothing", "", "", nil, "400 the body is empty"},
		{"an object without keys", "", `{}`, nil, `422 the document says nothing; {"services": {}} says that there are none, and GET /plan is about the daemon's own`},
		{"others to be read", "", `{"sources": [{"url": "https://config.example/a"}], "services": {}}`, nil, unusable + "sources: " + nothingToRead},
		{"files to be read", "", `{"include": ["conf.d/*.toml"], "services": {}}`, nil, unusable + "include: " + nothingToRead},
		{"both", "", `{"sources": [{"url": "https://config.example/a"}], "include": ["conf.d/*.toml"], "services": {}}`, nil, unusable + "include: " + nothingToRead + "; sources: " + nothingToRead},
		{"the same in a layer", "", `{"layers": [{"name": "a", "document": {"include": ["conf.d/*.toml"]}}]}`, nil, unusable + "a: include: " + nothingToRead},
		{"a form, which any page may send", "", web, []string{form}, "415 the body must be application/json, application/toml or application/yaml"},
	} {
		w := exchange(h, "POST", "/plan"+tt.query, tt.body, tt.headers...)
		var plan Plan
		var failure Failure
		if err := json.Unmarshal(w.Body.Bytes(), &failure); err != nil {
			t.Fatalf("%s: %v: %s", tt.name, err, w.Body)
		}
		line := fmt.Sprint(w.Code, " ", failure.Message)
		for _, p := range failure.Problems {
			line += "; " + strings.TrimPrefix(p.Source+": ", ": ") + p.Path + ": " + p.Message
		}
		if w.Code == 200 {
			_ = json.Unmarshal(w.Body.Bytes(), &plan)
			line += plan.Summary + " " + strings.Join(plan.Foreign, " ")
		}
		if line != tt.want && (!strings.HasSuffix(tt.want, "line 1: ") || !strings.HasPrefix(line, tt.want)) {
			t.Errorf("%s: got %s\nwant %s", tt.name, line, tt.want)
		}
	}
}

// unready has no configuration yet.
type unready struct{ *fakeDaemon }

func (unready) Plan(context.Context, PlanOptions) (*Plan, error) { return nil, sources.ErrNothingYet }

func TestPlanOfNothing(t *testing.T) {
	f, _ := fake(t)
	c, _ := serve(t, routes(unready{f}), io.Discard)
	var got *Failure
	if err := c.Do(t.Context(), "GET", "/plan", nil, nil); !errors.As(err, &got) || got.Code != 503 {
		t.Errorf("before there is a configuration: %v", err)
	}
}
