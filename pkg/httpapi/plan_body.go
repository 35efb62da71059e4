package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

const (
	// theDocument is what a configuration is called that was sent alone.
	theDocument = "the document"
	// keyLayers is the key by which a PlanRequest is known. A configuration has no such key.
	keyLayers = "layers"
)

// planFormats are the media types in which a configuration may be sent, the usual one first.
var planFormats = []struct {
	media  string
	format spec.Format
}{{mediaJSON, spec.JSON}, {"application/toml", spec.TOML}, {"application/yaml", spec.YAML}}

// planBody is a PlanRequest, or a configuration.
type planBody struct{}

func (planBody) schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{
		OneOf:       []*huma.Schema{jsonOf[PlanRequest]{}.schema(r), schemaRef("configuration")},
		Description: "What has the key layers is what several sources say; anything else is a configuration, alone.",
	}
}

func (planBody) content() []string {
	var kinds []string
	for _, f := range planFormats {
		kinds = append(kinds, f.media)
	}
	return kinds
}

func (planBody) required() bool { return true }

// planText is the body of a request for a plan.
type planText struct {
	format spec.Format
	text   []byte
	done   func() // it is of no more use
}

// readPlan reads the body of a request for a plan. Who sends it may take long over that, and keeps no other plan from being
// made meanwhile. What is longer than other bodies may be takes much room: of such there is one at a time, until it is done.
func (a *api) readPlan(ctx context.Context, r *http.Request) (*planText, error) {
	format, err := planFormat(r)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if _, err := text.ReadFrom(io.LimitReader(r.Body, maxBody+1)); err != nil {
		return nil, badBody(err)
	}
	if text.Len() <= maxBody {
		return &planText{format, text.Bytes(), func() {}}, nil
	}
	if take(ctx, a.large) != nil {
		return nil, Fail(http.StatusServiceUnavailable, fmt.Sprintf("others send documents over %d MiB already", maxBody>>20))
	}
	done := func() { <-a.large }
	if _, err := text.ReadFrom(r.Body); err != nil {
		done()
		return nil, badBody(err)
	}
	return &planText{format, text.Bytes(), done}, nil
}

// options are what a plan is to be of.
func (p *planText) options() (PlanOptions, error) {
	switch {
	case len(bytes.TrimSpace(p.text)) == 0:
		return PlanOptions{}, Fail(http.StatusBadRequest, "the body is empty")
	case p.format == spec.JSON && hasKey(p.text, keyLayers):
		var asked PlanRequest
		if err := decode(bytes.NewReader(p.text), &asked); err != nil {
			return PlanOptions{}, err
		}
		return asked.options()
	case len(p.text) > maxBody:
		return PlanOptions{}, Fail(http.StatusRequestEntityTooLarge,
			fmt.Sprintf("the body is over %d MiB; 'gorb plan --server URL' sends larger documents as layers", maxBody>>20))
	}
	return documentPlan(p.format, p.text)
}

// planFormat is the format of a body.
func planFormat(r *http.Request) (spec.Format, error) {
	given := r.Header.Get("Content-Type")
	if given == "" {
		return spec.JSON, nil
	}
	if kind, _, err := mime.ParseMediaType(given); err == nil {
		for _, f := range planFormats {
			if kind == f.media {
				return f.format, nil
			}
		}
	}
	return "", Fail(http.StatusUnsupportedMediaType, "the body must be application/json, application/toml or application/yaml")
}

// hasKey reports whether a text begins as a JSON object that has a key.
func hasKey(text []byte, name string) bool {
	d := json.NewDecoder(bytes.NewReader(text))
	if first, err := d.Token(); err != nil || first != json.Delim('{') {
		return false
	}
	var skipped json.RawMessage
	for d.More() {
		if key, err := d.Token(); err != nil || key == name {
			return err == nil
		}
		if d.Decode(&skipped) != nil {
			return false
		}
	}
	return false
}

// documentPlan is about a configuration that takes the place of all sources.
func documentPlan(format spec.Format, text []byte) (PlanOptions, error) {
	doc, err := planDocument(theDocument, format, text, spec.Options{})
	if problems, wrong := errors.AsType[spec.Problems](err); wrong {
		if p := problems[0]; len(problems) == 1 && p.Kind == spec.KindSyntax {
			return PlanOptions{}, Fail(http.StatusBadRequest,
				fmt.Sprintf("the body is no %s: line %d: %s", strings.ToUpper(string(format)), max(p.Line, 1), p.Message))
		}
		return PlanOptions{}, placed(problems)
	}
	if doc.Empty() {
		return PlanOptions{}, Fail(http.StatusUnprocessableEntity,
			`the document says nothing; {"services": {}} says that there are none, and GET /plan is about the daemon's own`)
	}
	return PlanOptions{Proposals: []sources.Proposal{{Name: theDocument, Document: doc}}}, nil
}

// planDocument decodes a document that a plan is to be of. The environment is not looked at, and no file.
func planDocument(name string, format spec.Format, text []byte, o spec.Options) (*spec.Document, error) {
	doc, err := spec.DecodeWith(name, format, text, o)
	problems, _ := errors.AsType[spec.Problems](err)
	if doc != nil {
		var elsewhere []string
		if len(doc.Includes()) > 0 {
			elsewhere = append(elsewhere, "include")
		}
		if len(doc.Sources()) > 0 {
			elsewhere = append(elsewhere, "sources")
		}
		for _, key := range elsewhere {
			problems = append(problems, spec.Problem{
				Source: name, Path: key, Kind: spec.KindPlace,
				Message: "nothing else is read for a plan; 'gorb plan --server URL FILE' reads it and sends it along",
			})
		}
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return doc, nil
}
