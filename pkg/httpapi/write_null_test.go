package httpapi

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestNullTakesAway: null takes away what was written, be it without effect as things are.
func TestNullTakesAway(t *testing.T) {
	f := over(t, web)
	h := routes(f)
	for _, tt := range [][3]string{
		{`{"pulse":{"type":"http","args":{"expect":404}}}`, "200 changed", `patch web/a {"pulse":{"args":{"expect":404},"type":"http"}}`},
		{`{"pulse":{"type":null}}`, "200 changed", `patch web/a {"pulse":{"args":{"expect":404},"type":null}}`},
		{`{"pulse":{"type":null}}`, "200 unchanged", `patch web/a {"pulse":{"args":{"expect":404},"type":null}}`},
		{`{"pulse":{"args":{"path":null}}}`, "200 unchanged", `patch web/a {"pulse":{"args":{"expect":404},"type":null}}`},
		{`{"pulse":{"args":null}}`, "200 changed", `patch web/a {"pulse":{"args":null,"type":null}}`},
		{`{"weight":100}`, "200 unchanged", `patch web/a {"pulse":{"args":null,"type":null}}`},
	} {
		w := exchange(h, "PATCH", "/service/web/a", tt[0])
		if d := cmp.Diff([2]string{tt[1], tt[2]}, [2]string{told(t, w.Body.Bytes(), w.Code), stored(f)}); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt[0], d)
		}
	}
}
