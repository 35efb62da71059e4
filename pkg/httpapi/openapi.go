package httpapi

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gorb-io/gorb/pkg/spec"
)

// bodyType describes a body.
type bodyType interface {
	schema(r huma.Registry) *huma.Schema
	content() []string // the media types that are taken, the usual one first
	required() bool
}

const mediaJSON, mediaMergePatch = "application/json", "application/merge-patch+json"

// jsonOf is a body that is a JSON value of a Go type.
type jsonOf[T any] struct{ optional bool }

func (jsonOf[T]) schema(r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[T](), true, "")
}
func (jsonOf[T]) content() []string { return []string{mediaJSON} }
func (b jsonOf[T]) required() bool  { return !b.optional }

// theObject is a body that is a service or a backend of one, with the keys of the file.
type theObject struct {
	name  string // of its schema
	patch bool   // it is a merge patch of that (RFC 7386)
}

func (o theObject) schema(huma.Registry) *huma.Schema {
	name := o.name
	if o.patch {
		name += "_patch"
	}
	return schemaRef(name)
}

func (o theObject) content() []string {
	if o.patch {
		return []string{mediaMergePatch, mediaJSON}
	}
	return []string{mediaJSON}
}

func (theObject) required() bool { return true }

const schemaPrefix = "#/components/schemas/"

func schemaRef(name string) *huma.Schema { return &huma.Schema{Ref: schemaPrefix + name} }

// schemaName is the name of the schema of a type. None is that of a schema of the file in another case: generators of
// clients would make one type of them.
func schemaName(t reflect.Type, hint string) string {
	switch name := huma.DefaultSchemaNamer(t, hint); name {
	case "Source":
		return "SourceStatus"
	case "IsDone":
		return "Done"
	default:
		return name
	}
}

// schemes are how somebody may say who he is. A client certificate comes with the connection.
var schemes = map[string]*huma.SecurityScheme{
	"token":    {Type: "http", Scheme: "bearer", Description: "A token of [[api.tokens]], as 'gorb token new' makes it."},
	"password": {Type: "http", Scheme: "basic", Description: "A user of [[api.users]], or the name of a token and the token."},
}

// securities are what is asked of who makes a request: nothing over the socket, or as [api] says.
var securities = []map[string][]string{{}, {"token": {}}, {"password": {}}}

// describedNeed is the text of a route, and who may use it.
func describedNeed(text string, n Need) string {
	who := "Where credentials are configured it needs the role " + string(roleOf(n)) + "."
	if n.Public {
		who = "Anybody may use it, unless [api] anonymous is false."
	}
	return strings.TrimSpace(text + " " + who)
}

// operations are those of a path by method.
func operations(item *huma.PathItem) map[string]*huma.Operation {
	return map[string]*huma.Operation{
		http.MethodGet: item.Get, http.MethodPut: item.Put, http.MethodPost: item.Post, http.MethodPatch: item.Patch,
		http.MethodDelete: item.Delete,
	}
}

// describe says in the document what huma cannot know of a route: it reads the bodies of requests itself, as what is wrong
// with them has statuses and words of its own, and the answer is not always the same.
func (a *api) describe(o operation) {
	doc := a.huma.OpenAPI()
	op := operations(doc.Paths[o.path])[o.method]
	if o.body != nil {
		op.RequestBody = &huma.RequestBody{Required: o.body.required(), Content: contentOf(o.body, doc.Components.Schemas)}
	}
	good := op.Responses["200"]
	if o.answer != nil {
		good.Content = contentOf(o.answer, doc.Components.Schemas)
	}
	if o.later {
		accepted := *good
		accepted.Description = "It is stored, and not done yet: pending says why, and see where to look."
		accepted.Headers = map[string]*huma.Param{"Location": good.Headers["Location"]}
		op.Responses["202"] = &accepted
	}
	delete(good.Headers, "Location")
	if !o.tagged {
		delete(good.Headers, "ETag")
	}
	describeErrors(op)
}

func contentOf(b bodyType, r huma.Registry) map[string]*huma.MediaType {
	content := map[string]*huma.MediaType{}
	for _, kind := range b.content() {
		is := b.schema(r)
		if !strings.HasSuffix(kind, "json") { // of which a schema of JSON says nothing
			is = &huma.Schema{Type: huma.TypeString}
		}
		content[kind] = &huma.MediaType{Schema: is}
	}
	return content
}

// describeErrors adds the headers that errors have.
func describeErrors(op *huma.Operation) {
	text, number := &huma.Schema{Type: huma.TypeString}, &huma.Schema{Type: huma.TypeInteger}
	for code, header := range map[int]*huma.Param{
		http.StatusUnauthorized:       {Name: "WWW-Authenticate", Description: "The schemes that are configured.", Schema: text},
		http.StatusTooManyRequests:    {Name: "Retry-After", Description: "In seconds.", Schema: number},
		http.StatusServiceUnavailable: {Name: "Retry-After", Description: "In seconds, where that is known.", Schema: number},
	} {
		if r := op.Responses[strconv.Itoa(code)]; r != nil {
			name := header.Name
			header.Name = "" // it is the key
			r.Headers = map[string]*huma.Param{name: header}
		}
	}
}

// orNull is a schema that null fits too.
func orNull(name string) *huma.Schema {
	return &huma.Schema{AnyOf: []*huma.Schema{schemaRef(name), {Type: "null"}}}
}

// fields are the members whose schemas their Go types do not say, by the type's schema.
func fields() map[string]map[string]*huma.Schema {
	statistics := orNull("Statistics")
	return map[string]map[string]*huma.Schema{
		"ServiceInfo": {"options": schemaRef(serviceSchema), "effective": orNull("EffectiveService"), "statistics": statistics},
		"BackendInfo": {"options": schemaRef(backendSchema), "effective": orNull("EffectiveBackend"), "statistics": statistics},
		"Plan":        {"daemon": orNull("Asked")},
		"Health":      {"engine": orNull("Engine")},
		"PlanLayer":   {"document": schemaRef("configuration")},
		"Override":    {"body": {Type: huma.TypeObject}},
		"Change":      {"body": {AnyOf: []*huma.Schema{{Type: huma.TypeObject}, {Type: "null"}}}},
	}
}

// document returns the OpenAPI document.
func (a *api) document() ([]byte, error) {
	schemas := a.huma.OpenAPI().Components.Schemas.Map()
	for name, members := range fields() {
		for key, schema := range members {
			s := *schema
			s.Description = schemas[name].Properties[key].Description
			schemas[name].Properties[key] = &s
		}
	}
	text, err := a.huma.OpenAPI().MarshalJSON()
	if err != nil {
		return nil, err
	}
	// The schemas of services and backends are those of the file.
	var doc map[string]any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		return nil, err
	}
	components, _ := doc["components"].(map[string]any)
	all, _ := components["schemas"].(map[string]any)
	openAnswers(doc, all)
	for name, schema := range spec.Definitions(schemaPrefix) {
		all[name] = schema
	}
	return json.MarshalIndent(doc, "", "\t")
}

// openAnswers has answers allow members that are not described, as a later gorb may have more; in what is sent, and in what
// that refers to, there are none but those described.
func openAnswers(doc, schemas map[string]any) {
	sent := map[string]bool{}
	var note func(v any)
	note = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, one := range v {
				note(one)
			}
		case map[string]any:
			for _, one := range v {
				note(one)
			}
			to, _ := v["$ref"].(string)
			if name, ok := strings.CutPrefix(to, schemaPrefix); ok && !sent[name] {
				sent[name] = true
				note(schemas[name])
			}
		}
	}
	paths, _ := doc["paths"].(map[string]any)
	for _, item := range paths {
		operations, _ := item.(map[string]any)
		for _, operation := range operations {
			if o, ok := operation.(map[string]any); ok {
				note(o["requestBody"])
			}
		}
	}
	for name, schema := range schemas {
		if s, ok := schema.(map[string]any); ok && !sent[name] && s["additionalProperties"] == false {
			delete(s, "additionalProperties")
		}
	}
}

// streamed describes a route whose answer is no JSON value of a type.
type streamed struct {
	path, id, summary string
	need              Need
	kind              string      // the media type of its answer
	json              bodyType    // of the answer to who asks for JSON, and of 503; nil: there is none
	query             [][2]string // its parameters, and what they are for
	headers           [][2]string
	codes             []int
}

// document adds the route to the document.
func (s streamed) document(doc *huma.OpenAPI) {
	r := doc.Components.Schemas
	is := &huma.Schema{Type: huma.TypeString}
	if strings.HasSuffix(s.kind, "json") {
		is = &huma.Schema{Type: huma.TypeObject}
	}
	content := map[string]*huma.MediaType{s.kind: {Schema: is}}
	op := &huma.Operation{
		Method: http.MethodGet, Path: s.path, OperationID: s.id, Summary: s.summary, Tags: []string{tagOf(s.path)},
		Description: describedNeed("", s.need), Responses: map[string]*huma.Response{},
	}
	codes := s.codes
	if s.need.Open {
		op.Description, op.Security = "Anybody may use it.", []map[string][]string{}
	} else {
		codes = append(codes, everyGate...)
	}
	for _, code := range codes {
		op.Responses[strconv.Itoa(code)] = &huma.Response{
			Description: http.StatusText(code), Content: contentOf(jsonOf[Failure]{}, r),
		}
	}
	describeErrors(op)
	if s.json != nil {
		maps.Copy(content, contentOf(s.json, r))
		op.Responses["503"] = &huma.Response{Description: http.StatusText(http.StatusServiceUnavailable), Content: content}
	}
	op.Responses["200"] = &huma.Response{Description: http.StatusText(http.StatusOK), Content: content}
	add := func(in string, list [][2]string) {
		for _, p := range list {
			op.Parameters = append(op.Parameters, &huma.Param{
				Name: p[0], In: in, Description: p[1], Schema: &huma.Schema{Type: huma.TypeString},
			})
		}
	}
	add("query", s.query)
	add("header", s.headers)
	doc.AddOperation(op)
}
