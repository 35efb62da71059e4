package reconcile

import (
	"maps"
	"time"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/probe"
)

// health logs which services have come to have no backend that is up, and which have one again; and where what leaves a
// service waits for what stays. What a pass was not about is as it was.
func (j *journal) health(whole bool, r *Report) {
	if r.Plan == nil {
		return
	}
	for key, s := range r.Plan.standings {
		switch {
		case s.AllDown() && !j.allDown[key]:
			j.log.Error().Stringer("service", key).Str("name", r.Plan.called(key)).Int("backends", s.Down).
				Msg("all backends are down: nobody serves this service until one comes back")
			j.allDown[key] = true
			j.tellFell(r.Plan, key, s)
		case j.allDown[key] && s.Up+s.Unchecked+s.Kept > 0:
			j.log.Info().Stringer("service", key).Str("name", r.Plan.called(key)).Msg("a backend is up again")
			delete(j.allDown, key)
			j.tellFell(r.Plan, key, s)
		}
	}
	j.waits(whole, r.Plan)
	if whole {
		maps.DeleteFunc(j.allDown, func(key kernel.ServiceKey, _ bool) bool { _, there := r.Plan.standings[key]; return !there })
	}
}

// tellFell tells that a service came to be served by nobody, or by somebody again.
func (j *journal) tellFell(p *Plan, key kernel.ServiceKey, s probe.Counts) {
	if j.fell != nil {
		j.fell(Fell{Service: p.called(key), Key: key, AllDown: j.allDown[key], Counts: s})
	}
}

// waits logs what waits. That it waits for answers is ordinary; that none of them is good is not.
func (j *journal) waits(whole bool, p *Plan) {
	now := map[kernel.ServiceKey]bool{}
	for _, w := range p.Waiting {
		said, known := j.waiting[w.Key]
		bad := w.Up == 0 && w.Down > 0
		now[w.Key] = said || bad
		if known && now[w.Key] == said {
			continue
		}
		e := j.log.Debug()
		if bad {
			e = j.log.Warn()
		}
		e.Stringer("service", w.Key).Str("name", w.Name).Int("up", w.Up).Int("down", w.Down).Int("unanswered", w.Unanswered)
		if until, ends := w.Ends(); ends {
			e.Str("until", until.Local().Format(time.TimeOnly))
		}
		e.Msg("what is to leave keeps its weight: no backend that stays is known to be up")
	}
	for key, said := range j.waiting {
		_, decided := p.Names[key]
		if _, waits := now[key]; waits || !whole && !decided {
			continue
		}
		delete(j.waiting, key)
		c, declared := p.standings[key]
		e, text := j.log.Debug(), "what is to leave waits no longer"
		switch {
		case declared && c.AllDown():
			e, text = j.log.Warn(), "what was to leave leaves, though no backend that stays is up: the drain time is over"
		case said:
			e = j.log.Info()
		}
		e.Stringer("service", key).Str("name", p.called(key)).Msg(text)
	}
	maps.Copy(j.waiting, now)
}
