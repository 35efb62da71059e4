package httpapi

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLastingAndPatience(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": 0, "90s": 90 * time.Second, "1h30m": 90 * time.Minute, "1s": time.Second, "1ns": -1, "876000h": longestTTL,
		"0": -1, "0s": -1, "-1h": -1, "1": -1, "1d": -1, "876001h": -1, "99999999999h": -1, " 1h": -1, "true": -1,
	} {
		got, err := lasting(text)
		if want < 0 && (err == nil || err.Error() != `"`+text+`" is no time to live, from "1s" to "876000h", such as "15m" or "1h30m"`) || want >= 0 && (err != nil || got != want) {
			t.Errorf("ttl=%s: %v, %v; want %v", text, got, err, want)
		}
	}
	for text, want := range map[string]time.Duration{
		"": defaultWait, "0s": 0, "0": 0, "1ms": time.Millisecond, "45s": longestWait, "45.1s": -1, "-1s": -1, "5": -1, "forever": -1,
	} {
		got, err := patience(text)
		if want < 0 && (err == nil || err.Error() != `"`+text+`" is no time to wait, from "0s" to "45s"`) || want >= 0 && (err != nil || got != want) {
			t.Errorf("wait=%s: %v, %v; want %v", text, got, err, want)
		}
	}
}

// TestIfMatch has the conditions of RFC 9110 section 13.1.1: a list of tags, of which a weak one never matches, or * for
// whatever is there.
func TestIfMatch(t *testing.T) {
	const is = `"abc"`
	if err := ifMatch(nil, ""); err != nil {
		t.Errorf("without a condition: %v", err)
	}
	for header, tags := range map[string]struct{ there, gone bool }{
		"":                       {},
		"*":                      {true, false},
		`"abc"`:                  {true, false},
		`"x", "abc"`:             {true, false},
		`"x","abc" ,"y"`:         {true, false},
		"\"x\",\t\"abc\"":        {true, false},
		"\"x\"\n\"abc\"":         {true, false},
		`"x"`:                    {},
		`W/"abc"`:                {},
		`"x", W/"abc"`:           {},
		`abc`:                    {},
		`"ABC"`:                  {},
		`"abc`:                   {},
		`"x, abc"`:               {},
		" , ,":                   {},
		`"a` + "\x80" + `", "x"`: {},
	} {
		lines := strings.Split(header, "\n")
		if err := ifMatch(lines, is); (err == nil) != tags.there {
			t.Errorf("If-Match: %s, where it is %s: %v", header, is, err)
		} else if err != nil && err.(*Failure).Code != http.StatusPreconditionFailed {
			t.Errorf("If-Match: %s: %v", header, err)
		}
		if err := ifMatch(lines, ""); (err == nil) != tags.gone {
			t.Errorf("If-Match: %s, where it is gone: %v", header, err)
		}
	}
}

// TestIfMatchLines has the header in several lines, which are one list (RFC 9110 section 5.3), and empty: a script whose
// variable has no value does not mean that nothing is to be looked at.
func TestIfMatchLines(t *testing.T) {
	f := over(t, web)
	h := routes(f)
	tag := exchange(h, "GET", "/service/web/a", "").Header().Get("ETag")
	for name, tt := range map[string]struct {
		headers []string
		want    int
	}{
		"the first":  {[]string{"If-Match: " + tag, `If-Match: "x"`}, 200},
		"the second": {[]string{`If-Match: "x"`, "If-Match: " + tag}, 200},
		"neither":    {[]string{`If-Match: "x"`, `If-Match: "y"`}, 412},
		"empty":      {[]string{"If-Match: "}, 412},
		"blank":      {[]string{"If-Match:  "}, 412},
	} {
		for _, target := range []string{"/service/web/a?dry_run=true", "/service/web?dry_run=true"} {
			headers := tt.headers
			if target == "/service/web?dry_run=true" {
				other := exchange(h, "GET", "/service/web", "").Header().Get("ETag")
				headers = strings.Split(strings.ReplaceAll(strings.Join(headers, "\n"), tag, other), "\n")
			}
			if w := exchange(h, "DELETE", target, "", headers...); w.Code != tt.want {
				t.Errorf("%s, %s: %d %s, want %d", name, target, w.Code, w.Body, tt.want)
			}
		}
	}
	ask := func(want int, method, target, body string, headers ...string) string {
		t.Helper()
		w := exchange(h, method, target, body, headers...)
		if w.Code != want {
			t.Errorf("%s %s %v: %d %s, want %d", method, target, headers, w.Code, w.Body, want)
		}
		return w.Header().Get("ETag")
	}
	ask(200, "POST", "/overrides", `{"kind": "patch", "service": "web", "backend": "a", "body": {"weight": 7}}`)
	own := ask(200, "GET", "/overrides/web/a", "")
	all := ask(200, "GET", "/overrides", "")
	ask(412, "DELETE", "/overrides/web/a", "", "If-Match: ")
	ask(412, "DELETE", "/overrides", "", "If-Match: ")
	ask(412, "DELETE", "/overrides", "", "If-Match: "+own)
	ask(200, "DELETE", "/overrides/web/a", "", `If-Match: "x"`, "If-Match: "+own)
	ask(412, "DELETE", "/overrides", "", "If-Match: "+all) // they are others now
	ask(200, "DELETE", "/overrides", "", "If-Match: "+ask(200, "GET", "/overrides", ""))
}

// web is a service with a backend.
const web = `
[services.web]
host = "10.0.0.1"
port = 80
[services.web.backends.a]
host = "10.1.0.1"
port = 8080
pulse = { type = "none" }
`

// TestWriteQueryRefuses has what is wrong in a query: it is told by name, all of it, and nothing is done.
func TestWriteQueryRefuses(t *testing.T) {
	f := over(t, web)
	h := routes(f)
	for query, want := range map[string][]string{
		"ttl=1d":                           {`query.ttl: "1d" is no time to live, from "1s" to "876000h", such as "15m" or "1h30m"`},
		"wait=1m":                          {`query.wait: "1m" is no time to wait, from "0s" to "45s"`},
		"ttl=x&wait=y":                     {`query.ttl: "x" is no time to live, from "1s" to "876000h", such as "15m" or "1h30m"`, `query.wait: "y" is no time to wait, from "0s" to "45s"`},
		"dry_run":                          {"query.dry_run: it has no value, wanted one such as dry_run=true"},
		"dry_run=":                         {"query.dry_run: it has no value, wanted one such as dry_run=true"},
		"dry_run=yes":                      {"query.dry_run: invalid boolean"},
		"dry_run=true&dry_run=false":       {"query.dry_run: it is there 2 times"},
		"dryrun=true":                      {"query.dryrun: unknown query parameter"},
		"keep=&ttl=":                       {"query.keep: it has no value, wanted one such as keep=true", "query.ttl: it has no value, wanted one such as ttl=1h"},
		"wait=":                            {"query.wait: it has no value, wanted one such as wait=5s"},
		"replace=true":                     {"query.replace: unknown query parameter"}, // of PUT alone
		"reason=" + strings.Repeat("r", 2): nil,
		"reason=":                          nil,
	} {
		w := exchange(h, "PATCH", "/service/web/a?"+query, `{"weight": 100}`)
		var got Failure
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Errorf("%s: %s: %v", query, w.Body, err)
		}
		var problems []string
		for _, p := range got.Problems {
			problems = append(problems, p.Path+": "+p.Message)
		}
		code := http.StatusUnprocessableEntity
		if want == nil {
			code = http.StatusOK
		}
		if d := cmp.Diff(want, problems); w.Code != code || d != "" {
			t.Errorf("%s: %d (-want +got):\n%s", query, w.Code, d)
		}
	}
	if len(f.List()) > 0 {
		t.Errorf("stored is %v", f.List())
	}
}
