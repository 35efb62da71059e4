package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// apiDocument is the OpenAPI document that a daemon answers with, and which of its operations were requested.
type apiDocument struct {
	t          *testing.T
	w          *apiWorld
	compiler   *jsonschema.Compiler
	Components struct{ Schemas map[string]any }
	Paths      map[string]map[string]apiOperation
	answered   map[string]map[int]bool // by method and path of the document
}

type apiOperation struct {
	OperationID string
	Description string
	Parameters  []struct{ Name, In string }
	RequestBody struct {
		Content map[string]any
	}
	Responses map[string]struct {
		Headers map[string]any
		Content map[string]any
	}
}

const documentURL = "http://gorb.example/openapi.json"

func readDocument(t *testing.T, w *apiWorld) *apiDocument {
	t.Helper()
	d := &apiDocument{t: t, w: w, compiler: jsonschema.NewCompiler(), answered: map[string]map[int]bool{}}
	code, text := w.ask("GET", "/openapi.json", "")
	if err := json.Unmarshal([]byte(text), d); err != nil || code != http.StatusOK {
		t.Fatalf("%d: %v", code, err)
	}
	whole, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	d.compiler.AssertFormat()
	d.closeAnswers(whole)
	if err := d.compiler.AddResource(documentURL, whole); err != nil {
		t.Fatal(err)
	}
	return d
}

// closeAnswers has the answers of this gorb be checked for members that the document does not have. It says that a later one
// may have such, but that nothing of the kind may be sent.
func (d *apiDocument) closeAnswers(whole any) {
	d.t.Helper()
	components, _ := whole.(map[string]any)["components"].(map[string]any)
	schemas, _ := components["schemas"].(map[string]any)
	for name, want := range map[string]bool{
		"Change": true, "PlanRequest": true, "PlanLayer": true, "ReloadRequest": true, "service": true, "configuration": true,
		"Override": false, "ServiceInfo": false, "Written": false, "Failure": false, "Status": false,
	} {
		schema, there := schemas[name].(map[string]any)
		if closed := schema["additionalProperties"] == false; !there || closed != want {
			d.t.Errorf("%s: there is a schema: %t; other members are forbidden: %t", name, there, closed)
		}
	}
	for _, schema := range schemas {
		s, _ := schema.(map[string]any)
		if _, says := s["additionalProperties"]; !says && s["properties"] != nil {
			s["additionalProperties"] = false
		}
	}
}

// escapePointer is a part of a JSON pointer (RFC 6901).
func escapePointer(part string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(part)
}

// check validates a value by a schema of the document, which is found by the parts of its pointer.
func (d *apiDocument) check(text []byte, pointer ...string) error {
	at := "#"
	for _, part := range pointer {
		at += "/" + url.PathEscape(escapePointer(part))
	}
	schema, err := d.compiler.Compile(documentURL + at)
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

// find is the path of the document that a target is of.
func (d *apiDocument) find(target string) string {
	target, _, _ = strings.Cut(target, "?")
	for path := range d.Paths {
		pattern := "^" + regexp.MustCompile(`\\\{[a-z]+\\\}`).ReplaceAllString(regexp.QuoteMeta(path), `[^/]+`) + "$"
		if literal := !strings.Contains(path, "{"); literal && path == target || !literal && regexp.MustCompile(pattern).MatchString(target) {
			return path
		}
	}
	return ""
}

// ask makes a request, "METHOD TARGET BODY", whose answer must have a status and be as the document says.
func (d *apiDocument) ask(want int, do string, headers ...string) string {
	d.t.Helper()
	method, rest, _ := strings.Cut(do, " ")
	target, body, _ := strings.Cut(rest, " ")
	header := http.Header{}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		header.Add(name, value)
	}
	path := d.find(target)
	operation, known := d.Paths[path][strings.ToLower(method)]
	if !known {
		d.t.Fatalf("%s: the document has no such operation", do)
	}
	answer := d.w.request(method, target, body, header)
	defer answer.Body.Close()
	var text []byte
	if answer.Header.Get("Content-Type") != "text/event-stream" {
		text, _ = io.ReadAll(answer.Body)
	}
	if answer.StatusCode != want {
		d.t.Errorf("%s: %d, want %d\n%s", do, answer.StatusCode, want, text)
	}
	key := method + " " + path
	if d.answered[key] == nil {
		d.answered[key] = map[int]bool{}
	}
	d.answered[key][answer.StatusCode] = true
	d.conforms(do, path, operation, answer, text)
	return answer.Header.Get("ETag")
}

// conforms compares an answer with the document.
func (d *apiDocument) conforms(do, path string, o apiOperation, answer *http.Response, text []byte) {
	d.t.Helper()
	code := fmt.Sprint(answer.StatusCode)
	documented, known := o.Responses[code]
	if !known {
		d.t.Errorf("%s: %s is no documented answer\n%s", do, code, text)
		return
	}
	kind, _, _ := strings.Cut(answer.Header.Get("Content-Type"), ";")
	if _, known := documented.Content[kind]; !known {
		d.t.Errorf("%s: %s has the type %q, and the document knows %v", do, code, kind, documented.Content)
		return
	}
	for _, name := range []string{"ETag", "Location", "Retry-After", "WWW-Authenticate"} {
		_, may := documented.Headers[name]
		if has := answer.Header.Get(name) != ""; has && !may || !has && may && (name == "ETag" || name == "Location") {
			d.t.Errorf("%s: %s has %s: %t, and documented is %t", do, code, name, has, may)
		}
	}
	if strings.HasSuffix(kind, "json") {
		method := strings.ToLower(strings.Fields(do)[0])
		if err := d.check(text, "paths", path, method, "responses", code, "content", kind, "schema"); err != nil {
			d.t.Errorf("%s: %s is not as documented: %v\n%s", do, code, err, text)
		}
	}
}

// sent checks that what is sent and taken is as documented too.
func (d *apiDocument) sent(do string, fits bool) {
	d.t.Helper()
	method, rest, _ := strings.Cut(do, " ")
	target, body, _ := strings.Cut(rest, " ")
	path := d.find(target)
	content := d.Paths[path][strings.ToLower(method)].RequestBody.Content
	for kind := range content {
		if !strings.HasSuffix(kind, "json") {
			continue
		}
		err := d.check([]byte(body), "paths", path, strings.ToLower(method), "requestBody", "content", kind, "schema")
		if (err == nil) != fits {
			d.t.Errorf("%s: by the document: %v", do, err)
		}
	}
}

// structure checks what OpenAPI 3.1 asks of a document beside its schemas.
func (d *apiDocument) structure() {
	d.t.Helper()
	ids := map[string]string{}
	for path, operations := range d.Paths {
		for method, o := range operations {
			if other := ids[o.OperationID]; other != "" || o.OperationID == "" {
				d.t.Errorf("%s %s has the operationId %q, as has %s", method, path, o.OperationID, other)
			}
			ids[o.OperationID] = method + " " + path
			var declared []string
			for _, p := range o.Parameters {
				if key := p.In + " " + p.Name; slices.Contains(declared, key) {
					d.t.Errorf("%s %s has %s twice", method, path, key)
				} else {
					declared = append(declared, key)
				}
				if p.In == "path" && !strings.Contains(path, "{"+p.Name+"}") {
					d.t.Errorf("%s %s has no {%s}", method, path, p.Name)
				}
			}
			for _, m := range regexp.MustCompile(`\{(.*?)\}`).FindAllStringSubmatch(path, -1) {
				if !slices.Contains(declared, "path "+m[1]) {
					d.t.Errorf("%s %s does not declare {%s}", method, path, m[1])
				}
			}
			for code, r := range o.Responses {
				for kind := range r.Content {
					if _, err := d.compiler.Compile(documentURL + "#/paths/" + url.PathEscape(escapePointer(path)) + "/" + method + "/responses/" + code + "/content/" + url.PathEscape(escapePointer(kind)) + "/schema"); err != nil {
						d.t.Errorf("%s %s, %s: %v", method, path, code, err)
					}
				}
			}
		}
	}
	folded := map[string]string{}
	for name := range d.Components.Schemas {
		if other := folded[strings.ToLower(name)]; other != "" {
			d.t.Errorf("the schemas %s and %s differ in their case alone", name, other)
		}
		folded[strings.ToLower(name)] = name
		if _, err := d.compiler.Compile(documentURL + "#/components/schemas/" + name); err != nil {
			d.t.Errorf("%s: %v", name, err)
		}
	}
}
