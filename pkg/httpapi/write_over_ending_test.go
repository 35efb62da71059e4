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
				"set web " + whole + ` for 1h0m0s; patch web/a {"weight":5}; patch web/a {"upper_threshold":9,"weight":5} for 2h0m0s`,
			},
			{
				`PATCH ` + a + ` {"weight":8}`, "200 changed",
				"set web " + whole + ` for 1h0m0s; patch web/a {"weight":8}; patch web/a {"upper_threshold":9,"weight":8} for 2h0m0s`,
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
