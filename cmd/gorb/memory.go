package main

import (
	"context"
	"os"
	"runtime/debug"
	"time"

	"github.com/gorb-io/gorb/pkg/spec"
)

const (
	// memoryBound is from where on the garbage collector works harder, so that a change of the largest configuration, old and
	// new together, stays under 500 MB. Where more is in use it does not stop gorb, but makes it slow.
	memoryBound = 400 << 20
	// boundPerCheck is added for each backend that is checked. It holds some 1.3 kB for as long as it is declared, and what a
	// check takes while it is made.
	boundPerCheck = 2 << 10
	// manyPercent is by how much of what is in use memory may grow before it is collected, where many backends are checked:
	// what is known of them stays, and what a check takes is little. It costs a tenth of the processor and saves a fifth of
	// the memory. Of few there is not much to save.
	manyPercent, many = 50, 50_000
	// giveBackAfter is how long after a new configuration the memory is given back that reading it and the first checks took:
	// by then most of them have answered, or not in time.
	giveBackAfter = 15 * time.Second
	// boundEvery is the least time between two looks at how many backends are checked.
	boundEvery = time.Second
)

// boundMemory sets how much memory gorb takes, unless the operator has set GOMEMLIMIT and GOGC.
func boundMemory(checked int) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryBound + int64(checked)*boundPerCheck)
	}
	percent := 100
	if checked >= many {
		percent = manyPercent
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}

// keepMemory bounds the memory after each new configuration, of which it is told by newer, and gives back some time after
// it what is not in use, until ctx ends. Go does that by itself, but takes minutes. To count the backends of the largest
// configuration takes long and changes of single ones come by the hundred a second, so that is done once in boundEvery.
func keepMemory(ctx context.Context, newer <-chan struct{}, desired func() *spec.Desired) error {
	timer, bound := time.NewTimer(time.Hour), time.NewTimer(time.Hour)
	defer timer.Stop()
	defer bound.Stop()
	timer.Stop()
	bound.Stop()
	var due time.Time // when it may be bound again
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-newer:
			timer.Reset(giveBackAfter)
			bound.Reset(time.Until(due))
		case <-bound.C:
			boundMemory(checkedOf(desired()))
			due = time.Now().Add(boundEvery)
		case <-timer.C:
			debug.FreeOSMemory()
		}
	}
}

// checkedOf returns how many backends of a configuration are checked; nil has none.
func checkedOf(d *spec.Desired) int {
	if d == nil {
		return 0
	}
	n := 0
	for i := range d.Services {
		s := &d.Services[i]
		for j := range s.Backends {
			if isChecked(s, &s.Backends[j]) {
				n++
			}
		}
	}
	return n
}
