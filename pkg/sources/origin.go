package sources

import "github.com/gorb-io/gorb/pkg/spec"

// origin is where something that is held was declared, and by what names.
type origin struct {
	source           string // by name, whose removal is held
	desired          *spec.Desired
	service, backend string
}

// eachObject calls see with every service of d, and every backend after its service, and their names.
func eachObject(d *spec.Desired, see func(o object, service, backend string)) {
	for i := range d.Services {
		s := &d.Services[i]
		id := identityOf(s)
		see(object{service: id}, s.Name, "")
		for j := range s.Backends {
			see(backendOf(id, &s.Backends[j]), s.Name, s.Backends[j].Name)
		}
	}
}

// nameHeld notes the names of what the guard of a layer holds, and where to look when they are to be explained. What
// was declared only after the hold began has no such place.
func (s *stack) nameHeld(l *layer) {
	const most = 10
	l.heldNames = nil
	if len(l.guard.held) == 0 {
		l.origin = nil
		return
	}
	origins := make(map[object]origin, len(l.guard.held))
	eachObject(l.origin, func(o object, service, backend string) {
		if _, held := l.guard.held[o]; held {
			origins[o] = origin{source: l.name, desired: l.origin, service: service, backend: backend}
		}
	})
	if s.origins == nil {
		s.origins = make(map[[2]string]origin)
	}
	eachObject(s.accepted, func(o object, service, backend string) {
		if _, held := l.guard.held[o]; !held {
			return
		}
		if was, known := origins[o]; known {
			s.origins[[2]string{service, backend}] = was
		}
		if len(l.heldNames) < most {
			l.heldNames = append(l.heldNames, spec.Override{Service: service, Backend: backend}.Object())
		}
	})
}
