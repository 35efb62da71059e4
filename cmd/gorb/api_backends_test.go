package main

import (
	"fmt"
	"testing"
)

// TestPatchOfServiceKeepsBackends changes a service that was made with backends and has others beside.
func TestPatchOfServiceKeepsBackends(t *testing.T) {
	for name, tt := range map[string]struct {
		service  string
		backends string
	}{
		"that names backends": {`{"host": "10.0.0.1", "port": 80, "pulse": {"type": "none"}, "backends": {"a": {"host": "10.1.0.1"}}}`, "[a b c]"},
		"that names none":     {`{"host": "10.0.0.1", "port": 80, "pulse": {"type": "none"}}`, "[b c]"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newAPIWorld(t, "")
			w.want(200, "PUT", "/service/web", tt.service, nil)
			w.want(200, "PUT", "/service/web/b", `{"host": "10.1.0.2"}`, nil)
			w.want(200, "PUT", "/service/web/c", `{"host": "10.1.0.3"}`, nil)
			w.want(200, "PATCH", "/service/web/c", `{"weight": 3}`, nil)
			before := w.kernel.String()
			w.want(200, "PATCH", "/service/web", `{"drain": "1s"}`, nil)
			if after := w.kernel.String(); after != before {
				t.Errorf("the table was\n%sand is\n%s", before, after)
			}
			w.end()
			w.start()
			if after := w.kernel.String(); after != before {
				t.Errorf("after a restart the table is\n%s", after)
			}
			w.want(200, "PUT", "/service/web?replace=true", `{"host": "10.0.0.1", "port": 80, "method": "rr", "pulse": {"type": "none"}}`, nil)
			var info struct{ Backends []string }
			w.want(200, "GET", "/service/web", "", &info)
			if got := fmt.Sprint(info.Backends); got != tt.backends {
				t.Errorf("after it was replaced it has %s", got)
			}
		})
	}
}

// TestPatchOfServiceChangesBackends names backends in a patch of their service: each is changed as a patch of its own does.
func TestPatchOfServiceChangesBackends(t *testing.T) {
	w := newAPIWorld(t, `[services.web]
host = "10.0.0.1"
port = 80
pulse = { type = "none" }
drain = "0s"
[services.web.backends.file]
host = "10.1.0.9"
`)
	w.want(200, "PUT", "/service/web/a", `{"host": "10.1.0.1"}`, nil)
	w.want(200, "PUT", "/service/web/b", `{"host": "10.1.0.2"}`, nil)
	w.want(200, "PATCH", "/service/web",
		`{"method": "rr", "backends": {"a": {"weight": 7}, "b": null, "file": null, "c": {"host": "10.1.0.3"}, "none": null}}`, nil)
	const want = "-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 7\n-a -t 10.0.0.1:80 -r 10.1.0.3:80 -m -w 100\n"
	if got := w.kernel.String(); got != want {
		t.Errorf("the table is\n%swant\n%s", got, want)
	}
	var again struct{ Result string }
	w.want(200, "PATCH", "/service/web", `{"method": "rr", "backends": {"a": {"weight": 7}, "b": null, "file": null}}`, &again)
	if again.Result != "unchanged" {
		t.Errorf("the same again: %q", again.Result)
	}
	w.want(400, "PATCH", "/service/web", `{"backends": {"new": {"weight": 7}}}`, nil) // it has no host
	if got := w.kernel.String(); got != want {
		t.Errorf("after what was refused the table is\n%s", got)
	}
}
