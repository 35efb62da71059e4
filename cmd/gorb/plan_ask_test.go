package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorb-io/gorb/pkg/httpapi"
)

// TestPlanAsks has a gorb without a kernel make plans.
func TestPlanAsks(t *testing.T) {
	d := startAsked(t)
	first := func(own string, overrides string) string {
		return fmt.Sprintf("# asked the gorb that runs (pid %d, gorb.sock): %s%s in force\n", os.Getpid(), own, overrides)
	}
	const web = "-A -t 10.0.0.1:80 -s wrr\n-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w "
	const end = "\n1 service and 1 backend to add\n"
	d.want(t, first("its own sources, ", "0 overrides")+web+"100"+end, "plan")
	d.want(t, "patch web/a {\"weight\":50}\n", "override", "patch", "web/a", "weight=50", "--by", "ann")
	d.take(t)
	d.want(t, first("its own sources, ", "1 override")+web+"50"+end+"code 3\n", "plan", "--exit-code")

	file := filepath.Join(d.dir, "new.toml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(strings.ReplaceAll(askedFile, "port = 80", "port = 81"))
	d.want(t, first("", "1 override")+strings.ReplaceAll(web, ":80", ":81")+"50"+end, "plan", file)
	write(askedFile + "[services.mail]\nhost = \"10.0.0.1\"\nport = 80\n")
	d.want(t, "new.toml:1: services.web: tcp 10.0.0.1:80 is service mail already\ncode 1\n", "plan", file)
	write("[gorb]\nresync = \"30m\"\n" + askedFile)
	if got := d.gorb("", "plan", "-i", "eth1", file); !strings.Contains(got, "--offline plans with another\n") || !strings.HasSuffix(got, "code 2\n") {
		t.Errorf("-i: %s", got)
	}

	var plan httpapi.Plan
	if err := json.Unmarshal([]byte(d.gorb("", "plan", "--json", file)), &plan); err != nil {
		t.Fatal(err)
	}
	if plan.Daemon == nil || plan.Daemon.PID != os.Getpid() || plan.Daemon.Sources || plan.Daemon.Overrides != 1 || len(plan.Operations) != 2 {
		t.Errorf("in JSON: %+v", plan)
	}
	write("[[sources]]\nurl = \"http://127.0.0.1:1/a\"\nname = \"the page\"\n" + askedFile)
	if got := d.gorb("", "plan", file); !strings.HasPrefix(got, "the page: ") ||
		!strings.HasSuffix(got, "connection refused; and the gorb that runs has nothing of it\ncode 1\n") {
		t.Errorf("a page that is away: %s", got)
	}
}

// TestPlanOfRemote holds a document that came from elsewhere to what such may say, also where it was not merged before
// it was sent, because the sources beside it are the daemon's to know.
func TestPlanOfRemote(t *testing.T) {
	d := startAsked(t)
	page := httpapi.PlanLayer{Name: "page", Document: []byte(`{"services": {"web": {"pulse": {"type": "tcp", "args": {"host": "10.9.0.1"}}}}}`)}
	ask := func() error {
		asked := httpapi.PlanRequest{Layers: []httpapi.PlanLayer{{Name: filepath.Join(d.dir, "gorb.toml")}, page}}
		return httpapi.NewClient(d.socket).Do(t.Context(), "POST", "/plan", asked, new(httpapi.Plan))
	}
	if err := ask(); err != nil {
		t.Errorf("a file: %v", err)
	}
	page.Remote = true
	const want = "page: services.web.pulse.args.host: 10.9.0.1 is no backend's address"
	if err := ask(); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a page: got %v, want %s", err, want)
	}
}

// TestAwayText has a source that failed after it was good, and one that never was.
func TestAwayText(t *testing.T) {
	failing := httpapi.Away{Source: "fleet", Error: "fleet: no answer in time", Copied: time.Unix(1, 0)}
	if got := awayText(failing); got != "fleet: no answer in time; its last good document counts" {
		t.Error(got)
	}
	failing.Copied = time.Time{}
	if got := awayText(failing); got != "fleet: no answer in time; nothing has been heard of it yet, and until then nothing is removed" {
		t.Error(got)
	}
}

// TestHeldText says why something is held: it is all, or too much, or what is left of that.
func TestHeldText(t *testing.T) {
	for _, tt := range []struct {
		count, of int
		want      string
	}{
		{9, 9, "which is all of them"},
		{6, 9, "over max_removal, 50 %"},
		{3, 9, "what has not returned since more than max_removal, 50 %, left"},
	} {
		var out strings.Builder
		printHeld(&out, "", httpapi.HeldOf{Source: "a", Count: tt.count, Of: tt.of, MaxRemoval: 50, Names: []string{"b"}}, false)
		if want := fmt.Sprintf("held: a leaves out %d of 9 services and backends that it alone declares, %s: b", tt.count, tt.want); !strings.HasPrefix(out.String(), want) {
			t.Errorf("%s", out.String())
		}
	}
}
