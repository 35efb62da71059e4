package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gorb-io/gorb/pkg/httpapi"
	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/reconcile"
)

// errFar is why there is no table of another host.
var errFar = errors.New("it is another host's; 'gorb status' there shows it")

// showFar prints what the gorb on another host says. Nothing of this host is in it.
func (s *status) showFar(ctx context.Context, p *program, a *asking, words []string, asJSON bool) error {
	s.unread = errFar
	if s.ask(ctx, a); s.daemon == nil {
		return s.unasked
	}
	if s.askHealth(ctx, a); s.unchecked != nil && len(words) > 0 {
		return fmt.Errorf("%s: how backends are cannot be shown: %w", a.server, s.unchecked)
	}
	s.memory = namesOf(s.healthList)
	if err := s.choose(words, nil, true); err != nil {
		return err
	}
	if err := s.chooseBackends(); err != nil {
		return err
	}
	if err := s.lacksBackends(); err != nil {
		return err
	}
	s.healthList = s.chosenHealth()
	if asJSON {
		return printJSON(p.stdout, s.json())
	}
	return printStatus(p.stdout, s)
}

// namesOf is what the services are called, as gorb would remember it.
func namesOf(list []httpapi.ServiceHealth) reconcile.Memory {
	m := reconcile.Memory{Services: make(map[kernel.ServiceKey]reconcile.Owned, len(list))}
	for i := range list {
		of := serviceHealth{ServiceState: list[i].ServiceState}
		m.Services[of.key()] = reconcile.Owned{Name: list[i].Name}
	}
	return m
}

// chosenHealth is of what is said of backends that which was asked for.
func (s *status) chosenHealth() []httpapi.ServiceHealth {
	if s.chosen == nil {
		return s.healthList
	}
	var list []httpapi.ServiceHealth
	for _, h := range s.healthList {
		key := (&serviceHealth{ServiceState: h.ServiceState}).key()
		if !slices.ContainsFunc(s.chosen, func(c choice) bool { return slices.Contains(c.keys, key) }) {
			continue
		}
		h.Backends = slices.DeleteFunc(slices.Clone(h.Backends), func(b httpapi.BackendHealth) bool {
			return !s.shows(key, kernel.DestKey{Addr: b.Address})
		})
		list = append(list, h)
	}
	return list
}
