package sources

import (
	"context"
	"os"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

// A Dir watches a directory and delivers the files in it as one document. Create it with NewDir; set the fields before
// Run.
//
// All files whose names end in .toml, .json, .yaml or .yml are joined, in name order, with what they include. Hidden
// files and what editors leave behind are passed over, and so is a subdirectory, which is logged. A directory that is
// empty, unreadable or not there is an error, and so is one bad file in it.
type Dir struct {
	// Still is how long nothing that is read must have changed before it is read (default 50ms).
	Still time.Duration

	// Poll is the time between looks at the directory when nothing was heard (default 5s).
	Poll time.Duration

	// Options say how the files are decoded (default: strings may ask for the environment). They are always Local.
	Options spec.Options

	name   string // as the operator typed it
	layer  int
	log    zerolog.Logger
	notify func() (*fsnotify.Watcher, error)

	asked chan struct{} // of capacity one: Reload
	again chan struct{} // of capacity one: Confirm
}

// NewDir prepares the watching of a directory as the given layer, counted from 0.
func NewDir(name string, layer int, log zerolog.Logger) *Dir {
	return &Dir{
		Still:   defaultStill,
		Poll:    defaultPoll,
		Options: spec.Options{Env: os.LookupEnv},
		name:    name,
		layer:   layer,
		log:     log.With().Str("component", "sources").Str("directory", name).Logger(),
		notify:  fsnotify.NewWatcher,
		asked:   make(chan struct{}, 1),
		again:   make(chan struct{}, 1),
	}
}

// Name returns the directory's name as the operator typed it.
func (d *Dir) Name() string { return d.name }

// Reload has the directory read now, without waiting for a change and at most a second for stillness. A Reading follows
// even if nothing has changed. It never blocks and may be called from anywhere.
func (d *Dir) Reload() { trigger(d.asked) }

// Confirm has the directory read again once it is still. A Reading follows even if nothing has changed.
func (d *Dir) Confirm() { trigger(d.again) }

// Run watches the directory and sends a Reading first thing and then whenever the content of its files, or which there
// are, is other than before, good or bad. It blocks until ctx is done and then returns nil; it never closes out.
func (d *Dir) Run(ctx context.Context, out chan<- Reading) error {
	b := newBundle(d.name, "", d.Options, d.log)
	b.dir = true
	v := vigil{
		of:     b,
		still:  stillness{still: d.Still},
		poll:   d.Poll,
		layer:  d.layer,
		log:    d.log,
		notify: d.notify,
		asked:  d.asked,
		again:  d.again,
	}
	return v.run(ctx, out)
}
