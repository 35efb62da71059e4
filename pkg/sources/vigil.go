package sources

import (
	"context"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

// A place is what a vigil looks at and reads.
type place interface {
	// deciding lists the directories in which a change can change what is read.
	deciding() []string
	// stamp is what it looks like from outside.
	stamp() stamp
	// read reads it. The function, which is nil beside an error, makes a document of what was read.
	read() (outcome, func() (*spec.Document, error), error)
}

// A vigil watches a place and reads it when it has changed and is still. It belongs to one goroutine.
type vigil struct {
	of     place
	still  stillness
	poll   time.Duration // between looks when nothing was heard
	layer  int
	log    zerolog.Logger
	notify func() (*fsnotify.Watcher, error)

	asked, again <-chan struct{} // see Source

	last outcome
	doc  *spec.Document // of last
	err  error          // of last
	same bool           // last is what the one before it was
}

// run is the Run of a Source.
func (v *vigil) run(ctx context.Context, out chan<- Reading) error {
	w := newWatcher(v.log, v.notify)
	defer w.close()
	poll := time.NewTicker(v.poll)
	defer poll.Stop()
	wake := time.NewTimer(0) // the next look: now
	defer wake.Stop()

	soon := false // wake is for an event
	answer := Reading{Layer: v.layer}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.changed:
			if !soon {
				soon = true
				wake.Reset(pause)
			}
			continue
		case <-v.asked:
			answer.Asked = true
			v.still.demand(time.Now().Add(patience))
		case <-v.again:
			answer.Again = true
			v.still.demand(time.Time{})
		case <-poll.C:
			// Why a file cannot be read may not show from outside: an access list, a sick disk.
			if v.last.err != "" {
				v.still.demand(time.Time{})
			}
		case <-wake.C:
		}
		soon = false
		w.follow(v.of.deciding)
		wait, read := v.look()
		if read && v.news(&answer) {
			select {
			case <-ctx.Done():
				return nil
			case out <- answer:
			}
		}
		if read {
			answer = Reading{Layer: v.layer}
		}
		wake.Stop()
		if wait > 0 {
			wake.Reset(wait)
		}
	}
}

// look looks at the place and reads it when it is time to; it says whether it did, and after what time to look next,
// 0 being when something happens.
func (v *vigil) look() (wait time.Duration, read bool) {
	due, wait := v.still.look(time.Now(), v.of.stamp())
	if !due {
		return wait, false
	}
	is, decode, err := v.of.read()
	after := v.of.stamp()
	read = v.still.after(time.Now(), after)
	if read {
		v.take(is, decode, err)
	}
	if due, wait = v.still.look(time.Now(), after); due {
		wait = pause
	}
	return wait, read
}

// take takes in what the place held, or why it could not be read.
func (v *vigil) take(is outcome, decode func() (*spec.Document, error), err error) {
	if v.same = is == v.last; v.same {
		return
	}
	v.last, v.doc, v.err = is, nil, err
	if err == nil {
		v.doc, v.err = decode()
	}
	if v.err != nil {
		v.doc = nil
	}
}

// news completes an answer with the last reading, and says whether anybody is to hear of it.
func (v *vigil) news(answer *Reading) bool {
	answer.Document, answer.Err, answer.Same = v.doc, v.err, v.same
	return !answer.Same || answer.Asked || answer.Again
}
