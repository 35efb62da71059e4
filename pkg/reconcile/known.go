package reconcile

import (
	"fmt"
	"time"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/probe"
	"github.com/gorb-io/gorb/pkg/spec"
)

// known is what is known of the backends of a configuration.
type known struct {
	index   *index // of the configuration; nil: none yet
	overlay Overlay
	targets map[probe.Ref]probe.Target // of the backends that are declared and checked
	leavers map[Ref]probe.Watch        // the checks of Overlay.Leaving
	aliases map[probe.Ref]Ref          // what those are, by how they are called for the engine
	heirs   map[string]map[Ref]bool    // and which there are, by the service that has them checked
}

// judgement is what a verdict rests on.
type judgement struct {
	target probe.Target
	policy probe.Policy
}

// declare makes another configuration the one that is known of, and returns the services whose checks are others by it. A
// backend whose target is another begins anew, unless another backend had that: it has another name now, and what is down
// is not up for it.
func (k *known) declare(next *index, watches Watches, now time.Time) map[string]bool {
	names, left := map[string]bool{}, map[judgement]probe.Verdict{}
	var was *spec.Desired
	if k.index != nil {
		was = k.index.Desired
	}
	for was, is := range paired(was, next.Desired) {
		if was != nil && is != nil && was.Equal(is) {
			continue
		}
		if was != nil {
			names[was.Name] = true
			k.remove(was, next, watches, left)
		}
		if is != nil {
			names[is.Name] = true
		}
	}
	for name := range names {
		if s := next.named(name); s != nil {
			k.add(s, watches, now, left, names)
		}
	}
	k.index = next
	return names
}

// remove forgets the backends of a service that are not declared any more, but for those that the service still needs in the
// kernel. What was known of all of them is left for those that come.
func (k *known) remove(was *spec.Service, next *index, watches Watches, left map[judgement]probe.Verdict) {
	key := KeyOf(was)
	stays := next.service(key)
	heir := stays // who has it checked on
	if heir == nil {
		heir = next.named(was.Name)
	}
	old := map[string]probe.Watch{}
	for _, w := range watches(was) {
		old[w.Ref.Backend] = w
		left[judgement{w.Target, w.Policy}] = k.overlay.Health[w.Ref]
	}
	there := destsOf(stays)
	for i := range was.Backends {
		b := &was.Backends[i]
		w, checked := old[b.Name]
		if at := (Ref{key, destKeyOf(b)}); checked && heir != nil && !there[at.Dest] {
			k.retire(at, w, heir.Name)
		}
		ref := probe.Ref{Service: was.Name, Backend: b.Name}
		if s := next.named(was.Name); s == nil || !hasBackend(s, b.Name) {
			delete(k.targets, ref)
			delete(k.overlay.Health, ref)
		}
	}
}

// retire has a backend that leaves checked on, under another name: its own may be that of another backend now, and a service
// that moves twice leaves the same backend twice.
func (k *known) retire(at Ref, w probe.Watch, service string) {
	k.overlay.Leaving[at] = k.overlay.Health[w.Ref]
	w.Ref = probe.Ref{Service: service, Backend: fmt.Sprintf("%s (leaving %s)", at.Dest, at.Service)}
	k.leavers[at], k.aliases[w.Ref] = w, at
	if k.heirs[service] == nil {
		k.heirs[service] = map[Ref]bool{}
	}
	k.heirs[service][at] = true
}

// add takes in what of a service is declared and checked now. It names the services that are checked otherwise for it.
func (k *known) add(s *spec.Service, watches Watches, now time.Time, left map[judgement]probe.Verdict, names map[string]bool) {
	key := KeyOf(s)
	for i := range s.Backends {
		at := Ref{key, destKeyOf(&s.Backends[i])}
		if w, leaves := k.leavers[at]; leaves { // it stays after all
			left[judgement{w.Target, w.Policy}] = k.overlay.Leaving[at]
			names[w.Ref.Service] = true // that of a service which moved away
			k.drop(at)
		}
	}
	checked := map[string]bool{}
	for _, w := range watches(s) {
		checked[w.Ref.Backend] = true
		if target, same := k.targets[w.Ref]; same && target == w.Target {
			continue
		}
		k.targets[w.Ref] = w.Target
		v := left[judgement{w.Target, w.Policy}]
		if v.Status == probe.Unanswered {
			v = probe.Begin(now).Verdict(w.Policy)
		}
		k.overlay.Health[w.Ref] = v
	}
	for i := range s.Backends {
		if ref := (probe.Ref{Service: s.Name, Backend: s.Backends[i].Name}); !checked[ref.Backend] {
			delete(k.targets, ref)
			delete(k.overlay.Health, ref)
		}
	}
}

// drop has a backend that left checked no more.
func (k *known) drop(at Ref) {
	ref := k.leavers[at].Ref
	delete(k.heirs[ref.Service], at)
	if len(k.heirs[ref.Service]) == 0 {
		delete(k.heirs, ref.Service)
	}
	delete(k.aliases, ref)
	delete(k.leavers, at)
	delete(k.overlay.Leaving, at)
}

func destsOf(s *spec.Service) map[kernel.DestKey]bool {
	if s == nil {
		return nil
	}
	there := make(map[kernel.DestKey]bool, len(s.Backends))
	for i := range s.Backends {
		there[destKeyOf(&s.Backends[i])] = true
	}
	return there
}
