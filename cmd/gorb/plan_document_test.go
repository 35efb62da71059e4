package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/pkg/httpapi"
)

// TestPlanOfOneDocument has a gorb say what a configuration alone, as curl sends it, would change there: with its overrides
// and its health, and with its own settings where the configuration says nothing of them.
func TestPlanOfOneDocument(t *testing.T) {
	const web = `
[services.web]
host = "10.0.0.1"
port = 80
drain = "0s"
pulse = { type = "none" }
[services.web.backends.a]
host = "10.1.0.1"
[services.web.backends.b]
host = "127.0.0.1"
port = 1
pulse = { type = "tcp", interval = "1s" }
`
	w := newAPIWorld(t, "[probe]\nmax_exec = 7\n"+web+"[services.old]\nhost = \"10.0.0.2\"\nport = 80\ndrain = \"0s\"\n[services.old.backends.a]\nhost = \"10.1.0.1\"\npulse = { type = \"none\" }\n")
	w.want(200, "PATCH", "/service/web/a", `{"weight": 50}`, nil)
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(w.table().String(), "127.0.0.1:1 -m -w 0\n"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("b does not go down:\n%s", w.table())
		}
	}
	before := w.table().String()
	toml := web + "[services.web.backends.c]\nhost = \"10.1.0.3\"\npulse = { type = \"none\" }\n"
	const asJSON = `{"services": {"web": {"host": "10.0.0.1", "port": 80, "drain": "0s", "pulse": {"type": "none"}, "backends": {
		"a": {"host": "10.1.0.1"}, "b": {"host": "127.0.0.1", "port": 1, "pulse": {"type": "tcp", "interval": "1s"}},
		"c": {"host": "10.1.0.3", "pulse": {"type": "none"}}}}}}`
	for kind, body := range map[string]string{"application/json": asJSON, "application/toml": toml} {
		answer := w.request("POST", "/plan?accept_removals=true", body, http.Header{"Content-Type": {kind}})
		var plan httpapi.Plan
		err := json.NewDecoder(answer.Body).Decode(&plan)
		if _ = answer.Body.Close(); err != nil || answer.StatusCode != 200 {
			t.Fatalf("%s: %d, %v", kind, answer.StatusCode, err)
		}
		var got []string
		for _, o := range plan.Operations {
			got = append(got, o.Args)
		}
		// That a and b stay as they are is by the override and by the check.
		want := []string{"-a -t 10.0.0.1:80 -r 10.1.0.3:80 -m -w 100", "-D -t 10.0.0.2:80"}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", kind, d)
		}
		own := []string{"gorb.listen", "gorb.socket", "gorb.state_dir", "probe.max_exec"}
		if d := cmp.Diff(own, plan.Daemon.Settings); d != "" || plan.Daemon.Overrides != 1 || plan.Daemon.Sources {
			t.Errorf("%s: %+v", kind, plan.Daemon)
		}
	}
	var failure httpapi.Failure
	w.want(422, "POST", "/plan", `{"services": {"web": {"host": "10.0.0.1"}}}`, &failure) // which is wrong as a whole
	want := []httpapi.Problem{{Path: "services.web.port", Message: "missing; a service needs a port or a fwmark"}}
	if d := cmp.Diff(want, failure.Problems); d != "" {
		t.Errorf("a service without port (-want +got):\n%s", d)
	}
	if after := w.table().String(); after != before {
		t.Errorf("the plan changed the table from\n%sto\n%s", before, after)
	}
}

// TestPlanFarHolds sends a file whose page has become small: what that would remove is held as if the gorb that is asked had
// read it itself, though the file says nothing of where the state of that one is.
func TestPlanFarHolds(t *testing.T) {
	many := func(n int) string {
		text := ""
		for i := 1; i <= n; i++ {
			text += fmt.Sprintf("[services.s%d]\nhost = \"10.0.0.%[1]d\"\nport = 80\ndrain = \"0s\"\npulse = { type = \"none\" }\n[services.s%[1]d.backends.a]\nhost = \"10.1.0.%[1]d\"\n", i)
		}
		return text
	}
	var page atomic.Value
	page.Store(many(8))
	web := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/toml")
		_, _ = rw.Write([]byte(page.Load().(string)))
	}))
	t.Cleanup(web.Close)
	declared := "[[sources]]\nname = \"page\"\ninterval = \"1h\"\nurl = \"" + web.URL + "/a\"\n"
	w := newAPIWorld(t, "[probe]\nallow = [\"10.9.0.0/16\"]\n"+declared)
	page.Store(many(1))
	file := filepath.Join(w.dir, "new.toml")
	if err := os.WriteFile(file, []byte(declared), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := gorbSays("plan", "--server", w.url, file); !strings.Contains(got, "\n# held: page leaves out 14 of 16 ") || !strings.Contains(got, "nothing to do\n") {
		t.Errorf("held: %s", got)
	}
	if got := gorbSays("plan", "--server", w.url, "--accept-removals", file); !strings.Contains(got, "-D -t 10.0.0.8:80\n") {
		t.Errorf("accepted: %s", got)
	}
	// What the page may have checked is for the gorb that is asked to say.
	page.Store(many(8) + "pulse = { type = \"tcp\", args = { host = \"10.9.0.1\" } }\n")
	if got := gorbSays("plan", "--server", w.url, file); !strings.HasSuffix(got, "nothing to do\n") {
		t.Errorf("a pulse with a host of its own: %s", got)
	}
	page.Store(many(8) + "pulse = { type = \"tcp\", args = { host = \"10.8.0.1\" } }\n")
	if got := gorbSays("plan", "--server", w.url, file); !strings.Contains(got, "10.8.0.1 is not within [probe] allow") {
		t.Errorf("one that is not allowed: %s", got)
	}
}

// TestKeptSettings names what would change around the table if it went, and nothing else.
func TestKeptSettings(t *testing.T) {
	var out strings.Builder
	printAsked(&out, &httpapi.Asked{PID: 7, Socket: "gorb.sock", Settings: []string{
		"gorb.interface", "gorb.vip_interface.create", "gorb.vip_interface.name", "ipvs.sync.master.interface", "ipvs.sysctl.conntrack",
	}})
	const want = "# asked the gorb that runs (pid 7, gorb.sock): 0 overrides in force\n" +
		"# not in what was sent, so they stay as they are there: gorb.vip_interface, ipvs.sync.master\n"
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
