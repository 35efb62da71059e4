package sources

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/gorb-io/gorb/pkg/spec"
)

const (
	defaultWait         = 2 * time.Second
	defaultStartTimeout = 30 * time.Second
)

// Top is a source that the operator named, in its place.
type Top struct {
	Source Source
	First  *spec.Document  // what was read of it already; nil: nothing
	Decl   spec.SourceDecl // of a URL or Consul: its guard; the zero value is that of a local file
}

// Tops is the tops of files.
func Tops(files ...*File) []Top {
	tops := make([]Top, len(files))
	for i, f := range files {
		tops[i] = Top{Source: f, First: f.first}
	}
	return tops
}

// copies keeps the last good document of each source where a restart finds it. Load returns nil without error where
// there is none, and when it was good. Before is Load for what counted before something of the source was held, which
// Hold keeps until it is not held any more.
type copies interface {
	Load(name string) (*spec.Document, time.Time, error)
	Save(name string, r Reading) error
	Before(name string) (*spec.Document, error)
	Hold(name string, held bool) error
}

// overrides are the runtime changes. Snapshot returns them in the order in which they were written, and the revision of the
// whole at that moment. Changed has a token after each change of what Snapshot returns, and belongs to
// Layers alone.
type overrides interface {
	Snapshot() (list []spec.Override, revision uint64)
	Changed() <-chan struct{}
}

// Layers keeps the newest good document of every layer, merges them with the overrides, and hands over each Desired that
// is new. Create it with NewLayers; set the fields before Run.
type Layers struct {
	// Wait is how long after a reading of a file that would remove most services the file is read again, to see whether
	// it was meant (default 2s). Most are all of them, or more than half when that is five or more; one that is renamed,
	// or moved to another address, does not count. What a remote source alone declares has a guard of its own
	// (spec.SourceDecl).
	Wait time.Duration

	// StartTimeout is how long at the start every source is waited for (default 30s). After it, what is there is handed
	// over, and is Incomplete until every source has delivered.
	StartTimeout time.Duration

	// Before is what an earlier run left in force, as far as services and their identities go, for the guard to compare the
	// first configuration with. Nil is nothing.
	Before *spec.Desired

	// Open makes the source of a declaration, as the given layer; nil: none can be made.
	Open func(d spec.SourceDecl, layer int) (Source, error)

	// Copies keeps the last good documents of remote sources; nil: they are not kept.
	Copies copies

	// Overrides are laid over the documents; nil: there are none.
	Overrides overrides

	// Newer is told when what Desired returns is another. It is called by Run's goroutine and must not block; nil: nobody is.
	Newer func()

	// Published is told each time that what Status, Held or Desired return may be another, like Newer, and after it.
	Published func()

	log    zerolog.Logger
	tops   []Top
	finish func(*spec.Desired) (*spec.Desired, error)

	asked    chan struct{} // of capacity one: there is something in wanted
	mu       sync.Mutex    // guards wanted
	wanted   map[string]bool
	accepts  chan acceptance
	snapshot atomic.Pointer[view]
	wholes   sync.Mutex // held while TryWrites looks at the whole: each costs as much as all there is
}

// acceptance asks for the held removals of a source to be done.
type acceptance struct {
	name   string
	answer chan error // of capacity one
}

// everything stands for all sources in Layers.wanted; no source is called so.
const everything = ""

// NewLayers prepares the merging of sources, which must have been made as the layers that are their places in the list;
// a later one wins. The function finish is what the program does to every merged Desired, such as resolving an
// interface; what it refuses is refused like a bad document. It runs in the goroutines of Run and of Try; nil is to do
// nothing.
func NewLayers(log zerolog.Logger, tops []Top, finish func(*spec.Desired) (*spec.Desired, error)) *Layers {
	if finish == nil {
		finish = func(d *spec.Desired) (*spec.Desired, error) { return d, nil }
	}
	l := &Layers{
		Wait:         defaultWait,
		StartTimeout: defaultStartTimeout,
		log:          log.With().Str("component", "sources").Logger(),
		tops:         tops,
		finish:       finish,
		asked:        make(chan struct{}, 1),
		wanted:       make(map[string]bool),
		accepts:      make(chan acceptance),
	}
	l.snapshot.Store(&view{newer: make(chan struct{})})
	return l
}

// Reload has sources read now: those of the names, or all of them. What files say then counts at once, together, however
// much it removes; what remote sources would remove is held as ever. It never blocks and may be called from anywhere. A
// name that no source has is an error.
func (l *Layers) Reload(names ...string) error {
	known := l.Status().Sources
	for _, name := range names {
		if !slices.ContainsFunc(known, func(s SourceStatus) bool { return s.Name == name }) {
			return fmt.Errorf("no source is called %q", name)
		}
	}
	if len(names) == 0 {
		names = []string{everything}
	}
	l.mu.Lock()
	for _, name := range names {
		l.wanted[name] = true
	}
	l.mu.Unlock()
	trigger(l.asked)
	return nil
}

// takeWanted returns what Reload was asked for since the last time.
func (l *Layers) takeWanted() map[string]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	wanted := l.wanted
	l.wanted = make(map[string]bool)
	return wanted
}

// Accept does the removals of a source that are held. It is an error if there are none. It waits for Run.
func (l *Layers) Accept(ctx context.Context, name string) error {
	a := acceptance{name: name, answer: make(chan error, 1)}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case l.accepts <- a:
		return <-a.answer
	}
}

// Run runs the sources and sends what they declare together: first thing what they have when each has a document, and
// from then on each Desired that differs from the one before. What is bad changes nothing; it is logged, once, and so is
// its end. A Desired that nobody has taken yet is replaced by a newer one. Changes of documents make at most one in 50 ms,
// those of overrides do not wait.
//
// Run blocks until ctx is done and then returns nil; it never closes out.
func (l *Layers) Run(ctx context.Context, out chan<- *spec.Desired) error {
	g, ctx := errgroup.WithContext(ctx)
	readings := make(chan Reading)
	for _, top := range l.tops {
		g.Go(func() error { return top.Source.Run(ctx, readings) })
	}
	g.Go(func() error {
		l.loop(ctx, readings, out)
		return nil
	})
	return g.Wait()
}

// loop is the one goroutine that owns the documents.
func (l *Layers) loop(ctx context.Context, readings chan Reading, out chan<- *spec.Desired) {
	alarm, rest := time.NewTimer(0), time.NewTimer(0)
	defer alarm.Stop()
	defer rest.Stop()
	crew := newCrew(l, ctx, readings)
	defer crew.wait()
	var changed <-chan struct{} // nil: there is none, or it rests

	s := newStack(l, time.Now())
	for i := range l.tops {
		l.tops[i].First = nil // it would be kept, whatever comes after it
	}
	s.start(time.Now())
	for {
		crew.follow(s.takeOrders())
		l.publish(s.view())
		alarm.Stop()
		if at := s.wake(); !at.IsZero() {
			alarm.Reset(time.Until(at))
		}
		// Offered only while there is something to take.
		var offer chan<- *spec.Desired
		if s.next != nil {
			offer = out
		}
		select {
		case <-ctx.Done():
			return
		case offer <- s.next:
			s.hand(time.Now())
		case r := <-readings:
			s.take(time.Now(), r)
		case <-changed:
			began := time.Now()
			all, revision := l.Overrides.Snapshot()
			s.override(began, all, revision)
			// However many write, three quarters of the time are left to others, and what is written meanwhile is one change.
			changed = nil
			rest.Reset(min(3*time.Since(began), between))
		case <-rest.C:
			if l.Overrides != nil {
				changed = l.Overrides.Changed()
			}
		case <-l.asked:
			for _, id := range s.reload(time.Now(), l.takeWanted()) {
				crew.reload(id)
			}
		case a := <-l.accepts:
			a.answer <- s.acceptRemoval(time.Now(), a.name)
		case <-alarm.C:
			for _, id := range s.ring(time.Now()) {
				crew.confirm(id)
			}
		}
	}
}

// publish shows others how things are now.
func (l *Layers) publish(v *view) {
	was := l.snapshot.Load()
	v.newer = was.newer
	if v.revision != was.revision {
		v.newer = make(chan struct{})
		defer close(was.newer)
	}
	if l.snapshot.Store(v); l.Newer != nil && v.desired != was.desired {
		l.Newer()
	}
	if l.Published != nil {
		l.Published()
	}
}
