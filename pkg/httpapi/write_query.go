package httpapi

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

const (
	// defaultWait is how long the answer to a change waits for the kernel to have it.
	defaultWait = 5 * time.Second
	// longestWait is less than a client of gorb's waits for an answer, and than the server gives a request.
	longestWait = 45 * time.Second
	// longestTTL is about what a date can say.
	longestTTL = 100 * 365 * 24 * time.Hour
)

// WriteQuery is what every change may carry.
type WriteQuery struct {
	TTL    string `query:"ttl" doc:"How long the change lasts, such as 90s, 15m or 1h30m. By default until somebody takes it back."`
	Reason string `query:"reason" doc:"What it is for. It is shown beside it, and is in the audit."`
	DryRun bool   `query:"dry_run" doc:"Change nothing, and answer with the operations that it would cause."`
	Wait   string `query:"wait" default:"5s" doc:"How long the answer waits for the kernel to have it, up to 45s. After that it is 202."`
	Keep   bool   `query:"keep" doc:"Keep the change where the kernel refuses it, and try again. By default it is withdrawn."`
	OnlyIf
}

// OverrideQuery is what the writing of an override may carry beside its body. Its ETag is that of the override.
type OverrideQuery struct {
	TTL    string `query:"ttl" doc:"As ttl of the body, where that has none."`
	Reason string `query:"reason" doc:"As reason of the body, where that has none."`
	DryRun bool   `query:"dry_run" doc:"Change nothing, and answer with the operations that it would cause."`
	Wait   string `query:"wait" default:"5s" doc:"How long the answer waits for the kernel to have it, up to 45s. After that it is 202."`
	OnlyIf
}

// ClearQuery is what the taking back of overrides may carry.
type ClearQuery struct {
	Reason string `query:"reason" doc:"What it is for. It is in the audit."`
	DryRun bool   `query:"dry_run" doc:"Change nothing, and answer with the operations that it would cause."`
	Wait   string `query:"wait" default:"5s" doc:"How long the answer waits for the kernel to have it, up to 45s. After that it is 202."`
	OnlyIf
}

// OnlyIf is the condition of a change. It is taken from the request itself, where it may be in several lines.
type OnlyIf struct {
	IfMatch string `header:"If-Match" doc:"Change it only if its ETag is one of these; * is any that is there."`
}

// queryExamples are parameters with a value, but for those that are true or false.
var queryExamples = map[string]string{"ttl": "ttl=1h", "wait": "wait=5s"}

var _, _, _ huma.Resolver = (*WriteQuery)(nil), (*OverrideQuery)(nil), (*ClearQuery)(nil)

// Resolve says what is wrong with it beside its types.
func (q *WriteQuery) Resolve(ctx huma.Context) []error { return wrongIn(ctx, q.TTL, q.Wait) }

// Resolve says what is wrong with it beside its types.
func (q *OverrideQuery) Resolve(ctx huma.Context) []error { return wrongIn(ctx, q.TTL, q.Wait) }

// Resolve says what is wrong with it beside its types.
func (q *ClearQuery) Resolve(ctx huma.Context) []error { return wrongIn(ctx, "", q.Wait) }

// wrongIn says what is wrong with a query. A dry run is never taken for another because of how it is written.
func wrongIn(ctx huma.Context, ttl, wait string) []error {
	var wrong []error
	add := func(name, message string) {
		wrong = append(wrong, &huma.ErrorDetail{Location: "query." + name, Message: message})
	}
	at := ctx.URL()
	given := at.Query()
	for _, name := range slices.Sorted(maps.Keys(given)) {
		switch values := given[name]; {
		case len(values) > 1:
			add(name, fmt.Sprintf("it is there %d times", len(values)))
		case values[0] == "" && name != "reason":
			add(name, "it has no value, wanted one such as "+cmp.Or(queryExamples[name], name+"=true"))
		}
	}
	if _, err := lasting(ttl); err != nil {
		add("ttl", err.Error())
	}
	if _, err := patience(wait); err != nil {
		add("wait", err.Error())
	}
	return wrong
}

// lasting is how long a change lasts; 0: until it is taken back.
func lasting(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	ttl, err := time.ParseDuration(text)
	if err != nil || ttl < time.Second || ttl > longestTTL {
		return 0, fmt.Errorf(`%s is no time to live, from "1s" to "876000h", such as "15m" or "1h30m"`, strconv.Quote(text))
	}
	return ttl, nil
}

// patience is how long the kernel is waited for.
func patience(text string) (time.Duration, error) {
	if text == "" {
		return defaultWait, nil
	}
	wait, err := time.ParseDuration(text)
	if err != nil || wait < 0 || wait > longestWait {
		return 0, fmt.Errorf(`%s is no time to wait, from "0s" to "45s"`, strconv.Quote(text))
	}
	return wait, nil
}

// ifMatch checks the tag of an object against the lines of If-Match (RFC 9110 section 13.1.1), nil: there is no condition.
// The tag of what is not there is "". A header without a value is a condition that nothing fulfils: the variable of a
// script was empty.
func ifMatch(lines []string, tag string) error {
	if lines == nil {
		return nil
	}
	for one := range strings.SplitSeq(strings.Join(lines, ","), ",") {
		if one = strings.TrimSpace(one); tag != "" && (one == "*" || one == tag) {
			return nil
		}
	}
	if tag == "" {
		return Fail(http.StatusPreconditionFailed, "If-Match: there is no such object")
	}
	return Fail(http.StatusPreconditionFailed, "If-Match: none of these is the ETag of the object as it is now, "+tag)
}
