package reconcile

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/kernel"
)

// TestLook has a service put right that somebody has taken away, at once, and nothing else read.
func TestLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startBench(t, Memory{})
		if err := b.reconciler.Look(t.Context(), "web"); err != nil {
			t.Errorf("without a configuration: %v", err)
		}
		b.desired <- webService("10.1.0.1:80", "10.1.0.2:80")
		synctest.Wait()
		want := mustObserve(t, b.Fake)
		mustApply(t, b.Fake, []kernel.Op{{Kind: kernel.DeleteService, Key: web}})
		b.reads = nil
		if err := b.reconciler.Look(t.Context(), "web", "none"); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, mustObserve(t, b.Fake), cmpOptions); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
		if reads := b.reads[:len(b.reads)-1]; len(reads) == 0 || len(reads[0]) != 1 || reads[0][0] != web {
			t.Errorf("read were %v", reads)
		}
		b.reads = nil
		if err := b.reconciler.Look(t.Context(), "none"); err != nil || len(b.reads) != 0 {
			t.Errorf("of what is not declared: %v, read were %v", err, b.reads)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := b.reconciler.Look(ended, "web"); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// TestLooksShareAPass: however many ask while a pass is made, they have one more.
func TestLooksShareAPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startBench(t, Memory{})
		b.desired <- webService("10.1.0.1:80")
		synctest.Wait()
		reads, hold := 0, make(chan struct{})
		b.FailObserve = func([]kernel.ServiceKey) error {
			reads++
			<-hold
			return nil
		}
		done := make(chan error)
		for range 10 {
			go func() { done <- b.reconciler.Look(t.Context(), "web") }()
			synctest.Wait()
		}
		close(hold)
		for range 10 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if reads != 2 {
			t.Errorf("%d readings, want 2", reads)
		}
	})
}

// TestLookAfterTheEnd does not wait for what never comes.
func TestLookAfterTheEnd(t *testing.T) {
	r := New(NewKeeper(kernel.NewFake(), nil, NewStore("", Place{}), Memory{}), false, zerolog.Nop())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Run(ctx, Wakes{}); err != nil {
		t.Fatal(err)
	}
	if err := r.Look(t.Context(), "web"); !errors.Is(err, ErrEnded) {
		t.Error(err)
	}
}
