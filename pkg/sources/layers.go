package sources

import (
	"context"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/gorb-io/gorb/pkg/spec"
)

const defaultWait = 2 * time.Second

// Layers owns the newest good document of every layer, merges them, and hands over each Desired that is new. Create it
// with NewLayers; set the fields before Run.
type Layers struct {
	// Wait is how long after a reading that would remove most services the file is read again, to see whether it was
	// meant (default 2s). Most are all of them, or more than half when that is five or more; one that is renamed, or
	// moved to another address, does not count.
	Wait time.Duration

	// Before is what an earlier run left in force, as far as services and their identities go, for the guard to compare the
	// first configuration with. Nil is nothing.
	Before *spec.Desired

	log    zerolog.Logger
	files  []*File
	finish func(*spec.Desired) (*spec.Desired, error)
	asked  chan struct{} // of capacity one
}

// NewLayers prepares the merging of files, whose layers are their places in the list; a later one wins. The function
// finish is what the program does to every merged Desired, such as resolving an interface; what it refuses is refused
// like a bad document. It runs in Run's goroutine; nil is to do nothing.
func NewLayers(log zerolog.Logger, files []*File, finish func(*spec.Desired) (*spec.Desired, error)) *Layers {
	if finish == nil {
		finish = func(d *spec.Desired) (*spec.Desired, error) { return d, nil }
	}
	return &Layers{
		Wait:   defaultWait,
		log:    log.With().Str("component", "sources").Logger(),
		files:  files,
		finish: finish,
		asked:  make(chan struct{}, 1),
	}
}

// Reload has every file read now. What they say then counts at once, together, however much it removes. It never
// blocks and may be called from anywhere.
func (l *Layers) Reload() { trigger(l.asked) }

// Run watches the files and sends what they declare together: first thing what the documents given to NewFile make, if
// every file has one, and from then on each Desired that differs from the one before. Until every file has been there
// nothing is sent. What is bad changes nothing; it is logged, once, and so is its end. A Desired that nobody has taken
// yet is replaced by a newer one.
//
// Run blocks until ctx is done and then returns nil; it never closes out.
func (l *Layers) Run(ctx context.Context, out chan<- *spec.Desired) error {
	g, ctx := errgroup.WithContext(ctx)
	readings := make(chan Reading)
	for _, f := range l.files {
		g.Go(func() error { return f.Run(ctx, readings) })
	}
	g.Go(func() error {
		l.loop(ctx, readings, out)
		return nil
	})
	return g.Wait()
}

// loop is the one goroutine that owns the documents.
func (l *Layers) loop(ctx context.Context, readings <-chan Reading, out chan<- *spec.Desired) {
	alarm := time.NewTimer(0)
	alarm.Stop()
	defer alarm.Stop()

	s := newStack(l)
	s.start()
	for {
		// Offered only while there is something to take.
		var offer chan<- *spec.Desired
		if s.next != nil {
			offer = out
		}
		select {
		case <-ctx.Done():
			return
		case offer <- s.next:
			s.hand()
		case r := <-readings:
			s.take(r)
		case <-l.asked:
			s.reload()
			for _, f := range l.files {
				f.Reload()
			}
		case <-alarm.C:
			for _, layer := range s.ring() {
				l.files[layer].confirm()
			}
		}
		switch {
		case s.alarm > 0:
			alarm.Reset(s.alarm)
		case s.alarm < 0:
			alarm.Stop()
		}
		s.alarm = 0
	}
}
