package sources

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

// owner is the layer that alone declares a service, or a backend of it, in what counts; nil: none, or several do.
func (s *stack) owner(service, backend string) *layer {
	var owner *layer
	for _, l := range s.layers {
		if l.sound == nil || !l.sound.Declares(service, backend) {
			continue
		}
		if owner != nil {
			return nil
		}
		owner = l
	}
	return owner
}

// holder is the layer whose guard holds an object; nil: none.
func (s *stack) holder(o object) *layer {
	for _, l := range s.layers {
		if _, ok := l.guard.held[o]; ok {
			return l
		}
	}
	return nil
}

// share is what one remote source alone has in force.
type share struct {
	all  int             // how many objects
	gone map[object]bool // those that a new whole leaves out
}

// shares divides what counts between the remote sources that alone declare it, as far as the sources take part in w.
func (s *stack) shares(w *whole) map[*layer]*share {
	shares := make(map[*layer]*share)
	lost := lost(s.accepted, w.desired)
	if len(lost) == 0 {
		return shares // as nearly always, and then there is nothing to divide
	}
	hidden := hiddenBy(w.overrides)
	count := func(o object, service, backend string) {
		l := s.holder(o)
		held := l != nil
		if !held {
			l = s.owner(service, backend)
		}
		if l == nil || !l.remote || !slices.Contains(w.order, l) {
			return
		}
		sh := shares[l]
		if sh == nil {
			sh = &share{gone: make(map[object]bool)}
			shares[l] = sh
		}
		sh.all++
		if lost[o] && !hidden[service] && !hidden[service+"/"+backend] && (held || w.picks[l] != l.sound) {
			sh.gone[o] = true
		}
	}
	eachObject(s.accepted, count)
	return shares
}

// hiddenBy is the objects that overrides take out of force.
func hiddenBy(overrides []spec.Override) map[string]bool {
	hidden := make(map[string]bool)
	for _, o := range overrides {
		if o.Kind == spec.Hide {
			hidden[o.Object()] = true
		}
	}
	return hidden
}

// guards is what becomes of the guards of remote sources when w counts, and what they hold in all.
func (s *stack) guards(now time.Time, w *whole) (map[*layer]guard, map[object]bool) {
	guards := make(map[*layer]guard)
	held := make(map[object]bool)
	if s.accepted == nil || !s.remotes() {
		return guards, held
	}
	for l, sh := range s.shares(w) {
		limits := limitsOf(l.decl)
		next := l.guard.next(now, limits, sh.gone, sh.all)
		if len(next.held) > 0 && w.picks[l] != l.sound && s.acquit(w, l, sh) {
			next = l.guard.next(now, limits, sh.gone, sh.all)
		}
		switch {
		case w.refused[l] != nil:
			next = next.again(now) // what is refused may have it back
		case l.heard && w.picks[l] == l.newest: // which is what was heard
			next = next.confirmed(now, limits)
		}
		guards[l] = next
		for o := range next.held {
			held[o] = true
		}
	}
	return guards, held
}

// acquit takes out of a share what is not gone because of what the source says: it would be gone with what the source
// said before, too. It says whether there was any.
func (s *stack) acquit(w *whole, l *layer, sh *share) bool {
	as := maps.Clone(w.picks)
	as[l] = l.sound
	before, err := s.attempt(as, w.overrides)
	if err != nil {
		return false // who is to say
	}
	some := false
	for o := range lost(s.accepted, before.desired) {
		if _, held := l.guard.held[o]; !held && sh.gone[o] {
			delete(sh.gone, o)
			some = true
		}
	}
	return some
}

// lost is the objects of from that to has not. Most of the time there are none, and it is quick to say so.
func lost(from, to *spec.Desired) map[object]bool {
	gone := make(map[object]bool)
	services := make(map[identity]*spec.Service, len(to.Services))
	for i := range to.Services {
		services[identityOf(&to.Services[i])] = &to.Services[i]
	}
	for i := range from.Services {
		s := &from.Services[i]
		id := identityOf(s)
		now, there := services[id]
		if !there {
			gone[object{service: id}] = true
			now = &spec.Service{}
		}
		if shared(s.Backends, now.Backends) || slices.EqualFunc(s.Backends, now.Backends, sameBackend) {
			continue
		}
		stay := make(map[netip.AddrPort]bool, len(now.Backends))
		for j := range now.Backends {
			stay[netip.AddrPortFrom(now.Backends[j].Host, now.Backends[j].Port)] = true
		}
		for j := range s.Backends {
			if o := backendOf(id, &s.Backends[j]); !stay[o.backend] {
				gone[o] = true
			}
		}
	}
	return gone
}

// shared says whether two slices are one: what an override did not change is.
func shared(a, b []spec.Backend) bool { return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) }

// sameBackend says whether the kernel could not tell two backends apart.
func sameBackend(a, b spec.Backend) bool { return a.Host == b.Host && a.Port == b.Port }

// letGo has a layer hold nothing. What it held may leave without anybody asking again.
func (s *stack) letGo(l *layer) {
	for o := range l.guard.held {
		s.free[o] = true
	}
	l.guard, l.askAt, l.account.held = guard{}, time.Time{}, false // which is said where it is accepted
}

// acceptRemoval lets go what is held of a source.
func (s *stack) acceptRemoval(now time.Time, name string) error {
	known, found := false, false
	for _, l := range s.layers {
		if l.name != name {
			continue
		}
		known = true
		if n := len(l.guard.held); n > 0 {
			found = true
			s.letGo(l)
			s.log.Info().Str("source", name).Int("removed", n).Msg("removal accepted")
		}
	}
	switch {
	case !known:
		return fmt.Errorf("no source is called %q", name)
	case !found:
		return fmt.Errorf("nothing of source %q is held", name)
	}
	s.judge(now, cause{override: true})
	return nil
}

// keepAll has what counted before something was held kept on disk as long as it is held, so that a restart does not end
// the hold. Where a part of it has left, no document has the rest alone, and that does end.
func (s *stack) keepAll(guards map[*layer]guard) {
	for _, l := range s.layers {
		next := guards[l]
		held := len(next.held) > 0
		if partly := held && len(l.guard.held) > 0 && next.all != l.guard.all; l.kept && (partly || !held) {
			s.keepBefore(l, false)
		}
		if held && !l.kept {
			s.keepBefore(l, true)
		}
	}
}

func (s *stack) keepBefore(l *layer, held bool) {
	l.kept = held
	s.orders = append(s.orders, order{name: l.name, hold: &held})
}

// watch puts the guards into force, has the sources asked when it is time to, and says what begins and ends.
func (s *stack) watch(now time.Time, was *spec.Desired, guards map[*layer]guard) {
	s.origins = nil
	for _, l := range s.layers {
		before, next, limits := len(l.guard.held), guards[l], limitsOf(l.decl)
		if due := next.due(limits); !due.Equal(l.guard.due(limits)) { // else it has been asked, or will be
			l.askAt = due
		}
		l.guard = next
		n := len(next.held)
		if n > 0 && !l.account.held {
			l.origin = was
		}
		s.nameHeld(l)
		switch {
		case n > 0 && !l.account.held:
			s.line(now, &l.said, zerolog.WarnLevel).Str("source", l.name).Int("leaving", n).Int("of", next.all).
				Strs("objects", l.heldNames).Int64("hold_s", int64(limits.hold/time.Second)).
				Msg("the source leaves most of what it declared out; that stays until it is confirmed or accepted")
		case n == 0 && l.account.held:
			s.line(now, &l.said, zerolog.InfoLevel).Str("source", l.name).Int("held", before).Msg("nothing of the source is held any more")
		}
		l.account.held = n > 0
	}
}
