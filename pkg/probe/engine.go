package probe

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

const (
	// lateness is how long after its deadline a check may end before it counts as stuck. A program that is killed has a
	// second to be gone.
	lateness = 2 * time.Second
	// punctual is the same of what is no program, and ends as soon as it is scheduled.
	punctual = 250 * time.Millisecond
	// jitterShare and maxJitter bound by how much a check may come late of its own accord: this share of the interval.
	jitterShare = 16
	maxJitter   = time.Second
	// slackShare and maxSlack bound how long the engine sleeps at least after it looked for what is due, however soon more is:
	// this share of the shortest interval. What comes close together is done together, for to wake is what costs most. First
	// checks, and what comes of checks, are not kept waiting.
	slackShare = 50
	maxSlack   = 100 * time.Millisecond
	// batch is how many results are taken at most before checks that are due are looked at.
	batch = 256
)

// Engine makes checks when they are due, one for all backends that are checked in the same way, and judges each backend
// by its own policy: the probe has the shortest of their intervals, and a backend whose own is longer is judged by the
// checks that come nearest to it, as if nobody else were checked with it. Who waits for an answer for another time than
// others has a probe of its own. Everything it has belongs to the goroutine of Run, but for inbox and vitals.
type Engine struct {
	log   zerolog.Logger
	dice  func(time.Duration) time.Duration
	epoch time.Time

	inbox     inbox
	results   chan *run
	questions chan func()
	changes   chan []News
	over      chan struct{} // closed when Run has ended

	probes   map[key]*probe
	services map[string]map[string]*member // by the names of services and backends
	taking   *taking                       // nil: nothing
	agenda   agenda
	looked   instant       // when something was due last
	slack    time.Duration // by the shortest interval that there has been
	plain    pool
	exec     pool
	gen      int         // of the newest Wanted
	news     []News      // still to be told
	untold   map[Ref]int // where in it
	unmade   unmade
	needs    needs
	base     context.Context // of all checks

	vitals vitals
}

// New returns an engine that checks nothing yet. The dice say by how much to spread checks: they give a duration from 0
// up to, and without, the one they get, which is over 0. Nil is random.
func New(dice func(time.Duration) time.Duration, log zerolog.Logger) *Engine {
	if dice == nil {
		dice = rand.N[time.Duration]
	}
	e := &Engine{
		log:       log.With().Str("component", "probe").Logger(),
		dice:      dice,
		epoch:     time.Now(),
		slack:     maxSlack,
		inbox:     inbox{full: make(chan struct{}, 1)},
		results:   make(chan *run, batch),
		questions: make(chan func()),
		changes:   make(chan []News),
		over:      make(chan struct{}),
		probes:    make(map[key]*probe),
		services:  make(map[string]map[string]*member),
		untold:    make(map[Ref]int),
		needs:     needs{raise: raiseDescriptors},
	}
	e.vitals.newest.Store(-1)
	e.vitals.earliest.Store(int64(never))
	return e
}

// Set says what is to be checked from now on of some services. It does not wait: what comes before the engine has taken
// what came before is put together with that.
func (e *Engine) Set(w Wanted) { e.inbox.put(w) }

// Changes are the backends whose judgement is another than when it was told last, and those of the services that a Set
// names, each as it is now. Who does not read for a while gets what changed meanwhile in one piece.
func (e *Engine) Changes() <-chan []News { return e.changes }

// Run makes checks until ctx ends. Then it breaks off those that are made and waits for them, but not for what is stuck.
// It runs once.
func (e *Engine) Run(ctx context.Context) error {
	defer close(e.over)
	e.base = ctx
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		e.wait(ctx, timer)
		now := e.now()
		if e.taking != nil {
			e.takePiece(now)
		}
		e.look(now)
		e.tellUnmade(now)
		e.dispatch(now)
		e.vitals.note(e)
	}
	e.stop()
	return nil
}

// wait waits until there is something to do, and does it if it came from outside.
func (e *Engine) wait(ctx context.Context, timer *time.Timer) {
	now := e.now()
	at := min(max(e.agenda.next(), e.looked.add(e.slack)), e.unmade.due(), now.add(time.Hour))
	in := e.inbox.full
	if e.taking != nil {
		at, in = now, nil
	}
	timer.Reset(at.since(now))
	e.vitals.wake.Store(int64(at))
	var out chan<- []News
	if len(e.news) > 0 {
		out = e.changes
	}
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-in:
		e.awake()
		e.take(e.inbox.empty())
	case ask := <-e.questions:
		e.awake()
		ask()
	case out <- e.news:
		e.news, e.untold = nil, make(map[Ref]int)
	case r := <-e.results:
		e.awake()
		e.end(r, e.now())
		for range min(len(e.results), batch) {
			e.end(<-e.results, e.now())
		}
	}
}

// awake notes that the engine is at work from now on, though it might have slept.
func (e *Engine) awake() { e.vitals.wake.Store(int64(e.now())) }

// now returns the time on the engine's clock.
func (e *Engine) now() instant { return instant(time.Since(e.epoch)) }

// look does what is due now.
func (e *Engine) look(now instant) {
	for e.agenda.next() <= now {
		e.looked = now
		p := e.agenda[0].probe
		switch {
		case p.run != nil && !p.stuck && p.run.overdue(now):
			e.stick(p, now)
		case p.stuck && p.due() <= now:
			e.stillStuck(p, now)
		}
		e.arrange(p, now)
	}
}

// arrange sees to it that a probe is looked at, or gets a slot, when it is time.
func (e *Engine) arrange(p *probe, now instant) {
	idle := p.run == nil && len(p.members) > 0
	var c class
	var turn int
	if idle {
		c, turn = p.rank()
	}
	switch {
	case !idle:
	case p.queued && (c < p.class || c == p.class && turn < p.turn),
		!p.queued && (len(p.asked) > 0 || c != regular && p.due() <= now || p.due().add(p.jitter) <= now):
		p.pool.push(p, c, turn)
	}
	e.agenda.put(p, p.wake())
}

// tell has it told how a backend is now.
func (e *Engine) tell(n News) {
	if i, ok := e.untold[n.Ref]; ok {
		e.news[i] = n
		return
	}
	e.untold[n.Ref] = len(e.news)
	e.news = append(e.news, n)
}

// stop waits for the checks that are made, whose context has ended.
func (e *Engine) stop() {
	patience := time.NewTimer(lateness)
	defer patience.Stop()
	for e.plain.active+e.exec.active > 0 {
		select {
		case r := <-e.results:
			if !r.probe.stuck {
				r.probe.pool.give(r)
			}
		case <-patience.C:
			e.log.Warn().Int("checks", e.plain.active+e.exec.active).Msg("checks do not end")
			return
		}
	}
	for _, p := range e.probes {
		if !p.stuck {
			p.close()
		}
	}
}

// vitals are what can be known of the engine without asking it, for it may be stuck.
type vitals struct {
	wake                  atomic.Int64 // until when the loop sleeps, or since when it is at work
	probes, active, stuck atomic.Int64
	queued, unmade        atomic.Int64
	newest                atomic.Int64 // when the newest result came; -1: there was none
	earliest              atomic.Int64 // for when the earliest thing is that is still to be done
}

func (v *vitals) note(e *Engine) {
	v.probes.Store(int64(len(e.probes)))
	v.active.Store(int64(e.plain.active + e.exec.active))
	v.stuck.Store(int64(e.plain.stuck + e.exec.stuck))
	v.queued.Store(int64(e.plain.waiting + e.exec.waiting))
	v.unmade.Store(int64(e.unmade.members))
	v.earliest.Store(int64(min(e.agenda.next(), e.plain.longest(), e.exec.longest())))
}
