package probe

import (
	"context"
	"fmt"
	"time"

	"github.com/rs/zerolog"
)

// dispatch starts checks for those who wait, as far as there are slots.
func (e *Engine) dispatch(now instant) {
	for _, l := range []*pool{&e.plain, &e.exec} {
		for l.free() {
			p, ahead := l.pop(e.taking != nil)
			if p == nil {
				break
			}
			e.start(p, ahead, now)
		}
	}
}

// start starts a check.
func (e *Engine) start(p *probe, ahead bool, now instant) {
	r := &run{
		probe: p, gen: e.gen,
		start: now, deadline: now.add(p.key.timeout),
		asked: p.asked, ahead: ahead,
	}
	r.pace, r.reach = p.reach(now)
	if p.asked = nil; r.asked != nil {
		r.trace = new(Trace)
	}
	ctx, cancel := context.WithDeadline(e.base, r.deadline.time(e.epoch))
	r.cancel = cancel
	p.run = r
	p.pool.lend(r)
	e.agenda.put(p, p.wake())
	go e.check(declare(ctx, p.key.timeout), r)
}

// check makes a check, on a goroutine of its own.
func (e *Engine) check(ctx context.Context, r *run) {
	began := time.Now()
	r.result = r.probe.checker.Check(ctx, r.trace)
	r.cancel()
	if r.result.At.IsZero() {
		r.result.At = time.Now()
		r.result.Took = r.result.At.Sub(began)
	}
	select {
	case e.results <- r:
	case <-e.over:
	}
}

// end takes in that a check has ended.
func (e *Engine) end(r *run, now instant) {
	p := r.probe
	late := p.stuck
	if p.run, p.stuck = nil, false; late {
		p.pool.stuck--
	} else {
		p.pool.give(r)
	}
	e.needs.keepOrClose(p)
	switch {
	case p.gone:
		if !late { // or they have been answered
			for _, asked := range r.asked {
				asked <- Answer{Err: ErrUnknown}
			}
		}
		delete(e.probes, p.key)
		e.needs.close(p)
	case !late:
		e.vitals.newest.Store(int64(now))
		e.settle(p, r, r.judged(e.epoch), now)
	}
	e.arrange(p, now)
}

// judged returns the result as it counts. A check that failed, and came back long after its time, was itself held up, by a
// process that was stopped or a machine that was: that says nothing of the backend.
func (r *run) judged(epoch time.Time) Result {
	most := punctual
	if r.probe.key.Kind == kindExec {
		most = lateness
	}
	if r.result.Outcome == Failed && r.result.At.After(r.start.add(r.probe.key.timeout+most).time(epoch)) {
		return Result{Outcome: Unmade, Text: "the check was held up here", At: r.result.At, Took: r.result.Took}
	}
	return r.result
}

// settle gives a result to those it is for.
func (e *Engine) settle(p *probe, r *run, result Result, now instant) {
	if r.asked != nil {
		for _, asked := range r.asked {
			asked <- Answer{Result: result, Trace: r.trace}
		}
		return
	}
	for _, m := range p.members {
		if !r.counts(m) {
			continue
		}
		was := m.verdict.Status
		m.take(result, r.start, r.pace, now, e.dice)
		e.hinder(m, result.cause(), now)
		if m.judge() {
			e.tell(p.news(m))
			e.say(m, was, result.Text)
		}
	}
	p.jitter = e.draw(p)
}

// say logs what happened to a backend: that it went down, and of one of which that was said that it is up.
func (e *Engine) say(m *member, was Status, failure string) {
	switch is := m.verdict.Status; {
	case is == Down && was != Down:
		m.fallen = true
		m.about(e.log.Warn()).Str("err", failure).Msg("backend is down")
	case is == Up && m.fallen:
		m.fallen = false
		m.about(e.log.Info()).Msg("backend is up")
	}
}

// about names a backend, and its check, in a line of the log.
func (m *member) about(line *zerolog.Event) *zerolog.Event {
	return line.Str("service", m.ref.Service).Str("backend", m.ref.Backend).Str("check", m.probe.key.short())
}

// draw returns by how much the next check is to come late.
func (e *Engine) draw(p *probe) time.Duration {
	most := time.Duration(maxJitter) * jitterShare
	for _, m := range p.members {
		most = min(most, m.wait)
	}
	if most /= jitterShare; most <= 0 {
		return 0
	}
	return e.dice(most)
}

// stick gives a check up that goes on after its time. Who is due is judged by stillStuck.
func (e *Engine) stick(p *probe, now instant) {
	p.stuck = true
	p.pool.give(p.run)
	p.pool.stuck++
	e.log.Error().Str("check", p.key.short()).Msg("a check does not end at its timeout")
	if p.run.asked != nil { // the check still has its trace and its result
		e.settle(p, &run{asked: p.run.asked}, e.unending(p, now), now)
	}
}

// stillStuck judges a probe by a check that does not end, in place of the next that would be due.
func (e *Engine) stillStuck(p *probe, now instant) {
	r := &run{gen: e.gen, start: now}
	r.pace, r.reach = p.reach(now)
	e.settle(p, r, e.unending(p, now), now)
}

func (e *Engine) unending(p *probe, now instant) Result {
	took := now.since(p.run.start)
	return Result{
		Outcome: Failed,
		Text:    fmt.Sprintf("no answer within %v, and the check has not ended", p.key.timeout),
		At:      now.time(e.epoch),
		Took:    took,
	}
}
