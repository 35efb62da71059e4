package sources

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/gorb-io/gorb/pkg/spec"
)

// few is the number of services that may always leave at once, as long as some stay.
const few = 4

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

// doubtful says whether so many of all services leave that it looks like an accident: all of them, or more than half
// and not just a few.
func doubtful(gone, all int) bool {
	return gone > 0 && (gone == all || gone > few && 2*gone > all)
}

// examples is the first of the names of what leaves, for the log.
func examples(gone map[identity]string) []string {
	const most = 10
	names := slices.Sorted(maps.Values(gone))
	return names[:min(len(names), most)]
}

// removal is what the guard waits to see confirmed.
type removal struct {
	waiting  *spec.Desired       // what would remove most services; nil: nothing
	gone     map[identity]string // those services
	doubted  map[int]bool        // the layers whose readings brought this about
	confirms map[int]bool        // of these, the ones whose second reading is still to come
}

// doubts says whether d waits for a second reading. It waits anew when what leaves is other than before, and when the
// reading is of a layer that is in doubt; what other layers say meanwhile is only taken along.
func (s *stack) doubts(d *spec.Desired, r Reading) bool {
	from := s.handed
	if from == nil {
		from = s.accepted
	}
	if from == nil {
		from = s.before
	}
	if from == nil {
		return false
	}
	gone := leaving(from, d)
	if !doubtful(len(gone), len(from.Services)) {
		return false
	}
	if s.waiting != nil && !s.doubted[r.Layer] && maps.Equal(gone, s.gone) {
		s.waiting = d
		return true
	}
	doubted := maps.Clone(s.doubted)
	if doubted == nil {
		doubted = make(map[int]bool)
	}
	if r.Err == nil {
		doubted[r.Layer] = true
	}
	said := s.waiting != nil && maps.Equal(gone, s.gone)
	s.removal = removal{waiting: d, gone: gone, doubted: doubted}
	s.alarm = max(s.wait, 1) // 0 would be as agreed before
	if said {
		return true
	}
	s.log.Warn().Str("file", s.layers[r.Layer].name).Int("leaving", len(gone)).Int("of", len(from.Services)).
		Strs("services", examples(gone)).Msg("most services would leave, the file is read again to be sure")
	return true
}
