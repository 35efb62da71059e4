package reconcile

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/pkg/kernel"
)

// TestPlanOfTheLoop asks what another configuration would do, which nothing follows from.
func TestPlanOfTheLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startBench(t, Memory{})
		b.desired <- webService("10.1.0.1:80")
		synctest.Wait()
		before := mustObserve(t, b.Fake)
		mustApply(t, b.Fake, []kernel.Op{{Kind: kernel.AddService, Key: key("10.0.0.9:80"), Service: before[web].Service}})
		before = mustObserve(t, b.Fake)
		for _, tt := range []struct {
			name  string
			dests []string
			flush bool
			want  []string
		}{
			{"the same", []string{"10.1.0.1:80"}, false, nil},
			{"one more", []string{"10.1.0.1:80", "10.1.0.2:80"}, false, []string{"-a -t 10.0.0.1:80 -r 10.1.0.2:80 -m -w 100"}},
			{"flush", []string{"10.1.0.1:80"}, true, []string{"-D -t 10.0.0.9:80"}},
		} {
			plan, err := b.reconciler.Plan(t.Context(), webService(tt.dests...), tt.flush)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for step := range plan.Steps() {
				got = append(got, step.String())
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("%s (-want +got):\n%s", tt.name, d)
			}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if d := cmp.Diff(before, mustObserve(t, b.Fake), cmpOptions); d != "" {
			t.Errorf("the table has changed (-want +got):\n%s", d)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := b.reconciler.Plan(ended, webService(), false); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}
