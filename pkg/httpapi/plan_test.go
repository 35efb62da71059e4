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
		{"GET", "/plan?flush=perhaps", nil, 400, "flush is true or false"},
		{"GET", "/plan?namespace=other", nil, 421, "this gorb keeps the table of another network namespace"},
		{"POST", "/plan", PlanRequest{}, 422, "there are no layers; GET /plan is about the daemon's own"},
		{"POST", "/plan", map[string]any{"layer": 1}, 400, `the body is no such JSON: json: unknown field "layer"`},
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

// unready has no configuration yet.
type unready struct{ *fakeDaemon }

func (unready) Plan(context.Context, PlanOptions) (*Plan, error) { return nil, sources.ErrNothingYet }

func TestPlanOfNothing(t *testing.T) {
	f, _ := fake(t)
	c, _ := serve(t, NewMux(unready{f}), io.Discard)
	var got *Failure
	if err := c.Do(t.Context(), "GET", "/plan", nil, nil); !errors.As(err, &got) || got.Code != 503 {
		t.Errorf("before there is a configuration: %v", err)
	}
}
