package main

import (
	"strings"
	"syscall"
	"testing"

	"github.com/gorb-io/gorb/internal/lab"
)

// TestPlanWhileDraining plans, applies and starts anew while a backend that has left still has a connection.
func TestPlanWhileDraining(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		n := lab.NewNet(t, 3)
		l := newLoad(t, n, 1000, 2)
		d := newDesign(n, nil)
		k := newKeeping(t, n.Director)
		k.declare(d.services()...)
		k.start()
		k.wantTable("at the start", d.services()...)
		for range 3 {
			l.open(d.web.addr)
		}
		l.release(0)
		l.want("the first part")
		d.retire(2)
		k.declare(d.services()...)
		k.wantTable("after a backend left", d.services()...)

		leaver := d.web.backends[2].addr.String()
		plan := func(when, want string) {
			t.Helper()
			out, err := lab.Try(n.Director, "gorb", "plan", "--exit-code", k.file)
			if err != nil || !strings.Contains(out, "\n"+want) && !strings.HasPrefix(out, want) {
				t.Errorf("%s: %v\n%swanted to see %q", when, err, out, want)
			}
		}
		plan("while it drains", "# draining: "+leaver)
		plan("while it drains", "nothing to do; ")

		k.signal(syscall.SIGTERM)
		out, err := lab.Try(n.Director, "gorb", "apply", "--wait", "1s", k.file)
		if err != nil || !strings.Contains(out, "still draining: "+leaver) {
			t.Errorf("apply: %v\n%swanted to see what still drains", err, out)
		}
		k.start()
		l.release(1)
		l.want("the last part")
		d.web.backends = d.web.backends[:2]
		k.wantTable("after its last connection", d.services()...)
		plan("in the end", "nothing to do")
	})
}
