package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/gorb-io/gorb/pkg/httpapi"
	"github.com/gorb-io/gorb/pkg/probe"
	"github.com/gorb-io/gorb/pkg/reconcile"
)

const (
	// mostAtOnce is how many events of a type come of one moment. What is more is counted in the last of them: a storm would
	// push everything else out of what is kept for those who read.
	mostAtOnce = 500
	// momentTime is the least time between two moments. What happens within one is told together, and what is undone within
	// one may not be told at all.
	momentTime = 100 * time.Millisecond
	// lookAgain is how soon it is seen that the checks hang, or that the loop does, of which nobody tells.
	lookAgain = 5 * time.Second
)

// A chronicle makes the events: of what the reconciler tells, and of how Layers and the overrides differ from what they were
// when it looked last. It keeps nobody waiting.
type chronicle struct {
	living  httpapi.Living
	layers  chronicled
	publish func(httpapi.EventData)
	wakes   chan struct{} // of capacity one
	saw     sight         // belongs to Run

	mu   sync.Mutex // guards what follows
	told *moment    // by the reconciler, since Run took it last
}

// newChronicle returns a chronicle that begins with how things are now.
func newChronicle(living httpapi.Living, layers chronicled, publish func(httpapi.EventData)) *chronicle {
	c := &chronicle{living: living, layers: layers, publish: publish, wakes: make(chan struct{}, 1), told: new(moment)}
	c.saw = look(layers)
	return c
}

// wake has it look at what Layers have published. It may be called from anywhere, and does not block.
func (c *chronicle) wake() {
	select {
	case c.wakes <- struct{}{}:
	default: // it knows
	}
}

// Run makes events until ctx ends.
func (c *chronicle) Run(ctx context.Context) error {
	clock := time.NewTicker(lookAgain)
	defer clock.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.wakes:
		case <-clock.C:
		}
		c.tell()
		select {
		case <-ctx.Done():
		case <-time.After(momentTime):
		}
	}
}

// tell publishes what has happened since the last time: first what was declared, then what became of it. What the reconciler
// told is taken before Layers are looked at, so that it follows nothing that is not told of yet.
func (c *chronicle) tell() {
	c.mu.Lock()
	told := c.told
	c.told = new(moment)
	c.mu.Unlock()
	var declared moment
	c.saw = c.saw.compare(look(c.layers), &declared, c.layers.Audit)
	for _, e := range append(declared.events, told.events...) {
		c.publish(e)
	}
	if why := httpapi.NotReady(c.living); (len(why) == 0) != c.saw.ready {
		c.saw.ready = len(why) == 0
		c.publish(&httpapi.ReadyEvent{Ready: c.saw.ready, NotReady: why})
	}
}

// note takes down what the reconciler tells.
func (c *chronicle) note(kind httpapi.EventType, e httpapi.EventData, s *httpapi.Storm) {
	c.mu.Lock()
	c.told.add(kind, e, s)
	c.mu.Unlock()
	c.wake()
}

// events is what the reconciler is to tell. It is told during a pass, and is made into texts at once: who kept it would keep
// all that the pass has read.
func (c *chronicle) events() reconcile.Events {
	return reconcile.Events{Passed: c.passed, Turned: c.turned, Fell: c.fell}
}

func (c *chronicle) passed(p reconcile.Passed) {
	if e := newTableEvent(p); e != nil {
		c.note(httpapi.EventTable, e, &e.Storm)
		return
	}
	c.wake() // it may be ready by that
}

// newTableEvent tells of a pass; nil: it did nothing, and nothing failed.
func newTableEvent(p reconcile.Passed) *httpapi.TableEvent {
	e := &httpapi.TableEvent{Stamp: httpapi.Stamp{At: p.At}, Cause: p.Cause, Failed: len(p.Errs)}
	for _, err := range p.Errs[:min(len(p.Errs), httpapi.MostListed)] {
		e.Errors = append(e.Errors, err.Error())
	}
	touched := map[string]bool{}
	for _, r := range p.Results {
		if errors.Is(r.Err, reconcile.ErrHeld) {
			continue
		}
		if r.Err == nil {
			if e.Written++; e.Written <= httpapi.MostListed {
				e.Operations = append(e.Operations, r.String())
			}
		}
		if name := p.Name(r); name != "" && !touched[name] {
			touched[name] = true
			if e.Touched++; e.Touched <= httpapi.MostListed {
				e.Services = append(e.Services, name)
			}
		}
	}
	if e.Written+e.Failed == 0 {
		return nil
	}
	return e
}

func (c *chronicle) turned(t reconcile.Turned) {
	e := &httpapi.BackendEvent{
		Stamp: httpapi.Stamp{At: t.At}, Service: t.Service, Backend: t.Backend, Was: newHealthState(t.Was), Is: newHealthState(t.Is), Why: t.Text,
	}
	c.note(httpapi.EventBackend, e, &e.Storm)
}

func newHealthState(s probe.Status) httpapi.HealthState {
	switch s {
	case probe.Up:
		return httpapi.Up
	case probe.Down:
		return httpapi.Down
	}
	return httpapi.Unanswered
}

func (c *chronicle) fell(f reconcile.Fell) {
	e := &httpapi.ServiceEvent{Service: f.Service, Change: httpapi.ServiceUp}
	if f.AllDown {
		e.Change = httpapi.ServiceDown
	}
	c.note(httpapi.EventService, e, &e.Storm)
}

// moment is the events of a moment, in order. The zero value has none.
type moment struct {
	events []httpapi.EventData
	of     map[httpapi.EventType]*crowd
}

// crowd is the events of one type.
type crowd struct {
	count int
	last  *httpapi.Storm
}

// add adds an event, whose storm is s, unless there are too many of its type.
func (m *moment) add(kind httpapi.EventType, e httpapi.EventData, s *httpapi.Storm) {
	if m.of == nil {
		m.of = map[httpapi.EventType]*crowd{}
	}
	c := m.of[kind]
	if c == nil {
		c = new(crowd)
		m.of[kind] = c
	}
	if c.count++; c.count > mostAtOnce {
		c.last.Others++
		return
	}
	c.last = s
	m.events = append(m.events, e)
}
