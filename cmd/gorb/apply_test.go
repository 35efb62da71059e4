package main

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/reconcile"
	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// applying returns one run of apply, and the keeper of a table for it.
func applying(f *kernel.Fake, wait time.Duration) (*applier, *reconcile.Keeper) {
	a := &applier{program: &program{stderr: io.Discard}, wait: wait, progress: io.Discard, trial: &sources.Trial{}}
	return a, reconcile.NewKeeper(f, nil, reconcile.NewStore("", reconcile.Place{}), reconcile.Memory{})
}

// declaring returns what a configuration declares.
func declaring(t *testing.T, text string) *spec.Desired {
	t.Helper()
	doc, err := spec.Decode("gorb.toml", spec.TOML, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	desired, err := spec.Merge(doc)
	if err != nil {
		t.Fatal(err)
	}
	return desired
}

const webTOML = "[services.web]\nhost = \"10.0.0.1\"\nport = 80\n[services.web.backends.a]\nhost = \"10.1.0.1\"\n"

func TestApplyWithoutWaitDeletesWhatIsEmpty(t *testing.T) {
	f := kernel.NewFake()
	f.Put(webKey, kernel.VirtualService{
		Service: kernel.Service{Scheduler: "wrr", Netmask: kernel.FullNetmask(kernel.IPv4)},
		Dests:   []kernel.RealServer{backend("10.1.0.8:80"), backend("10.1.0.9:80")},
	})
	f.SetConns(webKey, backend("10.1.0.9:80").DestKey, kernel.Conns{Active: 1})
	a, keeper := applying(f, 0)
	if err := a.work(t.Context(), keeper, declaring(t, webTOML)); err != nil {
		t.Fatal(err)
	}
	want := "-A -t 10.0.0.1:80 -s wrr\n-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 100\n-a -t 10.0.0.1:80 -r 10.1.0.9:80 -m -w 0\n"
	if d := cmp.Diff(want, f.String()); d != "" {
		t.Errorf("table (-want +got):\n%s", d)
	}
}

// TestApplyInterrupted has the context end before an operation, and looks at what apply says.
func TestApplyInterrupted(t *testing.T) {
	const leaving = webTOML + "[services.web.backends.b]\nhost = \"10.1.0.2\"\n"
	for _, tt := range []struct {
		name, before, text string
		at                 int // the operation before which the context ends; -1: before anything, 9: while backends drain
		want               string
		failures           []string
	}{
		{name: "at once", text: webTOML, at: -1, want: "interrupted: nothing was done; the next apply does the rest"},
		{
			name: "halfway", text: webTOML, at: 1, want: "interrupted: 1 operation done, 1 not; the next apply does the rest",
			failures: []string{"-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 100: not tried, because gorb was interrupted"},
		},
		{
			name: "while it waits", before: leaving, text: webTOML, at: 9,
			want: "interrupted: 1 operation done; 1 backend still draining; the next apply does the rest",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := kernel.NewFake()
			if tt.before != "" {
				a, keeper := applying(f, 0)
				if err := a.work(t.Context(), keeper, declaring(t, tt.before)); err != nil {
					t.Fatal(err)
				}
				f.SetConns(webKey, backend("10.1.0.2:80").DestKey, kernel.Conns{Active: 1})
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if tt.at < 0 {
				cancel()
			}
			nth := 0
			f.Fail = func(kernel.Op) error {
				if nth++; nth > tt.at {
					cancel()
				}
				return ctx.Err()
			}
			a, keeper := applying(f, time.Hour)
			if tt.at == 9 {
				a.progress = writerFunc(cancel) // it says that it waits
			}
			err := a.work(ctx, keeper, declaring(t, tt.text))
			if err = a.interrupted(context.Canceled, err); err == nil || err.Error() != tt.want {
				t.Errorf("it says: %v\nand not: %s", err, tt.want)
			}
			var failures []string
			for _, r := range a.report.Failures() {
				failures = append(failures, r.String()+": "+r.Err.Error())
			}
			if d := cmp.Diff(tt.failures, failures); d != "" {
				t.Errorf("failures (-want +got):\n%s", d)
			}
		})
	}
}

// writerFunc calls a function at each write.
type writerFunc func()

func (f writerFunc) Write(b []byte) (int, error) {
	f()
	return len(b), nil
}
