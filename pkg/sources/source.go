package sources

import "context"

// A Source is where documents come from. It delivers whole documents, never changes.
type Source interface {
	// Name is what the operator calls it.
	Name() string
	// Run sends a Reading first thing and then whenever what is there is other than before, good or bad. It blocks until
	// ctx is done and then returns nil; it never closes out.
	Run(ctx context.Context, out chan<- Reading) error
	// Reload has the source read now. A Reading that is Asked follows even if nothing has changed. It never blocks and
	// may be called from anywhere.
	Reload()
	// Confirm has the source read again, for the removal guard. A Reading that is Again follows even if nothing has
	// changed: a 304 or the same index counts.
	Confirm()
}
