package spec

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestHidePath has what is shown of paths, and is refused when it is sent back.
func TestHidePath(t *testing.T) {
	for path, want := range map[string]string{
		"/h":        "/h",
		"/token=1":  "/token=1", // a path, and no query
		"/h?":       "/h?",
		"/h?full=1": "/h?full=1",
		"/h?token":  "/h?token", // it has no value
		"/v1/sys/health?standbyok=true&standbycode=200": "/v1/sys/health?standbyok=true&standbycode=200",
		"/v1/health/service/web?passing=true&near=_a":   "/v1/health/service/web?passing=true&near=_a",
		"/h?level=shards&timeout=50s":                   "/h?level=shards&timeout=50s",

		"/h?token=hunter2&x=1":            "/h?token=[hidden]&x=1",
		"/h?x=1&Api-Key=hunter2":          "/h?x=1&Api-Key=[hidden]",
		"/h?%74oken=hunter2":              "/h?%74oken=[hidden]",
		"/h?%54OKEN=hunter2":              "/h?%54OKEN=[hidden]",
		"/h?%zz%74oken=hunter2":           "/h?%zz%74oken=[hidden]", // no key that can be read
		"/h?token=a;hunter2":              "/h?token=[hidden]",
		"/h?token=a?hunter2&x=1":          "/h?token=[hidden]&x=1",
		"/h?a=b;token=hunter2":            "/h?a=b;token=[hidden]",
		"/h?to=/x?token=hunter2":          "/h?to=/x?token=[hidden]",
		"/h;jsessionid=hunter2":           "/h;jsessionid=[hidden]",
		"/h;v=1/x;jsessionid=hunter2?y=z": "/h;v=1/x;jsessionid=[hidden]",
		"/h#token=hunter2":                "/h#token=[hidden]",
		"/h?token=":                       "/h?token=[hidden]",
		"/h?code=hunter2":                 "/h?code=[hidden]",
		"/h?x_auth=hunter2":               "/h?x_auth=[hidden]",
		"/h?session_id=hunter2":           "/h?session_id=[hidden]",
		"/h?X-Amz-Signature=hunter2":      "/h?X-Amz-Signature=[hidden]",
		"/h?dbPass=hunter2":               "/h?dbPass=[hidden]",
		"/h?jwt=hunter2":                  "/h?jwt=[hidden]",
		"http://h/h?access_key=hunter2":   "http://h/h?access_key=[hidden]",
	} {
		got := HidePath(path)
		if got != want || HidePath(got) != got {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
		o := patchOfArgs(`{"path":` + quote(got) + `}`)
		if err := o.Check(); strings.Contains(got, Hidden) == (err == nil) {
			t.Errorf("%s is sent back: %v", got, err)
		}
	}
}

// TestKeysOfSources: what is a credential in the URL of a source is one in a path.
func TestKeysOfSources(t *testing.T) {
	for _, key := range secretKeys {
		if !isSecretKey(key) {
			t.Errorf("%s is shown", key)
		}
	}
}

// TestHideHeaders: all are hidden but the few that have no secrets.
func TestHideHeaders(t *testing.T) {
	for _, name := range []string{
		"Authorization", "Cookie", "X-Api-Key", "X-Access-Key", "X-Key", "X-Session", "X-JWT", "X-Pass", "Private-Key", "X-Api_Key", "X-Ours",
		"PRIVATE-TOKEN", "Referer", "Accept-", "X-Accept",
	} {
		for _, shown := range shownArgs(t, `{"headers":{"`+name+`":"hunter2"}}`) {
			if strings.Contains(shown, "hunter2") || !strings.Contains(shown, Hidden) {
				t.Errorf("%s: %s", name, shown)
			}
		}
		o := patchOfArgs(`{"headers":{"` + name + `":"` + Hidden + `"}}`)
		if err := o.Check(); err == nil || !strings.Contains(err.Error(), "in place of a secret") {
			t.Errorf("%s is sent back: %v", name, err)
		}
	}
	for _, name := range []string{"Accept", "accept", "User-Agent", "Content-Type", "Cache-Control", "X-Forwarded-Proto"} {
		for _, shown := range shownArgs(t, `{"headers":{"`+name+`":"plain"}}`) {
			if !strings.Contains(shown, "plain") || strings.Contains(shown, Hidden) {
				t.Errorf("%s: %s", name, shown)
			}
		}
	}
}

func patchOfArgs(args string) Override {
	return Override{Kind: Patch, Service: "web", Backend: "a", Body: []byte(`{"pulse":{"type":"http","args":` + args + `}}`)}
}

// shownArgs is what is shown of args of an http check: of JSON, in what is explained, and of the pulse.
func shownArgs(t *testing.T, args string) []string {
	t.Helper()
	pulse := `{"type":"http","args":` + args + `}`
	d := merge(t, decodedWith(t, `{"services":{"web":{"host":"10.0.0.1","port":80,"pulse":`+pulse+`}}}`, JSON, Options{}))
	fields, err := d.Explain("web", "")
	if err != nil {
		t.Fatal(err)
	}
	return []string{
		string(HideSecrets([]byte(`{"pulse":` + pulse + `}`))), fmt.Sprint(fields), fmt.Sprint(d.service("web").Pulse.WithoutSecrets()),
	}
}

// TestHideByAnyName has services and backends that are called as what is hidden, or as what it is in.
func TestHideByAnyName(t *testing.T) {
	const pulse = `"pulse":{"type":"http","args":{"body":"hunter2","headers":{"args":"hunter2","X-Key":"hunter2"}}}`
	for _, name := range []string{"args", "pulse", "backends", "headers", "body", "path", "command", "a"} {
		service := `{"host":"10.0.0.1","port":80,` + pulse + `,"backends":{"` + name + `":{"host":"10.1.0.1",` + pulse + `}}}`
		got := string(HideSecrets([]byte(service)))
		if strings.Contains(got, "hunter2") || strings.Count(got, Hidden) != 6 {
			t.Errorf("%s: %s", name, got)
		}
		posted := string(HideSecrets([]byte(`{"kind":"set","service":"` + name + `","body":` + service + `}`)))
		if strings.Contains(posted, "hunter2") || strings.Count(posted, Hidden) != 6 {
			t.Errorf("%s, posted: %s", name, posted)
		}
		d := merge(t, decodedWith(t, `{"services":{"`+name+`":`+service+`}}`, JSON, Options{}))
		for _, backend := range []string{"", name} {
			fields, err := d.Explain(name, backend)
			if err != nil || strings.Contains(fmt.Sprint(fields), "hunter2") {
				t.Errorf("%s/%s: %v, %v", name, backend, fields, err)
			}
		}
		wrong := strings.ReplaceAll(service, `"hunter2"`, `777777`)
		_, err := Decode("x", JSON, []byte(`{"services":{"`+name+`":`+wrong+`}}`))
		if err == nil || strings.Contains(err.Error(), "777777") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestHiddenAlike: a pulse without secrets is shown as one whose secrets are hidden when it is shown.
func TestHiddenAlike(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := anyService(r, "web", 0)
		for i := range s.Backends {
			b := s.Backends[i]
			hidden := HideSecrets(s.BackendOptionsJSON(&b))
			b.Pulse = s.PulseOf(&b).WithoutSecrets()
			var got, want any
			if err := errors.Join(json.Unmarshal(s.BackendOptionsJSON(&b), &got), json.Unmarshal(hidden, &want)); err != nil {
				r.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				r.Fatalf("(-JSON +pulse):\n%s", diff)
			}
		}
	})
}
