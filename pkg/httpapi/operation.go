package httpapi

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// operation is a route: what the server does with it and what the OpenAPI document says of it come from here, and from
// the types of its input and its answer.
type operation struct {
	method, path string
	id           string // its name in the document, by which clients are generated
	summary      string // one line
	text         string // what else there is to know; ""
	need         Need
	codes        []int    // of its errors, beside those that every route may have
	body         bodyType // of the request; nil: it has none
	answer       bodyType // where the type of the answer does not say it; nil: it does
	tagged       bool     // its answer has an ETag
	later        bool     // its answer may be 202, for what is not done yet
}

// reply is an answer.
type reply[T any] struct {
	Status   int
	ETag     string `header:"ETag" doc:"Changes whenever what is declared of the object does, and may with a restart of gorb. If-Match takes it."`
	Location string `header:"Location" doc:"Where to look for what is not done yet."`
	Body     T
}

// ok is the usual answer.
func ok[T any](body T) *reply[T] { return &reply[T]{Status: http.StatusOK, Body: body} }

// caller is who makes a request, and how.
type caller struct {
	*http.Request
	who  Who
	kept bool // the audit has what it has to have

	at     object // what it is about, where its body says that; the zero object: its path does
	reason string // as its body gives it
}

type callerKey struct{}

func callerOf(ctx context.Context) *caller {
	c, _ := ctx.Value(callerKey{}).(*caller)
	return c
}

// register adds a route.
func register[I, O any](a *api, o operation, answer func(ctx context.Context, c *caller, in *I) (*O, error)) {
	op := huma.Operation{
		Method: o.method, Path: o.path, OperationID: o.id, Summary: o.summary, Description: describedNeed(o.text, o.need),
		Errors: slices.Concat(o.codes, everyCode), Tags: []string{tagOf(o.path)}, Metadata: map[string]any{needKey: o.need},
	}
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := answer(ctx, callerOf(ctx), in)
		if err != nil {
			err = failureOf(err)
		}
		return out, err
	})
	a.describe(o)
}

// everyGate are the errors of who may not use a route, everyCode those that any route may answer with.
var (
	everyGate = []int{
		http.StatusUnauthorized, http.StatusForbidden, http.StatusMisdirectedRequest, http.StatusTooManyRequests,
		http.StatusServiceUnavailable,
	}
	everyCode = append([]int{http.StatusNotAcceptable, http.StatusUnprocessableEntity, http.StatusInternalServerError}, everyGate...)
)

const needKey = "need"

// tagOf is the group that a route is in, the first word of its path.
func tagOf(path string) string {
	word, _, _ := strings.Cut(path[1:], "/")
	return strings.TrimSuffix(word, ".json")
}

// enter lets in who may use a route.
func (a *api) enter(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	need, _ := ctx.Operation().Metadata[needKey].(Need)
	who, refused := a.access.Allow(r, need)
	if refused != nil { // which is not in the audit: an outsider would fill it
		fail(w, refused)
		return
	}
	c := &caller{Request: r, who: who, kept: !need.Changes}
	if refused = unanswerable(r); refused != nil {
		a.keep(c, refused)
		fail(w, refused)
		return
	}
	defer func() {
		if !c.kept { // as the handler panics
			a.keep(c, Fail(http.StatusInternalServerError, "a fault of gorb's; its log has it"))
		}
	}()
	next(huma.WithValue(ctx, callerKey{}, c))
}

// unanswerable is why a request is refused before anything is done for it; nil: it is not.
func unanswerable(r *http.Request) *Failure {
	if !takesJSON(r.Header.Values("Accept")) {
		return Fail(http.StatusNotAcceptable, "the answer is application/json, which Accept does not take")
	}
	// What of a query cannot be read would be left out: a change that was to be tried, or to last an hour, would be made for good.
	if _, err := url.ParseQuery(r.URL.RawQuery); err != nil {
		f := Fail(http.StatusUnprocessableEntity, unusable)
		f.Problems = []Problem{{Path: "query", Message: err.Error()}}
		return f
	}
	return nil
}

// answered has in the audit what a request comes to that changes something, before its answer goes out: every answer goes
// through here, those too that huma makes of what it refuses.
func (a *api) answered(ctx huma.Context, _ string, answer any) (any, error) {
	if c := callerOf(ctx.Context()); c != nil {
		f, _ := answer.(*Failure)
		a.keep(c, f)
	}
	return answer, nil
}

// takesJSON reports whether the media ranges of Accept take JSON; the one that names it most closely decides (RFC 9110
// section 12.5.1).
func takesJSON(accept []string) bool {
	takes, closest := len(accept) == 0, -1
	for one := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		kind, params, err := mime.ParseMediaType(one)
		closeness := slices.Index([]string{"*/*", "application/*", mediaJSON}, kind)
		if err != nil || closeness < closest || closeness < 0 {
			continue
		}
		q, err := strconv.ParseFloat(cmp.Or(params["q"], "1"), 64)
		takes = err != nil || q > 0 || takes && closeness == closest
		closest = closeness
	}
	return takes
}

// newHuma makes what routes are registered with. Every answer goes through answered.
func newHuma(mux humago.Mux, version string, answered huma.Transformer) huma.API {
	config := huma.DefaultConfig("gorb", version)
	config.Info.Description = "Services and backends of a Linux IPVS table, as GORB had them and beyond."
	config.Info.License = nil
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	config.CreateHooks = nil // they would add a member $schema to bodies
	config.Formats = map[string]huma.Format{mediaJSON: {Marshal: writeJSON, Unmarshal: json.Unmarshal}}
	config.RejectUnknownQueryParameters = true
	config.Transformers = []huma.Transformer{answered}
	config.Components.Schemas = huma.NewMapRegistry(schemaPrefix, schemaName)
	config.Components.SecuritySchemes = schemes
	config.Security = securities
	return humago.New(mux, config)
}

// writeJSON writes JSON in GORB's form, with tabs.
func writeJSON(w io.Writer, v any) error {
	var body bytes.Buffer
	e := json.NewEncoder(&body)
	e.SetIndent("", "\t")
	e.SetEscapeHTML(false) // a query is shown as it was sent
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(bytes.TrimSuffix(body.Bytes(), []byte("\n")))
	return err
}

// GetStatus is the failure's status, for huma.
func (f *Failure) GetStatus() int { return f.Code }

// GetHeaders are the headers that the answer has beside, for huma.
func (f *Failure) GetHeaders() http.Header { return f.Header }

// Huma makes its errors with functions that every user of it in a program shares; gorb's API is the only one.
func init() {
	huma.DefaultArrayNullable = false // none of gorb's is ever null
	huma.NewError = func(code int, message string, errs ...error) huma.StatusError {
		f := Fail(code, message)
		for _, err := range errs {
			p := Problem{Message: err.Error()}
			if d, ok := err.(huma.ErrorDetailer); ok {
				p = Problem{Path: d.ErrorDetail().Location, Message: d.ErrorDetail().Message}
			}
			f.Problems = append(f.Problems, p)
		}
		if code == http.StatusUnprocessableEntity && len(errs) > 0 {
			f.Message = unusable
		}
		return f
	}
}

const unusable = "what was sent cannot be used"
