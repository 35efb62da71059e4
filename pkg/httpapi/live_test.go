package httpapi

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gorb-io/gorb/pkg/reconcile"
	"github.com/gorb-io/gorb/pkg/sources"
)

// fakeLife is a gorb that is well, but for what a test says.
type fakeLife struct {
	status sources.Status
	passes reconcile.Passes
	checks *HealthTotals
	busy   time.Duration
}

func (f fakeLife) Status() sources.Status   { return f.status }
func (f fakeLife) Passes() reconcile.Passes { return f.passes }
func (f fakeLife) Checks() *HealthTotals    { return f.checks }
func (f fakeLife) Busy() time.Duration      { return f.busy }

func TestLivezAndReadyz(t *testing.T) {
	whole := reconcile.Passes{Whole: time.Now()}
	well := fakeLife{passes: whole, checks: &HealthTotals{}, busy: stuckAfter - 1}
	starts := fakeLife{status: sources.Status{Incomplete: true, Sources: []sources.SourceStatus{{Name: "a"}, {Name: "b"}}}}
	hangs := fakeLife{passes: whole, checks: &HealthTotals{Engine: Engine{HangsMS: 10_500}}}
	stuck := fakeLife{passes: whole, busy: 150*time.Second + time.Millisecond}
	refused := fakeLife{passes: reconcile.Passes{Whole: time.Now(), Errs: []error{io.EOF}}}
	const (
		noCheck = "the checks hang: nothing has been judged for 10 s"
		noHear  = "not heard yet, so that nothing is removed: a, b"
		noPass  = "the kernel's table has not been put right yet"
		noLoop  = "the loop that keeps the table has been at one thing for 2m30s"
	)
	for name, tt := range map[string]struct {
		life         fakeLife
		path, accept string
		code         int
		want         string
	}{
		"well":                    {well, "/livez", "", 200, "ok\n"},
		"well and ready":          {well, "/readyz", "*/*", 200, "ok\n"},
		"ready, in detail":        {well, "/readyz?verbose", "", 200, "[+]table ok\n[+]checks ok\n[+]loop ok\nreadyz check passed\n"},
		"ready, for programs":     {well, "/readyz", "application/json", 200, "{\n\t\"ok\": true,\n\t\"reasons\": []\n}"},
		"it starts":               {starts, "/livez", "", 200, "ok\n"},
		"it starts, not ready":    {starts, "/readyz", "text/plain", 503, noHear + "\n" + noPass + "\n"},
		"it starts, in detail":    {starts, "/readyz?verbose=1", "", 503, "[-]table failed: " + noHear + "; " + noPass + "\n[+]checks ok\n[+]loop ok\nreadyz check failed\n"},
		"the checks hang":         {hangs, "/readyz", "", 503, noCheck + "\n"},
		"the checks hang, living": {hangs, "/livez", "", 200, "ok\n"},
		"for programs":            {hangs, "/readyz", "application/json", 503, "{\n\t\"ok\": false,\n\t\"reasons\": [\n\t\t\"" + noCheck + "\"\n\t]\n}"},
		"the loop is stuck":       {stuck, "/livez", "", 503, noLoop + "\n"},
		"stuck, in detail":        {stuck, "/livez?verbose", "", 503, "[-]loop failed: " + noLoop + "\nlivez check failed\n"},
		"stuck, not ready":        {stuck, "/readyz", "", 503, noLoop + "\n"},
		"something is refused":    {refused, "/readyz", "", 200, "ok\n"},
	} {
		t.Run(name, func(t *testing.T) {
			mux := http.NewServeMux()
			mux.Handle("GET /livez", NewLivez(tt.life))
			mux.Handle("GET /readyz", NewReadyz(tt.life))
			s := httptest.NewServer(mux)
			defer s.Close()
			for _, method := range []string{"GET", "HEAD"} {
				r, err := http.NewRequestWithContext(t.Context(), method, s.URL+tt.path, nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Accept", tt.accept)
				answer, err := s.Client().Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer answer.Body.Close()
				want := map[string]string{"GET": tt.want}[method]
				if body, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != tt.code || string(body) != want {
					t.Errorf("%s: %s, %q, %v; want %d, %q", method, answer.Status, body, err, tt.code, want)
				}
			}
		})
	}
}
