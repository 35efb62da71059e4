package sources

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/gorb-io/gorb/pkg/spec"
)

// identity is what the kernel knows a service by.
type identity struct {
	protocol spec.Protocol
	host     netip.Addr
	port     uint16
	fwmark   uint32
	family   spec.Family
}

func identityOf(s *spec.Service) identity {
	if s.Fwmark != 0 {
		return identity{fwmark: s.Fwmark, family: s.Family}
	}
	return identity{protocol: s.Protocol, host: s.Host, port: s.Port}
}

// leaving is the services of from of which to has neither the identity nor the name, with their names: one that is only
// renamed, or only moved to another address, has not left. Without from nothing leaves.
func leaving(from, to *spec.Desired) map[identity]string {
	gone := make(map[identity]string)
	if from == nil {
		return gone
	}
	for i := range from.Services {
		s := &from.Services[i]
		gone[identityOf(s)] = s.Name
	}
	named := make(map[string]bool, len(to.Services))
	for i := range to.Services {
		delete(gone, identityOf(&to.Services[i]))
		named[to.Services[i].Name] = true
	}
	maps.DeleteFunc(gone, func(_ identity, name string) bool { return named[name] })
	return gone
}

// doubtful says whether so many of all services leave that it looks like an accident, by the limits that a remote source
// has unless it declares others: all of them, or more than half and at least five.
func doubtful(gone, all int) bool { return limits{percent: 50, floor: 5}.exceeded(gone, all) }

// examples is the first of the names of what leaves, for the log.
func examples(gone map[identity]string) []string {
	const most = 10
	names := slices.Sorted(maps.Values(gone))
	return names[:min(len(names), most)]
}

// removal is what the guard of files waits to see confirmed.
type removal struct {
	waiting   *spec.Desired       // what would remove most services; nil: nothing
	gone      map[identity]string // those services
	doubted   map[int]bool        // the layers whose readings brought this about
	confirms  map[int]bool        // of these, the ones whose second reading is still to come
	confirmAt time.Time           // when they are read again; zero: not
}

// doubts says whether d waits for a second reading of files. It waits anew when what leaves is other than before, and
// when a layer that is in doubt has said something; what others say meanwhile is only taken along. What a remote source
// alone declares is left to that source's own guard.
func (s *stack) doubts(now time.Time, d *spec.Desired, touched map[int]bool, confirmed bool) bool {
	from := s.inForce()
	if from == nil {
		return false
	}
	gone := leaving(from, d)
	all := len(from.Services)
	if len(gone) > 0 && s.remotes() {
		guarded := s.guardedServices(from)
		all -= len(guarded)
		maps.DeleteFunc(gone, func(_ identity, name string) bool { return guarded[name] })
	}
	if !doubtful(len(gone), all) {
		return false
	}
	said := s.waiting != nil && maps.Equal(gone, s.gone)
	if confirmed && said {
		return false
	}
	anew := false
	for id := range touched {
		anew = anew || s.doubted[id]
	}
	if said && !anew {
		s.waiting = d
		return true
	}
	doubted := maps.Clone(s.doubted)
	if doubted == nil {
		doubted = make(map[int]bool)
	}
	var files []string
	for id, good := range touched {
		l := s.byID[id]
		if good && l != nil {
			doubted[id] = true
			files = append(files, l.name)
		}
	}
	s.removal = removal{waiting: d, gone: gone, doubted: doubted, confirmAt: now.Add(s.wait)}
	if said {
		return true
	}
	slices.Sort(files)
	s.log.Warn().Str("file", strings.Join(files, " ")).Int("leaving", len(gone)).Int("of", all).
		Strs("services", examples(gone)).Msg("most services would leave, the file is read again to be sure")
	return true
}

// undoubt waits for no second reading of a layer any more: what it said does not count, or it is no more. Those that are
// still in doubt are read once more, as the one that was waited for may have been the last.
func (s *stack) undoubt(now time.Time, id int) {
	delete(s.doubted, id)
	if !s.confirms[id] {
		return
	}
	if delete(s.confirms, id); len(s.confirms) == 0 {
		s.confirmAt = now
	}
}

// inForce is what removals are measured by: what was handed over last and, until something complete was, what an earlier
// run left.
func (s *stack) inForce() *spec.Desired {
	from := s.handed
	switch {
	case from != nil:
	case s.underway() || s.before == nil:
		from = s.accepted
	default:
		from = s.before
	}
	if from == nil || s.before == nil || !from.Incomplete {
		return from
	}
	known := objects(from)
	both := *from
	both.Services = slices.Clone(from.Services)
	for i := range s.before.Services {
		if old := &s.before.Services[i]; !known[object{service: identityOf(old)}] {
			both.Services = append(both.Services, *old)
		}
	}
	return &both
}

// remotes says whether a layer has a guard of its own.
func (s *stack) remotes() bool {
	return slices.ContainsFunc(s.layers, func(l *layer) bool { return l.remote })
}

// guardedServices is the names of the services of d that the guards of remote sources look after.
func (s *stack) guardedServices(d *spec.Desired) map[string]bool {
	there := s.arranged(s.newest())
	names := make(map[string]bool)
	for i := range d.Services {
		service := &d.Services[i]
		o := object{service: identityOf(service)}
		l := s.holder(o)
		if l == nil {
			l = s.owner(service.Name, "")
		}
		if s.free[o] || l != nil && l.remote && slices.Contains(there, l) {
			names[service.Name] = true
		}
	}
	return names
}
