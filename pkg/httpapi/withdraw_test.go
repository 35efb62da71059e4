package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// refusing has the kernel refuse all from now on.
func refusing(f *fakeDaemon, after time.Duration) {
	f.settled = func(context.Context, uint64, string) (Settled, error) {
		time.Sleep(after)
		return Settled{Refused: []Refusal{{Missing: true, Reason: "no"}}}, nil
	}
}

// TestWithdrawnCountsAsBefore has what is withdrawn lie over what it lay over before, and no higher.
func TestWithdrawnCountsAsBefore(t *testing.T) {
	const b = `"backends":{"b":{"host":"10.3.0.1","port":80,"weight":50,"pulse":{"type":"none"}}}`
	const whole = `{"host":"10.0.0.3","port":80,` + b + `}`
	for name, tt := range map[string]struct {
		before []string
		do     string
	}{
		"a set below a patch":         {[]string{`PATCH /service/new/b {"weight":7}`}, `PUT /service/new?replace=true {"host":"10.0.0.3","port":80,"method":"rr",` + b + `}`},
		"a patch below a set":         {[]string{`PATCH /service/new/b {"weight":7}`, `PUT /service/new?replace=true ` + whole}, "DELETE /service/new "},
		"a patch of a set, and more":  {[]string{`PATCH /service/new/b {"weight":7}`}, `PATCH /service/new {"method":"rr"}`},
		"a set below what is removed": {[]string{`PATCH /service/new/b {"weight":7}`}, "DELETE /service/new "},
	} {
		f := over(t, "")
		h := routes(f)
		send := func(do string) int {
			method, rest, _ := strings.Cut(do, " ")
			target, body, _ := strings.Cut(rest, " ")
			return exchange(h, method, target, body).Code
		}
		for _, do := range append([]string{"PUT /service/new " + whole}, tt.before...) {
			if code := send(do); code != 200 {
				t.Fatalf("%s: %s: %d", name, do, code)
			}
		}
		before := f.Desired().Service("new").Backend("b").Weight
		refusing(f, 0)
		code := send(tt.do)
		if after := f.Desired().Service("new").Backend("b").Weight; code != 500 || after != before {
			t.Errorf("%s: %s: %d, and the weight that was %d is %d", name, tt.do, code, before, after)
		}
	}
}

// TestWithdrawnBesideOthers has somebody write another backend, or the same, while a change is withdrawn.
func TestWithdrawnBesideOthers(t *testing.T) {
	for backend, want := range map[string]string{
		"b": `patch web/a {"weight":5}; patch web/b {"weight":8}; 500 the change is withdrawn`,
		"a": `patch web/a {"weight":8}; patch web/b {"weight":6}; 500 the change is not withdrawn: somebody has changed it since`,
	} {
		f := over(t, web+"[services.web.backends.b]\nhost = \"10.1.0.2\"\n")
		h := routes(f)
		exchange(h, "PATCH", "/service/web/a", `{"weight":5}`)
		exchange(h, "PATCH", "/service/web/b", `{"weight":6}`)
		refusing(f, 0)
		writes := 0
		f.writes = func([]sources.Write) error {
			if writes++; writes != 2 { // the second is the withdrawal
				return nil
			}
			_, err := f.put(t.Context(), spec.Override{Kind: spec.Patch, Service: "web", Backend: backend, Body: []byte(`{"weight":8}`)})
			return err
		}
		w := exchange(h, "PATCH", "/service/web/a", `{"weight":7}`)
		var failure Failure
		if err := json.Unmarshal(w.Body.Bytes(), &failure); err != nil || len(failure.Problems) == 0 {
			t.Fatalf("%v: %s", err, w.Body)
		}
		if got := fmt.Sprintf("%s; %d %s", stored(f), w.Code, failure.Problems[len(failure.Problems)-1].Message); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// TestWithdrawnWhatHasEnded has the time of what was there before be over when the kernel's answer comes.
func TestWithdrawnWhatHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := over(t, web)
		h := routes(f)
		if w := exchange(h, "PATCH", "/service/web/a?ttl=1s", `{"weight": 5}`); w.Code != 200 {
			t.Fatal(w.Body)
		}
		refusing(f, 2*time.Second)
		w := exchange(h, "PUT", "/service/web/a?replace=true", `{"host":"10.1.0.1","port":8080,"weight":9,"pulse":{"type":"none"}}`)
		if got := stored(f); got != "" || !strings.Contains(w.Body.String(), "the change is withdrawn") {
			t.Errorf("there is left %q\n%s", got, w.Body)
		}
	})
}

// ending is a daemon that ends once something is withdrawn: nobody looks at overrides any more, and connections are closed.
type ending struct {
	*fakeDaemon
	close context.CancelFunc
	left  error // what ended the last wait
}

func (e *ending) Await(ctx context.Context, revision uint64) (sources.Judged, error) {
	if len(e.List()) > 0 || revision == 0 {
		return e.fakeDaemon.Await(ctx, revision)
	}
	e.close()
	<-ctx.Done()
	e.left = ctx.Err()
	return sources.Judged{}, e.left
}

// TestWithdrawalKeepsNoDaemon: what is withdrawn while the daemon ends is, and its request ends with the connection.
func TestWithdrawalKeepsNoDaemon(t *testing.T) {
	f := over(t, web)
	refusing(f, 0)
	ctx, cancel := context.WithCancel(t.Context())
	e := &ending{fakeDaemon: f, close: cancel}
	r := httptest.NewRequestWithContext(ctx, "PATCH", "/service/web/a", strings.NewReader(`{"weight": 7}`))
	routes(e).ServeHTTP(httptest.NewRecorder(), places["the socket"](r))
	if e.left != context.Canceled || stored(f) != "" {
		t.Errorf("%v; stored is %q", e.left, stored(f))
	}
}
