package sources

import (
	"context"
	"errors"
	"sync"

	"github.com/gorb-io/gorb/pkg/spec"
)

// errNoOpener says that the program cannot make sources of declarations.
var errNoOpener = errors.New("this source cannot be opened here")

// crew is the sources that run. Its methods belong to the loop.
type crew struct {
	ctx      context.Context
	open     func(spec.SourceDecl, int) (Source, error)
	readings chan<- Reading
	members  map[int]member
	running  sync.WaitGroup
	saver    *saver
}

type member struct {
	source Source
	stop   context.CancelFunc // nil: it does not run here
}

// newCrew takes the sources that the operator named, which Run runs.
func newCrew(l *Layers, ctx context.Context, readings chan<- Reading) *crew {
	c := &crew{ctx: ctx, open: l.Open, readings: readings, members: make(map[int]member)}
	for i, top := range l.tops {
		c.members[i] = member{source: top.Source}
	}
	if l.Copies != nil {
		c.saver = newSaver(l.log, l.Copies)
		c.running.Go(func() { c.saver.run(ctx) })
	}
	return c
}

// wait waits for everything that was started, which ends with the context.
func (c *crew) wait() {
	for _, m := range c.members {
		if m.stop != nil {
			m.stop()
		}
	}
	c.running.Wait()
}

// follow does what the stack ordered. A source that stops is not waited for: one that hangs must not hold up the others.
func (c *crew) follow(orders []order) {
	for _, o := range orders {
		switch {
		case o.save != nil || o.hold != nil:
			if c.saver != nil {
				c.saver.put(o)
			}
		case o.stop:
			if m, ok := c.members[o.id]; ok && m.stop != nil {
				m.stop()
				delete(c.members, o.id)
			}
		default:
			c.start(o)
		}
	}
}

// start opens and runs a source. What keeps it from running is a Reading like any failure.
func (c *crew) start(o order) {
	source, err := Source(nil), errNoOpener
	if c.open != nil {
		source, err = c.open(o.decl, o.id)
	}
	ctx, stop := context.WithCancel(c.ctx)
	c.members[o.id] = member{source: source, stop: stop}
	c.running.Go(func() {
		defer stop()
		if err == nil {
			err = source.Run(ctx, c.readings)
		}
		if err == nil || ctx.Err() != nil {
			return
		}
		select {
		case <-ctx.Done():
		case c.readings <- Reading{Layer: o.id, Err: err}:
		}
	})
}

func (c *crew) reload(id int) {
	if m := c.members[id]; m.source != nil {
		m.source.Reload()
	}
}

func (c *crew) confirm(id int) {
	if m := c.members[id]; m.source != nil {
		m.source.Confirm()
	}
}
