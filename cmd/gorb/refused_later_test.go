package main

import (
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gorb-io/gorb/pkg/httpapi"
	"github.com/gorb-io/gorb/pkg/kernel"
)

// TestRefusedAfterItsAnswer has the kernel refuse a change whose answer did not wait for it: it stays, the status and the
// object say what is missing, and it is done once the kernel takes it.
func TestRefusedAfterItsAnswer(t *testing.T) {
	w := newAPIWorld(t, "[services.web]\nhost = \"10.0.0.1\"\nport = 80\n[services.web.backends.a]\nhost = \"10.1.0.1\"\nport = 80\npulse = { type = \"none\" }\n"+
		"[services.web.backends.b]\nhost = \"10.1.0.2\"\nport = 80\npulse = { type = \"none\" }\n")
	var takes atomic.Bool
	answered := make(chan struct{})
	w.refuse(func(op kernel.Op) error {
		if op.Kind != kernel.EditDest || takes.Load() {
			return nil
		}
		select {
		case <-answered:
		case <-t.Context().Done():
		}
		return errors.New("no such weight")
	})
	code, text := w.ask("PATCH", "/service/web/a?wait=10ms", `{"weight": 7}`)
	close(answered)
	if code != 202 {
		t.Fatalf("%d %s", code, text)
	}
	refused := func(path, want string) bool {
		var is struct{ Refused string }
		w.want(200, "GET", path, "", &is)
		return strings.Contains(is.Refused, want) && (is.Refused == "") == (want == "")
	}
	weights := func() (declared, has uint32) {
		var is httpapi.BackendInfo
		w.want(200, "GET", "/service/web/a", "", &is)
		var options struct{ Weight uint32 }
		if err := json.Unmarshal(is.Options, &options); err != nil {
			t.Fatal(err)
		}
		return options.Weight, is.Effective.Weight
	}
	eventually(t, "the status says what the kernel refuses", func() bool {
		var s httpapi.Status
		w.want(200, "GET", "/status", "", &s)
		return strings.Contains(strings.Join(s.Table.Problems, "\n"), "no such weight")
	})
	for path, want := range map[string]string{"/service/web": "no such weight", "/service/web/a": "no such weight", "/service/web/b": ""} {
		if !refused(path, want) {
			t.Errorf("%s does not say %q", path, want)
		}
	}
	if declared, has := weights(); declared != 7 || has != 100 {
		t.Errorf("the weight is declared as %d, and the kernel has %d", declared, has)
	}
	var log httpapi.AuditList
	if w.want(200, "GET", "/audit", "", &log); storedCode(log.Entries[0].Status) != 200 {
		t.Errorf("the audit has %+v", log.Entries[0])
	}
	takes.Store(true)
	eventually(t, "it is tried again", func() bool {
		_, has := weights()
		return has == 7
	})
	eventually(t, "nothing is refused any more", func() bool { return refused("/service/web", "") && refused("/service/web/a", "") })
	w.want(200, "GET", "/overrides/web/a", "", nil)
}
