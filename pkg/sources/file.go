package sources

import (
	"context"
	"crypto/sha256"
	"os"
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
	Version  string         // what the source calls what it delivered: an ETag, an index; ""
	Parts    []Part         // of a remote source: the texts that Document was made of, to be kept
}

// A File watches one file, and the files that it includes, and delivers whole documents. Create it with NewFile; set the
// fields before Run.
type File struct {
	// Still is how long the file's size, modification time and inode must not have changed before it is read
	// (default 50ms).
	Still time.Duration

	// Poll is the time between looks at the file when nothing was heard (default 5s).
	Poll time.Duration

	// Options say how the file is decoded (default: strings may ask for the environment). A file is always Local.
	Options spec.Options

	name     string // as the operator typed it
	layer    int
	format   spec.Format
	log      zerolog.Logger
	first    *spec.Document
	constant bool // it was a pipe or the like: there is nothing to watch
	missed   bool // that it is missing is said, first thing
	notify   func() (*fsnotify.Watcher, error)

	asked chan struct{} // of capacity one: Reload
	again chan struct{} // of capacity one: Confirm
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
	file := &File{
		Still:   defaultStill,
		Poll:    defaultPoll,
		Options: spec.Options{Env: os.LookupEnv},
		name:    name,
		layer:   layer,
		format:  f,
		log:     log.With().Str("component", "sources").Str("file", name).Logger(),
		first:   first,
		notify:  fsnotify.NewWatcher,
		asked:   make(chan struct{}, 1),
		again:   make(chan struct{}, 1),
	}
	if info, err := os.Stat(name); isDescriptor(name) || first != nil && err == nil && isPipe(info) {
		file.constant = true
	}
	return file
}

// Reload has the file read now, without waiting for a change and at most a second for stillness. A Reading follows
// even if nothing has changed. It never blocks and may be called from anywhere.
func (f *File) Reload() { trigger(f.asked) }

// Confirm has the file read again once it is still. A Reading follows even if nothing has changed.
func (f *File) Confirm() { trigger(f.again) }

// Name returns the file's name as the operator typed it.
func (f *File) Name() string { return f.name }

// trigger puts a token into a channel of capacity one, unless there is one.
func trigger(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run watches the file and what it includes, and sends a Reading first thing and then whenever the content is other than
// before, good or bad. It blocks until ctx is done and then returns nil; it never closes out.
func (f *File) Run(ctx context.Context, out chan<- Reading) error {
	if f.constant {
		return f.repeat(ctx, out)
	}
	b := newBundle(f.name, f.format, f.Options, f.log)
	missing := f.first == nil && !f.missed
	b.first, f.first = f.first, nil // which would be kept for as long as the file is watched
	v := vigil{
		of:     b,
		still:  stillness{still: f.Still},
		poll:   f.Poll,
		layer:  f.layer,
		log:    f.log,
		notify: f.notify,
		asked:  f.asked,
		again:  f.again,
	}
	if missing {
		v.err = named(f.name, syscall.ENOENT)
		v.last = outcome{err: v.err.Error()}
	}
	return v.run(ctx, out)
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
