package main

import (
	"context"
	"errors"
	"net/netip"

	"github.com/gorb-io/gorb/pkg/httpapi"
	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/reconcile"
	"github.com/gorb-io/gorb/pkg/spec"
)

// Kernel is what the kernel has of a declared service and, unless it is nil, of a backend of it.
func (a daemonAPI) Kernel(ctx context.Context, s *spec.Service, b *spec.Backend) (httpapi.Kernel, error) {
	key := reconcile.KeyOf(s)
	view, err := a.view.Service(ctx, key)
	if err != nil || !view.There {
		return httpapi.Kernel{}, err
	}
	k := httpapi.Kernel{Service: newEffective(key, view.Service), Statistics: newStatistics(view.Stats.Stats)}
	if b == nil {
		return k, nil
	}
	at := kernel.DestKey{Addr: netip.AddrPortFrom(b.Host, b.Port)}
	for _, d := range view.Dests {
		if d.DestKey == at {
			k.Backend = &httpapi.KernelBackend{
				EffectiveBackend: newEffectiveBackend(key, d), Statistics: *newStatistics(view.Stats.Dests[d.DestKey]),
			}
		}
	}
	return k, nil
}

func newEffective(key kernel.ServiceKey, s kernel.Service) *httpapi.EffectiveService {
	e := &httpapi.EffectiveService{
		Address: key.Addr, Fwmark: key.Mark, Family: key.Family.String(), Scheduler: s.Scheduler, Timeout: s.Timeout, Engine: s.Engine,
		OnePacket: s.Flags&kernel.OnePacket != 0, Flags: s.FlagNames(), Command: kernel.Op{Kind: kernel.AddService, Key: key, Service: s}.String(),
	}
	if key.Mark == 0 {
		e.Protocol = key.Protocol.String()
	}
	return e
}

func newEffectiveBackend(key kernel.ServiceKey, d kernel.RealServer) httpapi.EffectiveBackend {
	return httpapi.EffectiveBackend{
		Address: d.Addr, Forward: d.Forward.String(), Weight: d.Weight, Upper: d.Upper, Lower: d.Lower,
		Active: d.Conns.Active, Inactive: d.Conns.Inactive, Persistent: d.Conns.Persistent,
		Command: kernel.Op{Kind: kernel.AddDest, Key: key, DestKey: d.DestKey, Dest: d.Dest}.String(),
	}
}

func newStatistics(s kernel.Stats) *httpapi.Statistics {
	return &httpapi.Statistics{
		Connections: s.Conns, InPackets: s.InPackets, OutPackets: s.OutPackets, InBytes: s.InBytes, OutBytes: s.OutBytes,
		ConnRate: s.ConnRate, InPacketRate: s.InPacketRate, OutPacketRate: s.OutPacketRate,
		InByteRate: s.InByteRate, OutByteRate: s.OutByteRate,
	}
}

// Weights is how to look up the weights that the kernel has, in one reading of its table.
func (a daemonAPI) Weights(ctx context.Context) (httpapi.WeightOf, error) {
	all, err := a.view.All(ctx)
	if err != nil {
		return nil, err
	}
	return func(of httpapi.ServiceState, backend netip.AddrPort) (uint32, bool) {
		d, there := all.Table[keyOfState(of)].Dest(kernel.DestKey{Addr: backend})
		return d.Weight, there
	}, nil
}

// keyOfState is the key of a service that is told of.
func keyOfState(s httpapi.ServiceState) kernel.ServiceKey {
	return reconcile.KeyOf(&spec.Service{Protocol: s.Protocol, Host: s.Host, Port: s.Port, Fwmark: s.Fwmark, Family: s.Family})
}

// Settled waits until a pass over a service has followed a configuration, and says what became of it.
func (a daemonAPI) Settled(ctx context.Context, serial uint64, service string) (httpapi.Settled, error) {
	o, err := a.reconciler.Await(ctx, serial, service)
	s := httpapi.Settled{Held: o.Held, Draining: o.Draining}
	for _, op := range o.Ops {
		s.Operations = append(s.Operations, op.String())
	}
	refused, uncertain := refusals(o.Errs)
	s.Refused, s.Held = refused, append(s.Held, uncertain...)
	for _, w := range o.Waiting {
		s.Waiting = newWaitingReason(w)
	}
	return s, err
}

// refusals are those among what failed, and what may be done all the same, which the next pass sees.
func refusals(failed []error) (refused []httpapi.Refusal, uncertain []string) {
	for _, err := range failed {
		if errors.Is(err, kernel.ErrUncertain) {
			uncertain = append(uncertain, err.Error())
			continue
		}
		r := httpapi.Refusal{Reason: err.Error()}
		if failed, ok := errors.AsType[*kernel.OpError](err); ok {
			r.Backend, r.Missing = failed.Op.DestKey.Addr, failed.Op.Kind == kernel.AddService
		}
		refused = append(refused, r)
	}
	return refused, uncertain
}

// Refused is what the kernel refused of a service in the newest pass over it.
func (a daemonAPI) Refused(service string) []httpapi.Refusal {
	refused, _ := refusals(a.reconciler.Failing(service))
	return refused
}

// Look has what the kernel has of a service read, and put right.
func (a daemonAPI) Look(ctx context.Context, service string) error {
	return a.reconciler.Look(ctx, service)
}

// PlanOf is a plan of a configuration.
func (a daemonAPI) PlanOf(ctx context.Context, d *spec.Desired) (*httpapi.Plan, error) {
	plan, err := a.reconciler.Plan(ctx, d, false)
	if err != nil {
		return nil, err
	}
	return newPlan(plan), nil
}
