package main

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorb-io/gorb/pkg/httpapi"
	"github.com/gorb-io/gorb/pkg/kernel"
)

// refuse has the kernel refuse from the next start on what fail returns an error for, and makes that start.
func (w *apiWorld) refuse(fail func(kernel.Op) error) {
	w.t.Helper()
	w.end()
	w.kernel.Fail = fail
	w.start()
}

// TestRefusedBefore has the kernel refuse what the file says of a service, and then somebody drain a backend of it, which the
// kernel takes: that is no reason to withdraw the drain. What it refuses of the drain is.
func TestRefusedBefore(t *testing.T) {
	const backend = "[services.web.backends.a]\nhost = \"10.1.0.1\"\nport = 80\npulse = { type = \"none\" }\n"
	w := newAPIWorld(t, "[services.web]\nhost = \"10.0.0.1\"\nport = 80\n"+backend)
	refused := make(chan struct{}, 100)
	var drains atomic.Bool
	w.refuse(func(op kernel.Op) error {
		if op.Kind == kernel.EditService {
			select {
			case refused <- struct{}{}:
			default:
			}
			return errors.New("no such scheduler")
		}
		if op.Kind == kernel.EditDest && drains.Load() {
			return errors.New("no such weight")
		}
		return nil
	})
	w.declare("[services.web]\nhost = \"10.0.0.1\"\nport = 80\nmethod = \"lc\"\n" + backend)
	select {
	case <-refused:
	case <-time.After(20 * time.Second):
		t.Fatal("the file does not count")
	}
	eventually(t, "the service says what the kernel refuses of the file", func() bool {
		var is httpapi.ServiceInfo
		w.want(200, "GET", "/service/web", "", &is)
		return strings.Contains(is.Refused, "no such scheduler")
	})
	w.want(200, "PATCH", "/service/web", `{"drain": "7s"}`, nil)
	w.want(200, "PATCH", "/service/web/a", `{"weight": 0}`, nil)
	drains.Store(true)
	for path, body := range map[string]string{"/service/web/a": `{"weight": 5}`, "/service/web": `{"method": "rr"}`} {
		if code, text := w.ask("PATCH", path, body); code != 500 || !strings.Contains(text, "the change is withdrawn") {
			t.Errorf("%s %s: %d %s", path, body, code, text)
		}
	}
}

// TestRefusedBeforeIsMissing has the kernel refuse to make a service: a backend in it cannot be.
func TestRefusedBeforeIsMissing(t *testing.T) {
	w := newAPIWorld(t, "")
	w.refuse(func(op kernel.Op) error {
		if op.Kind == kernel.AddService {
			return errors.New("no such scheduler")
		}
		return nil
	})
	w.want(500, "PUT", "/service/web?keep=true", `{"host": "10.0.0.1", "port": 80}`, nil)
	w.want(500, "PUT", "/service/web/a", `{"host": "10.1.0.1", "port": 80, "pulse": {"type": "none"}}`, nil)
	w.want(404, "GET", "/service/web/a", "", nil)
}
