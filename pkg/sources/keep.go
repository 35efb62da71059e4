package sources

import (
	"slices"
	"strings"

	"github.com/gorb-io/gorb/pkg/spec"
)

// heldSuffix is added to the name of what is held where a new object has the name.
const heldSuffix = "@held"

// withHeld is d and what is held, with the fields that it has in was. Where its name is another's now, it gets a new one.
func withHeld(d, was *spec.Desired, held map[object]bool) *spec.Desired {
	if len(held) == 0 || was == nil {
		return d
	}
	c := *d
	c.Services = slices.Clone(d.Services)
	at := make(map[identity]int, len(c.Services))
	names := make(map[string]bool, len(c.Services))
	for i := range c.Services {
		at[identityOf(&c.Services[i])] = i
		names[c.Services[i].Name] = true
	}
	for i := range was.Services {
		s := was.Services[i]
		id := identityOf(&s)
		var backends []spec.Backend
		for _, b := range s.Backends {
			if held[backendOf(id, &b)] {
				backends = append(backends, b)
			}
		}
		if j, ok := at[id]; ok {
			c.Services[j].Backends = withBackends(c.Services[j].Backends, backends)
			continue
		}
		if held[object{service: id}] {
			s.Name, s.Backends = free(names, s.Name), backends
			c.Services = append(c.Services, s)
		}
	}
	slices.SortFunc(c.Services, func(a, b spec.Service) int { return strings.Compare(a.Name, b.Name) })
	return &c
}

// withBackends is list and more, in order of names, each of its own.
func withBackends(list, more []spec.Backend) []spec.Backend {
	if len(more) == 0 {
		return list
	}
	list = slices.Clone(list)
	names := make(map[string]bool, len(list)+len(more))
	for _, b := range list {
		names[b.Name] = true
	}
	for _, b := range more {
		b.Name = free(names, b.Name)
		list = append(list, b)
	}
	slices.SortFunc(list, func(a, b spec.Backend) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// free takes the name, or one like it that nothing has.
func free(names map[string]bool, name string) string {
	for names[name] {
		name += heldSuffix
	}
	names[name] = true
	return name
}
