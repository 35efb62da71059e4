package probe

import (
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/gorb-io/gorb/pkg/spec"
)

// Wanted is what is to be checked from now on of the services that are named. A service with no watches is not checked any
// more. One that is not named is checked as before.
type Wanted struct {
	Services map[string][]Watch // by the service that the Ref of each names; the engine keeps the slices
	// Checks is how many checks may be made at once, Exec how many of kind exec, which do not count in the first.
	Checks, Exec int
}

// Watch is a backend that is to be checked.
type Watch struct {
	Ref     Ref
	Target  Target
	Policy  Policy
	Urgent  bool           // its service has no weight: its first check goes before the first checks of others
	Keeps   bool           // a check of Target leaves a connection open for the next
	Checker func() Checker // makes the checker of Target; one that is an io.Closer is closed when it is done with
}

// Target is what is checked, and how. It decides who shares a probe, and whether a backend that was edited is still
// judged by what it answered before.
type Target struct {
	Kind string // "tcp"
	Args string // all that decides what the check does, in one writing, the place first
}

// short returns the kind and the place, which the args begin with.
func (t Target) short() string {
	place, _, _ := strings.Cut(t.Args, " ")
	return t.Kind + " " + place
}

// kindExec is the kind of checks that start a program.
const kindExec = spec.PulseExec

// key names a probe. What an answer is depends on how long it is waited for.
type key struct {
	Target
	timeout time.Duration
}

// News is a Change, and what was checked. News of another target than the backend has by now says nothing of it: a
// configuration and what the engine says of the one before it may cross.
type News struct {
	Change
	Target Target
	Since  time.Time // when the backend came to be up or down, or began to be unanswered
	Text   string    // what its last failure said, since it last came up; ""
}

// inbox is what has been wanted and is not taken yet.
type inbox struct {
	full chan struct{} // has an element while there is something

	mu     sync.Mutex // guards everything below
	wanted Wanted
}

// put adds to what is there: of a service, and of the limits, the newest counts.
func (b *inbox) put(w Wanted) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wanted.Checks, b.wanted.Exec = w.Checks, w.Exec
	if b.wanted.Services == nil {
		b.wanted.Services = make(map[string][]Watch, len(w.Services))
	}
	maps.Copy(b.wanted.Services, w.Services)
	select {
	case b.full <- struct{}{}:
	default:
	}
}

// empty returns what there is, which full has told of.
func (b *inbox) empty() Wanted {
	b.mu.Lock()
	defer b.mu.Unlock()
	select { // what came after full was read is taken along
	case <-b.full:
	default:
	}
	w := b.wanted
	b.wanted = Wanted{}
	return w
}
