package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/gorb-io/gorb/pkg/httpapi"
	"github.com/gorb-io/gorb/pkg/kernel"
)

// choose reads which services are asked for, and which backends of them. Told says that it was said where the names are
// remembered; else the gorb that runs says where.
func (s *status) choose(words []string, note error, told bool) error {
	for _, word := range words {
		service, backend := word, ""
		if strings.Contains(word, "/") {
			o, err := objectOf(word)
			if err != nil {
				return err
			}
			service, backend = o.service, o.backend
		}
		c, err := choose(service, s.memory, note)
		if err != nil && !told && s.unheard() != nil {
			return fmt.Errorf("whether a service is called %q is not known: %w; --state-dir says where its names are, and "+
				`"tcp 10.0.0.1:80" or "fwmark 7" needs none`, service, s.unheard())
		}
		if err != nil {
			return err
		}
		c.backend = backend
		s.chosen = append(s.chosen, c)
	}
	return nil
}

// unheard is why the gorb that runs said nothing; nil: it did, or none runs.
func (s *status) unheard() error {
	if s.daemon != nil || errors.Is(s.unasked, httpapi.ErrNoDaemon) {
		return nil
	}
	return s.unasked
}

// unsaid is why less is shown of a part of the table than there may be to say; nil: it is not less. Of the whole, the screen
// says it.
func (s *status) unsaid() error {
	switch {
	case s.chosen == nil:
		return nil
	case s.unheard() != nil:
		return fmt.Errorf("the gorb that runs cannot be asked: %w", s.unheard())
	case s.unchecked != nil:
		return fmt.Errorf("how each backend is cannot be shown: %w", s.unchecked)
	}
	return nil
}

// chooseBackends finds the backends that are asked for. By their names the gorb that runs knows them.
func (s *status) chooseBackends() error {
	whole := make(map[kernel.ServiceKey]bool)
	s.only = make(map[kernel.ServiceKey][]kernel.DestKey)
	for _, c := range s.chosen {
		found := c.backend == ""
		for _, key := range c.keys {
			if c.backend == "" {
				whole[key] = true
			} else if d, ok := s.backendCalled(key, c.backend); ok {
				s.only[key] = append(s.only[key], d)
				found = true
			}
		}
		if !found {
			return s.noBackend(c)
		}
	}
	for key := range whole {
		delete(s.only, key)
	}
	return nil
}

// backendCalled is the backend of a name, or at an address.
func (s *status) backendCalled(service kernel.ServiceKey, name string) (kernel.DestKey, bool) {
	if h := s.health[service]; h != nil {
		for d, b := range h.backends {
			if b.Name == name {
				return d, true
			}
		}
	}
	at, err := netip.ParseAddrPort(name)
	return kernel.DestKey{Addr: at}, err == nil
}

// noBackend says that there is none of a name.
func (s *status) noBackend(c choice) error {
	var names []string
	for _, key := range c.keys {
		if h := s.health[key]; h != nil {
			for _, b := range h.backends {
				names = append(names, b.Name)
			}
		}
	}
	if len(names) == 0 {
		why := cmp.Or(s.unasked, s.unchecked, errors.New("it knows nothing of this service"))
		return fmt.Errorf("the names of backends are known to the gorb that runs: %w; %s/10.1.0.1:80 needs none", why, c.word)
	}
	slices.Sort(names)
	return fmt.Errorf("service %s: %w", c.word, unknown("backend", c.backend, names))
}

// lacksBackends says which backend is asked for and neither declared nor in the kernel.
func (s *status) lacksBackends() error {
	for _, c := range s.chosen {
		there := c.backend == ""
		for _, key := range c.keys {
			if d, ok := s.backendCalled(key, c.backend); ok {
				there = there || s.health[key].of(d) != nil ||
					slices.ContainsFunc(s.table[key].Dests, func(r kernel.RealServer) bool { return r.DestKey == d })
			}
		}
		if !there {
			return fmt.Errorf("%s has no backend %s", c.word, c.backend)
		}
	}
	return nil
}

// shows reports whether a backend is asked for.
func (s *status) shows(service kernel.ServiceKey, d kernel.DestKey) bool {
	only, some := s.only[service]
	return !some || slices.Contains(only, d)
}
