package sources

import (
	"context"
	"crypto/sha256"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

const (
	defaultStill = 50 * time.Millisecond
	defaultPoll  = 5 * time.Second

	// pause is the least time between two looks at a file, so that a busy directory costs little.
	pause = 10 * time.Millisecond
)

// Reading is what a source says after it has read. Exactly one of Document and Err is there.
type Reading struct {
	Layer    int            // which layer it is
	Document *spec.Document // nil with Err
	Err      error          // why what is there cannot be used
	Asked    bool           // somebody asked for it, by Reload: it counts at once
	Again    bool           // the removal guard asked for it
	Same     bool           // the bytes, or the error, are those of the reading before
}

// A File watches one file and delivers whole documents. Create it with NewFile; set the fields before Run.
type File struct {
	// Still is how long the file's size, modification time and inode must not have changed before it is read
	// (default 50ms).
	Still time.Duration

	// Poll is the time between looks at the file when nothing was heard (default 5s).
	Poll time.Duration

	name     string // as the operator typed it
	path     string // the same, absolute
	layer    int
	format   spec.Format
	log      zerolog.Logger
	first    *spec.Document
	constant bool // it was a pipe or the like: there is nothing to watch
	notify   func() (*fsnotify.Watcher, error)

	asked chan struct{} // of capacity one: Reload
	again chan struct{} // of capacity one: confirm

	// What follows belongs to Run.
	last outcome
	doc  *spec.Document // of last
	err  error          // of last
	same bool           // last is what the one before it was
}

// outcome identifies what a reading gave: the bytes, or why there were none. The zero value is that of no reading.
type outcome struct {
	sum [sha256.Size]byte
	err string
}

// NewFile prepares the watching of a FILE argument as the given layer, counted from 0. The document first is what Read
// gave for it, or nil when the file was missing, which is then taken as said. Standard input, pipes and what else the
// program was started with open are not read twice: such a layer stays what it was.
func NewFile(name string, layer int, f spec.Format, log zerolog.Logger, first *spec.Document) *File {
	path := name
	if wd, err := os.Getwd(); err == nil && !filepath.IsAbs(name) {
		path = wd + string(filepath.Separator) + name // not cleaned: ".." after a symbolic link is not what it looks like
	}
	file := &File{
		Still:  defaultStill,
		Poll:   defaultPoll,
		name:   name,
		path:   path,
		layer:  layer,
		format: f,
		log:    log.With().Str("component", "sources").Str("file", name).Logger(),
		first:  first,
		notify: fsnotify.NewWatcher,
		asked:  make(chan struct{}, 1),
		again:  make(chan struct{}, 1),
	}
	if first == nil {
		file.err = named(name, syscall.ENOENT)
		file.last = outcome{err: file.err.Error()}
	}
	if info, err := os.Stat(name); isDescriptor(name) || first != nil && err == nil && isPipe(info) {
		file.constant = true
	}
	return file
}

// Reload has the file read now, without waiting for a change and at most a second for stillness. A Reading follows
// even if nothing has changed. It never blocks and may be called from anywhere.
func (f *File) Reload() { trigger(f.asked) }

// confirm has the file read again once it is still. A Reading follows even if nothing has changed.
func (f *File) confirm() { trigger(f.again) }

// trigger puts a token into a channel of capacity one, unless there is one.
func trigger(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run watches the file and sends a Reading first thing and then whenever its content is other than before, good or
// bad. It blocks until ctx is done and then returns nil; it never closes out.
func (f *File) Run(ctx context.Context, out chan<- Reading) error {
	if f.constant {
		return f.repeat(ctx, out)
	}
	w := newWatcher(f.log, f.notify)
	defer w.close()
	poll := time.NewTicker(f.Poll)
	defer poll.Stop()
	wake := time.NewTimer(0) // the next look: now
	defer wake.Stop()

	still := stillness{still: f.Still}
	soon := false // wake is for an event
	answer := Reading{Layer: f.layer}
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
		case <-f.asked:
			answer.Asked = true
			still.demand(time.Now().Add(patience))
		case <-f.again:
			answer.Again = true
			still.demand(time.Time{})
		case <-poll.C:
			// Why a file cannot be read may not show from outside: an access list, a sick disk.
			if f.last.err != "" {
				still.demand(time.Time{})
			}
		case <-wake.C:
		}
		soon = false
		w.follow(f.path)
		wait, read := f.look(&still)
		if read && f.news(&answer) {
			select {
			case <-ctx.Done():
				return nil
			case out <- answer:
			}
		}
		if read {
			answer = Reading{Layer: f.layer}
		}
		wake.Stop()
		if wait > 0 {
			wake.Reset(wait)
		}
	}
}

// look looks at the file and reads it when it is time to; it says whether it did, and after what time to look next,
// 0 being when something happens.
func (f *File) look(still *stillness) (wait time.Duration, read bool) {
	due, wait := still.look(time.Now(), stampOf(f.name))
	if !due {
		return wait, false
	}
	data, err := readRegular(f.name)
	after := stampOf(f.name)
	read = still.after(time.Now(), after)
	if read {
		f.take(data, err)
	}
	if due, wait = still.look(time.Now(), after); due {
		wait = pause
	}
	return wait, read
}

// take takes in what the file held, or why it could not be read.
func (f *File) take(data []byte, err error) {
	is := outcome{sum: sha256.Sum256(data)}
	if err != nil {
		is = outcome{err: err.Error()}
	}
	if f.same = is == f.last; f.same {
		return
	}
	f.last, f.doc, f.err = is, nil, err
	if err == nil {
		f.doc, f.err = decode(f.name, f.format, data)
	}
	if f.err != nil {
		f.doc = nil
	}
}

// news completes an answer with the last reading, and says whether anybody is to hear of it.
func (f *File) news(answer *Reading) bool {
	answer.Document, answer.Err, answer.Same = f.doc, f.err, f.same
	return !answer.Same || answer.Asked || answer.Again
}

// repeat is Run for a file that cannot be read twice: it says the same whenever it is asked.
func (f *File) repeat(ctx context.Context, out chan<- Reading) error {
	same := false
	answer := Reading{}
	for {
		answer.Layer, answer.Document, answer.Same = f.layer, f.first, same
		select {
		case <-ctx.Done():
			return nil
		case out <- answer:
		}
		same, answer = true, Reading{}
		select {
		case <-ctx.Done():
			return nil
		case <-f.asked:
			answer.Asked = true
		case <-f.again:
			answer.Again = true
		}
	}
}
