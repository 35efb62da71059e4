package main

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/gorb-io/gorb/pkg/httpapi"
	"github.com/gorb-io/gorb/pkg/probe"
	"github.com/gorb-io/gorb/pkg/reconcile"
	"github.com/gorb-io/gorb/pkg/spec"
)

// healthBatch is how many services the engine is asked about at once: it makes no checks while it answers.
const healthBatch = 50

// Checks is how the checks are as a whole; nil: nobody makes any.
func (a daemonAPI) Checks() *httpapi.HealthTotals {
	if a.engine == nil {
		return nil
	}
	v := a.engine.Vitals()
	t := &httpapi.HealthTotals{Engine: httpapi.Engine{
		Probes: v.Probes, Active: v.Active, Queued: v.Queued, Stuck: v.Stuck, Unmade: v.Unmade, Newest: v.Newest, LateMS: v.Late.Milliseconds(),
		HangsMS: v.Hangs.Milliseconds(),
	}}
	a.live.totals(t)
	waiting := a.waitingServices()
	t.Waiting = firstNames(maps.Keys(waiting), len(waiting))
	return t
}

// waitingServices are, by name, the services in which what is given up waits.
func (a daemonAPI) waitingServices() map[string]reconcile.Waiting {
	waiting := map[string]reconcile.Waiting{}
	for _, w := range a.Passes().Waiting {
		waiting[w.Name] = w
	}
	return waiting
}

// Health says of the declared services, or of those of the names that are declared, how their backends are.
func (a daemonAPI) Health(ctx context.Context, names []string, each func(httpapi.ServiceHealth) error) error {
	if desired := a.Desired(); desired != nil {
		return a.healthOf(ctx, desired, names, each)
	}
	return nil
}

func (a daemonAPI) healthOf(ctx context.Context, desired *spec.Desired, names []string, each func(httpapi.ServiceHealth) error) error {
	waiting := a.waitingServices()
	for batch := range slices.Chunk(servicesNamed(desired, names), healthBatch) {
		seen, err := a.standings(ctx, batch)
		if err != nil {
			return err
		}
		now := time.Now()
		for _, s := range batch {
			h := newServiceHealth(s, seen, now)
			if w, ok := waiting[s.Name]; ok {
				h.Waiting, h.AllDown = newWaitingReason(w), false // what is to leave serves
			}
			if err := each(h); err != nil {
				return err
			}
		}
	}
	return nil
}

// servicesNamed are those of the names, or all if there are none.
func servicesNamed(d *spec.Desired, names []string) []*spec.Service {
	var list []*spec.Service
	if len(names) > 0 {
		for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
			if s := d.Service(name); s != nil {
				list = append(list, s)
			}
		}
		return list
	}
	for i := range d.Services {
		list = append(list, &d.Services[i])
	}
	return list
}

// standings is what the engine knows of the backends of some services; nil: nobody makes checks.
func (a daemonAPI) standings(ctx context.Context, services []*spec.Service) (map[probe.Ref]probe.Standing, error) {
	if a.engine == nil {
		return nil, nil
	}
	var refs []probe.Ref
	for _, s := range services {
		for i := range s.Backends {
			if b := &s.Backends[i]; isChecked(s, b) {
				refs = append(refs, probe.Ref{Service: s.Name, Backend: b.Name})
			}
		}
	}
	if len(refs) == 0 { // which would ask for all
		return map[probe.Ref]probe.Standing{}, nil
	}
	return a.engine.Snapshot(ctx, refs...)
}

func isChecked(s *spec.Service, b *spec.Backend) bool { return s.PulseOf(b).Type != spec.PulseNone }

// newWaitingReason says since when what is to leave waits, until when at the most, and for what.
func newWaitingReason(w reconcile.Waiting) *httpapi.WaitingReason {
	r := &httpapi.WaitingReason{Since: w.Since, Why: whyWaiting(w)}
	if until, ends := w.Ends(); ends {
		r.Until = until
	}
	return r
}

func whyWaiting(w reconcile.Waiting) string {
	var of []string
	if w.Unanswered > 0 {
		of = append(of, fmt.Sprintf("%d not answered yet", w.Unanswered))
	}
	if w.Down > 0 {
		of = append(of, fmt.Sprintf("%d down", w.Down))
	}
	text := "no backend that stays is up"
	if w.Up > 0 {
		text = fmt.Sprintf("%d of the backends that stay are up, and not all have answered", w.Up)
	}
	if len(of) > 0 {
		text += " (" + strings.Join(of, ", ") + ")"
	}
	return text
}

// newServiceHealth is how a service is, by what the engine knows; nil: nobody makes checks.
func newServiceHealth(s *spec.Service, seen map[probe.Ref]probe.Standing, now time.Time) httpapi.ServiceHealth {
	h := httpapi.ServiceHealth{
		ServiceState: httpapi.ServiceState{
			Name: s.Name, Protocol: s.Protocol, Host: s.Host, Port: s.Port, Fwmark: s.Fwmark, OnDown: "drain",
		},
		Backends: make([]httpapi.BackendHealth, 0, len(s.Backends)),
	}
	if s.Fwmark != 0 {
		h.Family = s.Family
	}
	if s.RemoveDown {
		h.OnDown = "remove"
	}
	var counts probe.Counts
	for i := range s.Backends {
		b := &s.Backends[i]
		has := httpapi.BackendHealth{
			Name: b.Name, Address: netip.AddrPortFrom(b.Host, b.Port), Check: newCheck(s, b),
			State: httpapi.Unchecked, Weight: b.Weight,
		}
		if seen == nil || !isChecked(s, b) {
			has.Effective = &b.Weight
		} else {
			addStanding(&has, seen[probe.Ref{Service: s.Name, Backend: b.Name}], now)
		}
		countBackend(&counts, has)
		h.Backends = append(h.Backends, has)
	}
	h.Counts, h.AllDown = newCounts(counts), counts.AllDown()
	return h
}

// countBackend counts a backend as the reconciler does.
func countBackend(c *probe.Counts, b httpapi.BackendHealth) {
	switch {
	case b.Weight == 0:
		c.Drained++
	case b.State == httpapi.Up:
		c.Up++
	case b.State == httpapi.Down:
		c.Down++
	case b.State == httpapi.Unanswered:
		c.Unanswered++
	default:
		c.Unchecked++
	}
}

// addStanding adds what the checks of a backend said; the zero Standing is that of one that the engine has not heard of yet.
func addStanding(b *httpapi.BackendHealth, s probe.Standing, now time.Time) {
	switch s.State.Status() {
	case probe.Up:
		b.State = httpapi.Up
	case probe.Down:
		b.State = httpapi.Down
	default:
		b.State = httpapi.Unanswered
	}
	var policy probe.Policy
	if s.Policy != nil {
		policy = *s.Policy
	}
	b.Since, b.Last = s.State.Since(), newResult(s.State.Last())
	b.Good, b.Of = s.State.Share(policy)
	if b.State != httpapi.Unanswered || policy.Initial != probe.AsKernel {
		weight := probe.Weight(b.Weight, nil, s.State, policy, now)
		b.Effective = &weight
	}
	if policy.Initial == probe.AsKernel {
		// In words that do not need the kernel's weight: who shows them has it beside them.
		policy.Initial = probe.InitialDown
	}
	b.Why = probe.Why(b.Weight, nil, s.State, policy, now)
}

// newResult is what came of a check; nil: there was none.
func newResult(r probe.Result) *httpapi.CheckResult {
	if r.At.IsZero() {
		return nil
	}
	outcome := httpapi.CheckUnmade
	switch r.Outcome {
	case probe.OK:
		outcome = httpapi.CheckOK
	case probe.Failed:
		outcome = httpapi.CheckFailed
	}
	return &httpapi.CheckResult{At: r.At, TookMS: float64(r.Took.Microseconds()) / 1000, Outcome: outcome, Text: r.Text}
}

// newCheck is how a backend is checked, in short.
func newCheck(s *spec.Service, b *spec.Backend) httpapi.Check {
	p := s.PulseOf(b)
	c := httpapi.Check{Type: p.Type}
	switch p.Type {
	case spec.PulseNone:
	case spec.PulseExec:
		if len(p.Args.Command) > 0 {
			c.Target = p.Args.Command[0] // the arguments may be long, or nobody's business
		}
	default:
		host, port := b.Host, b.Port
		if p.Args.Host.IsValid() {
			host = p.Args.Host
		}
		if p.Args.Port != 0 {
			port = p.Args.Port
		}
		c.Target = netip.AddrPortFrom(host, port).String() + spec.HidePath(p.Args.Path)
	}
	return c
}

func newCounts(c probe.Counts) httpapi.Counts {
	return httpapi.Counts{Up: c.Up, Down: c.Down, Unanswered: c.Unanswered, Unchecked: c.Unchecked, Drained: c.Drained}
}
