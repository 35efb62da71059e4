package probe

import (
	"context"
	"errors"
	"time"
)

// ErrUnknown says that nothing is checked for a backend.
var ErrUnknown = errors.New("nothing is checked for this backend")

// ErrStopped says that the engine does not run any more.
var ErrStopped = errors.New("checks are not made any more")

// errStuck says why a check cannot be made at once.
var errStuck = errors.New("its last check has not ended")

// Answer is what came of a check that somebody asked for.
type Answer struct {
	Result Result
	Trace  *Trace // nil: the check has not ended
	Err    error  // why none was made
}

// Now makes a check of a backend at once, or after the one that is made already. It counts for nothing.
func (e *Engine) Now(ctx context.Context, ref Ref) (Result, *Trace, error) {
	answer := make(chan Answer, 1)
	err := e.ask(ctx, func() {
		m := e.services[ref.Service][ref.Backend]
		switch {
		case m == nil:
			answer <- Answer{Err: ErrUnknown}
		case m.probe.stuck:
			answer <- Answer{Err: errStuck}
		default:
			m.probe.asked = append(m.probe.asked, answer)
			e.arrange(m.probe, e.now())
		}
	})
	if err != nil {
		return Result{}, nil, err
	}
	select {
	case a := <-answer:
		return a.Result, a.Trace, a.Err
	case <-ctx.Done():
		return Result{}, nil, ctx.Err()
	case <-e.over:
		return Result{}, nil, ErrStopped
	}
}

// Standing is how a backend is.
type Standing struct {
	Target Target
	Policy *Policy // shared, and not to be written to
	State  State
	Due    time.Time // the next check, but for jitter and for want of slots
}

// Snapshot returns how backends are now: those of the refs, or all if there are none.
func (e *Engine) Snapshot(ctx context.Context, refs ...Ref) (map[Ref]Standing, error) {
	var all map[Ref]Standing
	done := make(chan struct{})
	err := e.ask(ctx, func() {
		defer close(done)
		if len(refs) == 0 {
			all = e.everything()
			return
		}
		all = make(map[Ref]Standing, len(refs))
		for _, ref := range refs {
			if m := e.services[ref.Service][ref.Backend]; m != nil {
				all[ref] = m.standing(e.epoch)
			}
		}
	})
	if err == nil {
		<-done
	}
	return all, err
}

func (e *Engine) everything() map[Ref]Standing {
	all := make(map[Ref]Standing, len(e.probes))
	for _, p := range e.probes {
		for _, m := range p.members {
			all[m.ref] = m.standing(e.epoch)
		}
	}
	return all
}

func (m *member) standing(epoch time.Time) Standing {
	return Standing{Target: m.probe.key.Target, Policy: m.policy, State: m.state, Due: m.due.time(epoch)}
}

// ask has the loop do something.
func (e *Engine) ask(ctx context.Context, do func()) error {
	select {
	case e.questions <- do:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-e.over:
		return ErrStopped
	}
}

// Vitals is how the engine itself is.
type Vitals struct {
	Probes int           // that it has
	Active int           // checks that are made now
	Stuck  int           // checks that do not end though their timeout is over
	Queued int           // checks that are due and wait for a slot
	Unmade int           // backends whose last check could not be made
	Newest time.Time     // when the newest result came; zero: there was none
	Late   time.Duration // by how much the earliest of what is due is late; 0: nothing is
	// Hangs is for how long the engine itself has been at one thing, or has not woken. That is milliseconds; after some
	// seconds nothing is judged any more, whatever the rest says, which is of the time before. Late without it is want of
	// slots.
	Hangs time.Duration
}

// Vitals returns how the engine is. It asks nobody, and so tells of an engine that is stuck.
func (e *Engine) Vitals() Vitals {
	v := &e.vitals
	now := e.now()
	is := Vitals{
		Probes: int(v.probes.Load()),
		Active: int(v.active.Load()),
		Stuck:  int(v.stuck.Load()),
		Queued: int(v.queued.Load()),
		Unmade: int(v.unmade.Load()),
	}
	if newest := instant(v.newest.Load()); newest >= 0 {
		is.Newest = newest.time(e.epoch)
	}
	is.Late = max(0, now.since(instant(v.earliest.Load())))
	is.Hangs = max(0, now.since(instant(v.wake.Load())))
	return is
}
