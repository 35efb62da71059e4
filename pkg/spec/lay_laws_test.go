package spec

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestLayLaws: whatever the overrides are, those that are left make the whole right, as MergeWith has it, and with any one
// of those that were set aside it would be wrong.
func TestLayLaws(t *testing.T) {
	doc := mustParse(underneath)
	rapid.Check(t, func(r *rapid.T) {
		overrides := anyOverrides(r)
		got := Lay([]Layer{{Document: doc, Sound: doc}}, overrides, nil)
		if got.Desired == nil {
			r.Fatalf("no way to go on: %v\n%v", got.Problems, overrides)
		}
		left := func(but int) (list []Override) {
			for i, o := range overrides {
				if got.Invalid[i] == nil || i == but {
					list = append(list, o)
				}
			}
			return list
		}
		want, err := MergeWith([]*Document{doc}, left(-1))
		if err != nil {
			r.Fatal(err)
		}
		if diff := cmp.Diff(want.Services, got.Desired.Services, sameValues); diff != "" {
			r.Fatalf("(-merged +laid):\n%s", diff)
		}
		if _, err := MergeWith([]*Document{doc}, overrides); err == nil && len(got.Invalid) > 0 {
			r.Fatalf("all of %v go together, and some are set aside: %v", overrides, got.Invalid)
		}
		for i, problems := range got.Invalid {
			if _, err := MergeWith([]*Document{doc}, left(i)); err == nil {
				r.Fatalf("%d of %v is set aside and goes with the rest: %v", i, overrides, problems)
			}
		}
	})
}

// anyOverrides draws overrides of few objects and values, so that they meet, one after the other.
func anyOverrides(r *rapid.T) []Override {
	bodies := map[bool][]string{
		false: {
			`{}`, `{"port": 0}`, `{"port": 80}`, `{"port": 25}`, `{"persistent": true}`, `{"persistent": null}`, `{"host": "10.0.0.1"}`,
			`{"host": "10.0.0.2"}`, `{"method": "rr"}`, `{"method": "sh", "flags": "sh-port"}`, `{"flags": null}`,
			`{"backends": {"a": {"host": "10.1.0.1"}}}`, `{"backends": {"b": null}}`, `{"port": null, "host": null, "fwmark": 3}`,
			`{"host": "10.0.0.3", "host_name": "w.example"}`, `{"host_name": "v.example"}`, `{"host_name": null}`,
			`{"fwmark": null}`, `{"disabled": true}`, `{"disabled": null}`, `{"host": "10.0.0.2", "port": 25}`,
		},
		true: {
			`{}`, `{"host": "10.1.0.1"}`, `{"host": "10.1.0.2"}`, `{"port": 80}`, `{"port": 81}`, `{"method": "dr"}`, `{"method": null}`,
			`{"host": "10.1.0.3", "host_name": "a.example"}`, `{"host_name": "b.example"}`,
			`{"host": "2001:db8::1"}`, `{"upper_threshold": 5}`, `{"lower_threshold": 4}`, `{"disabled": true}`, `{"pulse": null}`,
		},
	}
	var overrides []Override
	for i := range rapid.IntRange(0, 8).Draw(r, "n") {
		o := Override{
			Kind:    rapid.SampledFrom([]OverrideKind{Set, Patch, Patch, Patch, Hide}).Draw(r, "kind"),
			Service: rapid.SampledFrom([]string{"web", "web", "mail", "dns"}).Draw(r, "service"),
			Backend: rapid.SampledFrom([]string{"", "a", "b"}).Draw(r, "backend"),
			At:      time.Unix(int64(i), 0),
		}
		if o.Kind != Hide {
			body := rapid.SampledFrom(bodies[o.Backend != ""]).Draw(r, "body")
			if o.Kind == Set && strings.Contains(body, "null") {
				body = `{}`
			}
			o.Body = []byte(body)
		}
		overrides = append(overrides, o)
	}
	return overrides
}

// TestLayDocumentLaws: whatever the documents are, those that are left make the whole right, and with any one of those
// that were rejected in place of its sound one it would be wrong.
func TestLayDocumentLaws(t *testing.T) {
	texts := []string{
		"", "[services.web]\nhost = '10.0.0.1'\nport = 80\n", "[services.web]\nhost = '10.0.0.1'\n", "[services.web]\nport = 80\n",
		"[services.web]\nport = 0\n", "[services.web]\npersistent = true\n", "[services.web]\nfwmark = 3\n",
		"[services.web]\nmethod = 'sh'\n", "[services.web]\nflags = 'sh-port'\n", "[services.web]\ndisabled = true\n",
		"[services.web]\ndisabled = false\n", "[services.mail]\nhost = '10.0.0.1'\nport = 80\n", "[services.mail]\nport = 80\n",
		"[services.web.backends.a]\nhost = '10.1.0.1'\n", "[services.web.backends.a]\nweight = 3\n",
		"[services.web.backends.b]\nhost = '10.1.0.1'\n", "[services.web.backends.b]\ndisabled = true\n",
	}
	text := rapid.SampledFrom(texts)
	rapid.Check(t, func(r *rapid.T) {
		layers := make([]Layer, rapid.IntRange(1, 6).Draw(r, "layers"))
		var sound []*Document
		for i := range layers {
			l := Layer{Document: mustParse(text.Draw(r, "now")), Turn: rapid.Uint64Range(0, 9).Draw(r, "turn")}
			switch rapid.IntRange(0, 2).Draw(r, "sound") {
			case 0:
				l.Sound = l.Document
			case 1:
				l.Sound = mustParse(text.Draw(r, "before"))
			}
			if l.Sound != nil {
				sound = append(sound, l.Sound)
			}
			layers[i] = l
		}
		got := Lay(layers, nil, nil)
		if _, err := Merge(sound...); err != nil {
			return // it was right, or there is nothing to go on from
		}
		if got.Desired == nil {
			r.Fatalf("no way to go on: %v", got.Problems)
		}
		left := func(but int) (docs []*Document) {
			for i, l := range layers {
				d := l.Document
				if got.Rejected[i] != nil && i != but {
					d = l.Sound
				}
				if d != nil {
					docs = append(docs, d)
				}
			}
			return docs
		}
		want, err := Merge(left(-1)...)
		if err != nil {
			r.Fatal(err)
		}
		if diff := cmp.Diff(want.Services, got.Desired.Services, sameValues); diff != "" {
			r.Fatalf("(-merged +laid):\n%s", diff)
		}
		for i, problems := range got.Rejected {
			if _, err := Merge(left(i)...); err == nil {
				r.Fatalf("%d is rejected and goes with the rest: %v", i, problems)
			}
		}
	})
}
