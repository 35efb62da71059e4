package probe

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestStuckIsSaidWithoutArgs: the args of a check that does not end may be secrets.
func TestStuckIsSaidWithoutArgs(t *testing.T) {
	d := desiredOf(t, `[services.web]
host = "10.0.0.1"
port = 80
pulse = { type = "http", timeout = "1s", interval = "2s", args = { headers = { Authorization = "Bearer hunter2" } } }
backends.a = { host = "10.1.0.1" }
`)
	synctest.Test(t, func(t *testing.T) {
		w, said := listen(t)
		free := make(chan struct{})
		watches := new(Kinds).Watches(&d.Services[0])
		watches[0].Checker = func() Checker {
			return checkFunc(func(context.Context, *Trace) Result {
				<-free
				return Result{Outcome: OK}
			})
		}
		w.set(1, watches...)
		w.sleep(time.Minute)
		close(free)
		w.sleep(time.Minute)
		all := strings.Join(said(), "\n")
		if strings.Contains(all, "hunter2") || !strings.Contains(all, `"check":"http 10.1.0.1:80","message":"a check does not end at its timeout"`) {
			t.Error(all)
		}
	})
}

// TestStepsTellNoSecrets has secrets in what is asked for, and in where an answer leads.
func TestStepsTellNoSecrets(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to := "/b?token=hunter2&x=1"
		if r.URL.Path == "/b" {
			to = "https://" + r.Host + "/c#token=hunter2"
		}
		http.Redirect(w, r, to, http.StatusFound)
	}))
	defer s.Close()
	addr := s.Listener.Addr().String()
	c, err := NewHTTP(HTTP{Addr: netip.MustParseAddrPort(addr), Path: "/a?token=hunter2&x=1", Redirects: 3})
	if err != nil {
		t.Fatal(err)
	}
	var trace Trace
	r := c.Check(t.Context(), &trace)
	all := fmt.Sprint(trace.Steps, r.Text)
	for _, want := range []string{
		"GET /a?token=[hidden]&x=1, host ", "redirected to http://" + addr + "/b?token=[hidden]&x=1", "/c#token=[hidden], and only http is followed",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("nothing says %q: %s", want, all)
		}
	}
	if strings.Contains(all, "hunter2") {
		t.Error(all)
	}
}
