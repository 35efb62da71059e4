//go:build linux

package reconcile

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/internal/lab"
	"github.com/gorb-io/gorb/pkg/kernel"
)

// TestRandomPairs does what TestRandomPairsOnFake does to a real kernel and to Fake alike, and compares them.
func TestRandomPairs(t *testing.T) { lab.Run(t, func(t *testing.T) { randomPairs(t, 500) }) }

// TestSoakRandomPairs is its long form.
func TestSoakRandomPairs(t *testing.T) {
	if os.Getenv("GORB_SOAK") == "" {
		t.Skip("the long form of TestRandomPairs; make soak runs it")
	}
	lab.Run(t, func(t *testing.T) { randomPairs(t, 2000) })
}

func randomPairs(t *testing.T, pairs uint64) {
	client, err := kernel.Open(t.Context(), kernel.Options{Namespace: lab.NamespacePath(lab.Namespace(t)), LoadModule: true})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for seed := range pairs {
		clearTable(t, client)
		real := &recorded{Kernel: client}
		fake := &recorded{Kernel: kernel.NewFake()}
		onKernel, onFake := checkPair(t, real, seed), checkPair(t, fake, seed)
		if d := cmp.Diff(onFake, onKernel, cmpOptions); d != "" {
			t.Fatalf("seed %d: Fake and the kernel differ (-fake +kernel):\n%s", seed, d)
		}
		if d := cmp.Diff(fake.log, real.log); d != "" {
			t.Fatalf("seed %d: Fake and the kernel answer differently (-fake +kernel):\n%s", seed, d)
		}
	}
	t.Logf("%d random pairs of table and configuration", pairs)
}

// recorded is a kernel that writes down every operation and its answer.
type recorded struct {
	Kernel
	log []string
}

func (r *recorded) Apply(ctx context.Context, ops []kernel.Op) []error {
	errs := r.Kernel.Apply(ctx, ops)
	for i, op := range ops {
		r.log = append(r.log, fmt.Sprintf("%v: %v", op, errs[i]))
	}
	return errs
}
