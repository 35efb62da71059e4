package httpapi

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/pkg/spec"
)

// TestWritesOverWhatEnds is TestWritesThatEnd of what lies in several overrides: of a service and its backends, or of both
// in one.
func TestWritesOverWhatEnds(t *testing.T) {
	const a, one = "/service/web/a", `{"host":"10.0.0.3","port":80,"backends":{"b":{"host":"10.3.0.1"}}}`
	const whole = `{"host":"10.0.0.9","port":80,"backends":{"a":{"host":"10.1.0.8","weight":5}}}`
	const stored = `{"backends":{"b":{"host":"10.3.0.1"}},"host":"10.0.0.3","port":80}`
	for name, writes := range map[string][][3]string{
		"made with backends for a while, then for good": {
			{"PUT /service/new?ttl=1h " + one, "200 created", "set new " + stored + " for 1h0m0s"},
			{"PUT /service/new " + one, "200 changed", "set new " + stored},
			{"PUT /service/new " + one, "200 unchanged", "set new " + stored},
		},
		"a backend hidden for a while, then longer, then for good": {
			{`DELETE ` + a + `?ttl=1h`, "200 hidden", "hide web/a for 1h0m0s"},
			{`PATCH /service/web?ttl=2h {"backends":{"a":null,"z":null}}`, "200 changed", "hide web/a for 2h0m0s"},
			{`PATCH /service/web {"backends":{"a":null,"z":null}}`, "200 changed", "hide web/a"},
			{`PATCH /service/web {"backends":{"a":null}}`, "200 unchanged", "hide web/a"},
		},
		"a service for a while, over what ends of its backend": {
			{`PATCH ` + a + `?ttl=2h {"upper_threshold":9}`, "200 changed", `patch web/a {"upper_threshold":9} for 2h0m0s`},
			{
				`POST /overrides?ttl=1h {"kind":"set","service":"web","body":` + whole + `}`, "200",
				"set web " + whole + ` for 1h0m0s; patch web/a {"upper_threshold":9} for 2h0m0s`,
			},
			{
				`PATCH ` + a + ` {"weight":5}`, "200 changed",
				`set web {"backends":{"a":{"host":"10.1.0.8","weight":5}},"host":"10.0.0.9","port":80} for 1h0m0s; ` +
					`patch web/a {"weight":5}; patch web/a {"upper_threshold":9} for 2h0m0s`,
			},
			{
				`PATCH ` + a + ` {"weight":8}`, "200 changed",
				`set web {"backends":{"a":{"host":"10.1.0.8","weight":8}},"host":"10.0.0.9","port":80} for 1h0m0s; ` +
					`patch web/a {"weight":8}; patch web/a {"upper_threshold":9} for 2h0m0s`,
			},
		},
		"a service for a while, over a backend of it that is hidden for a while": {
			{`DELETE ` + a + `?ttl=1h`, "200 hidden", "hide web/a for 1h0m0s"},
			{
				`PUT /service/web?ttl=1h&replace=true ` + whole, "200 changed",
				`set web {"backends":{"a":{"host":"10.1.0.8","weight":5}},"host":"10.0.0.9","port":80} for 1h0m0s; hide web/a for 1h0m0s`,
			},
			{
				`PATCH /service/web {"method":"rr","backends":{"a":{"weight":8},"b":{"host":"10.1.0.9"}}}`, "200 changed",
				`patch web {"method":"rr"}; ` +
					`set web {"backends":{"a":{"host":"10.1.0.8","weight":8}},"host":"10.0.0.9","method":"rr","port":80} for 1h0m0s; ` +
					`patch web/a {"weight":8}; hide web/a for 1h0m0s; set web/b {"host":"10.1.0.9"}; set web/b {"host":"10.1.0.9"} for 1h0m0s`,
			},
		},
		"a service with its backends, over what was written of them": {
			{`PATCH ` + a + ` {"weight":7,"upper_threshold":9}`, "200 changed", `patch web/a {"upper_threshold":9,"weight":7}`},
			{
				`PUT /service/web?replace=true ` + whole, "200 changed",
				`set web {"backends":{"a":{"host":"10.1.0.8","weight":5}},"host":"10.0.0.9","port":80}`,
			},
		},
		"a service as it is, for good": {
			{`PATCH ` + a + `?ttl=1h {"weight":5}`, "200 changed", `patch web/a {"weight":5} for 1h0m0s`},
			{
				`PUT /service/web {"host":"10.0.0.1","port":80,"backends":{"a":{"host":"10.1.0.1","port":8080,"weight":5,"pulse":{"type":"none"}}}}`,
				"200 changed", `set web {"backends":{"a":{"host":"10.1.0.1","port":8080,"pulse":{"type":"none"},"weight":5}},"host":"10.0.0.1","port":80}`,
			},
		},
		"a service and its backends in one": {
			{`PUT /service/new?ttl=1h {"host":"10.0.0.3","port":80}`, "200 created", `set new {"host":"10.0.0.3","port":80} for 1h0m0s`},
			{
				`POST /overrides {"kind":"patch","service":"new","body":{"method":"rr","backends":{"b":{"host":"10.3.0.1"}}}}`, "200",
				`patch new {"method":"rr","backends":{"b":{"host":"10.3.0.1"}}}; set new {"host":"10.0.0.3","method":"rr","port":80} for 1h0m0s`,
			},
		},
		"another backend beside those of a service for a while": {
			{"PUT /service/new?ttl=1h " + one, "200 created", "set new " + stored + " for 1h0m0s"},
			{
				`PUT /service/new/c {"host":"10.3.0.2"}`, "200 created",
				"set new " + stored + ` for 1h0m0s; set new/c {"host":"10.3.0.2"} for 1h0m0s`,
			},
			{"DELETE /service/new/c", "200 removed", "set new " + stored + " for 1h0m0s"},
		},
		"a backend taken away by its service": {
			{`PATCH ` + a + `?ttl=1h {"weight":5}`, "200 changed", `patch web/a {"weight":5} for 1h0m0s`},
			{`POST /overrides {"kind":"patch","service":"web","body":{"backends":{"a":null}}}`, "200", `patch web {"backends":{"a":null}}`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := over(t, web)
			h := routes(f)
			for _, tt := range writes {
				method, rest, _ := strings.Cut(tt[0], " ")
				target, body, _ := strings.Cut(rest, " ")
				w := exchange(h, method, target, body)
				got := [2]string{told(t, w.Body.Bytes(), w.Code), storedWithEnds(f)}
				if d := cmp.Diff([2]string{tt[1], tt[2]}, got); d != "" {
					t.Errorf("%s (-want +got):\n%s", tt[0], d)
				}
			}
			if s := f.Desired().Service("web"); strings.HasPrefix(name, "a service for a while") && s.Backend("a").Weight != 8 {
				t.Errorf("what was written last does not count: the weight is %d", s.Backend("a").Weight)
			}
		})
	}
}

// TestDryRunOfHiding: what is declared beneath what was written is hidden, and a dry run is of that.
func TestDryRunOfHiding(t *testing.T) {
	f := over(t, web)
	h := routes(f)
	exchange(h, "PATCH", "/service/web/a", `{"weight":7}`)
	f.planned = func(d *spec.Desired) (*Plan, error) {
		return &Plan{Operations: []Operation{{Name: "web", Args: fmt.Sprint(names(d.Service("web")))}}}, nil
	}
	w := exchange(h, "PATCH", "/service/web?dry_run=true", `{"backends":{"a":null}}`)
	if got := told(t, w.Body.Bytes(), w.Code); got != "200 changed []" {
		t.Error(got)
	}
}

// TestPatchLeavesTheRest: what is patched of a service is newer by that than what is written of its backends, and yet not over
// it.
func TestPatchLeavesTheRest(t *testing.T) {
	for name, before := range map[string][]string{
		"over a patch": {
			`POST /overrides {"kind":"patch","service":"web","body":{"backends":{"a":{"weight":0}}}}`,
			`PUT /service/web/a?replace=true {"host":"10.1.0.1","port":8080,"weight":2}`,
		},
		"over a set": {
			`PUT /service/web?replace=true {"host":"10.0.0.1","port":80,"backends":{"a":{"host":"10.1.0.1","port":8080,"weight":7}}}`,
			`PATCH /service/web/a {"weight":2}`,
		},
		"under a set": {
			`PATCH /service/web/a {"weight":7}`,
			`PUT /service/web?replace=true {"host":"10.0.0.1","port":80,"backends":{"a":{"host":"10.1.0.1","port":8080,"weight":2}}}`,
		},
		"under a set for a while": {
			`PATCH /service/web/a?ttl=1h {"weight":7}`,
			`PUT /service/web?replace=true&ttl=2h {"host":"10.0.0.1","port":80,"backends":{"a":{"host":"10.1.0.1","port":8080,"weight":2}}}`,
		},
	} {
		f := over(t, web)
		h := routes(f)
		for _, do := range append(before, `PATCH /service/web {"method":"wlc"}`, `POST /overrides {"kind":"patch","service":"web","body":{"backends":{"b":{"host":"10.1.0.2"}}}}`) {
			method, rest, _ := strings.Cut(do, " ")
			target, body, _ := strings.Cut(rest, " ")
			if w := exchange(h, method, target, body); w.Code != 200 {
				t.Fatalf("%s: %s: %d: %s", name, do, w.Code, w.Body)
			}
			if weight := f.Desired().Service("web").Backend("a").Weight; method == "PATCH" && target == "/service/web" && weight != 2 {
				t.Errorf("%s: %s: the weight of a is %d", name, do, weight)
			}
		}
		if s := f.Desired().Service("web"); s.Backend("a").Weight != 2 || s.Method != "wlc" || s.Backend("b") == nil && !strings.HasSuffix(name, "while") {
			t.Errorf("%s: afterwards it is %s, and a %s", name, s.OptionsJSON(), s.BackendOptionsJSON(s.Backend("a")))
		}
	}
}
