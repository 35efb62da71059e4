package spec

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSetThatCameAfterItsBackends has a service that only a set makes changed after its backends came: they stay.
func TestSetThatCameAfterItsBackends(t *testing.T) {
	const service = `set web {"host": "10.0.0.1", "port": 80}`
	backends := []string{`set web/a {"host": "10.1.0.1"}`, `set web/b {"host": "10.1.0.2"}`, `patch web/b {"weight": 3}`}
	for name, tt := range map[string]struct {
		overrides []string
		want      []string
	}{
		"before them":          {append([]string{service}, backends...), []string{"a", "b"}},
		"after them":           {append(backends, service), []string{"a", "b"}},
		"with some of its own": {append(backends, `set web {"host": "10.0.0.1", "port": 80, "backends": {"c": {"host": "10.1.0.3"}}}`), []string{"c"}},
		"after it was hidden":  {append([]string{service, `hide web`}, append(backends, service)...), nil},
	} {
		t.Run(name, func(t *testing.T) {
			out := Lay(nil, over(tt.overrides...), nil)
			if out.Desired == nil {
				t.Fatal(out.Problems)
			}
			var got []string
			for _, b := range out.Desired.Service("web").Backends {
				got = append(got, b.Name)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("backends (-want +got):\n%s", d)
			}
			if name == "after them" && out.Dangling != nil {
				t.Errorf("these have no effect: %v", out.Dangling)
			}
		})
	}
}
