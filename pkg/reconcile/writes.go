package reconcile

import (
	"errors"
	"hash/maphash"
	"sync/atomic"

	"github.com/gorb-io/gorb/pkg/kernel"
)

// writes counts what was written to services, or may have been. A few services share a count, so that it is of one size
// however many there are.
type writes struct {
	seed   maphash.Seed
	counts [4096]atomic.Uint64
}

func newWrites() *writes { return &writes{seed: maphash.MakeSeed()} }

func (w *writes) of(key kernel.ServiceKey) *atomic.Uint64 {
	return &w.counts[maphash.Comparable(w.seed, key)%uint64(len(w.counts))]
}

// note counts operations that were tried.
func (w *writes) note(results []Result) {
	for i := range results {
		if res := &results[i]; res.Host == nil && !errors.Is(res.Err, ErrHeld) {
			w.of(res.Op.Key).Add(1)
		}
	}
}

// Written returns a number that is another after the table was written to in a service, and before anybody who awaits that
// hears of it. What was read of the service when it was the same is not older than what was written. It may be called from
// anywhere.
func (r *Reconciler) Written(key kernel.ServiceKey) uint64 { return r.keeper.writes.of(key).Load() }
