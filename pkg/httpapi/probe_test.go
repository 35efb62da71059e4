package httpapi

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/pkg/sources"
)

// Probe answers with what it was asked for.
func (f *fakeDaemon) Probe(_ context.Context, service, backend string) (*Probed, error) {
	switch {
	case f.nothing:
		return nil, sources.ErrNothingYet
	case service == "none":
		return nil, Fail(http.StatusConflict, "it is not checked")
	}
	return &Probed{Service: service, Backend: backend, Outcome: ProbedOK, Steps: []Step{}}, nil
}

func TestProbeRoute(t *testing.T) {
	f, c := fake(t)
	want := Probed{Service: "web", Backend: "a:80", Outcome: ProbedOK, Steps: []Step{}}
	if d := cmp.Diff(want, ask[Probed](t, c, "POST", "/probe/web/"+Segment("a:80"), nil)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	refused := func(path string, code int, text string) {
		t.Helper()
		var got *Failure
		if err := c.Do(t.Context(), "POST", path, nil, nil); !errors.As(err, &got) || got.Code != code || got.Error() != text {
			t.Errorf("%s: got %v, want %d %s", path, err, code, text)
		}
	}
	refused("/probe/none/a", 409, "it is not checked")
	refused("/probe/web", 404, "there is no such route")
	f.nothing = true
	refused("/probe/web/a", 503, "there is no configuration yet")
}
