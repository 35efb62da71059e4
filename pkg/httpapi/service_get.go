package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// Objects is what is asked about services and backends.
type Objects interface {
	// Desired is the configuration that counts; nil: there is none yet.
	Desired() *spec.Desired
	// Kernel is what the kernel has of a declared service and, unless it is nil, of a backend of it.
	Kernel(ctx context.Context, s *spec.Service, b *spec.Backend) (Kernel, error)
}

// OfService names a service.
type OfService struct {
	Service string `path:"service" doc:"The name of a service." maxLength:"512" example:"web"`
}

// OfBackend names a backend of a service.
type OfBackend struct {
	OfService
	Backend string `path:"backend" doc:"The name of a backend within its service." maxLength:"512" example:"a"`
}

// find returns a service that is declared, and the configuration that it is of.
func (a *api) find(c *caller, name string) (*spec.Service, *spec.Desired, error) {
	d := a.daemon.Desired()
	if d == nil {
		return nil, nil, Fail(http.StatusServiceUnavailable, sources.ErrNothingYet.Error())
	}
	if s := d.Service(name); s != nil {
		return s, d, nil
	}
	return nil, nil, a.absent(c, object{name, ""}, "there is no service "+name)
}

func (a *api) listServices(context.Context, *caller, *struct{}) (*reply[[]string], error) {
	list := []string{}
	if d := a.daemon.Desired(); d != nil {
		for i := range d.Services {
			list = append(list, d.Services[i].Name)
		}
	}
	return ok(list), nil
}

func (a *api) getService(ctx context.Context, c *caller, in *OfService) (*reply[ServiceInfo], error) {
	s, d, err := a.find(c, in.Service)
	if err != nil {
		return nil, err
	}
	health, err := a.healthOf(ctx, s)
	if err != nil {
		return nil, err
	}
	said := a.said.of(d, s)
	info := ServiceInfo{
		Options: said.options, Health: health.share(), Backends: said.backends, State: health.ServiceState,
		Refused: refusedOf(a.daemon.Refused(s.Name), s, ""), Override: a.overrideOf(object{s.Name, ""}), HeldFor: a.daemon.HeldFor(s.Name, ""),
	}
	if k, err := a.daemon.Kernel(ctx, s, nil); err == nil {
		info.Effective, info.Statistics = k.Service, k.Statistics
	}
	if c.who.Stranger {
		info.Refused, info.Override, info.HeldFor = "", nil, ""
	}
	return &reply[ServiceInfo]{Status: http.StatusOK, ETag: said.tag, Body: info}, nil
}

func (a *api) getBackend(ctx context.Context, c *caller, in *OfBackend) (*reply[BackendInfo], error) {
	s, _, err := a.find(c, in.Service)
	if err != nil {
		return nil, err
	}
	b := s.Backend(in.Backend)
	if b == nil {
		return nil, a.absent(c, object{s.Name, in.Backend}, "service "+s.Name+" has no backend "+in.Backend)
	}
	health, err := a.healthOf(ctx, s)
	if err != nil {
		return nil, err
	}
	info := BackendInfo{
		Options: spec.HideSecrets(s.BackendOptionsJSON(b)), Refused: refusedOf(a.daemon.Refused(s.Name), s, b.Name),
		Override: a.overrideOf(object{s.Name, b.Name}), HeldFor: a.daemon.HeldFor(s.Name, b.Name),
	}
	for _, h := range health.Backends {
		if h.Name == b.Name {
			info.Health, info.Metrics = h, newMetrics(&h, time.Now())
		}
	}
	if k, err := a.daemon.Kernel(ctx, s, b); err == nil && k.Backend != nil {
		info.Effective, info.Statistics = &k.Backend.EffectiveBackend, &k.Backend.Statistics
	}
	if c.who.Stranger {
		info.Refused, info.Override, info.HeldFor = "", nil, ""
		info.Health.Why = ""
		if last := info.Health.Last; last != nil { // what the program of a check printed, say, or the answer of a server
			info.Health.Last = &CheckResult{At: last.At, TookMS: last.TookMS, Outcome: last.Outcome}
		}
	}
	return &reply[BackendInfo]{Status: http.StatusOK, ETag: tagOfBackend(s, b), Body: info}, nil
}

// healthOf is how the backends of a service are.
func (a *api) healthOf(ctx context.Context, s *spec.Service) (ServiceHealth, error) {
	out := ServiceHealth{ServiceState: ServiceState{Name: s.Name}}
	err := a.daemon.Health(ctx, []string{s.Name}, func(h ServiceHealth) error {
		out = h
		return nil
	})
	if err != nil {
		return out, Fail(http.StatusServiceUnavailable, "how backends are cannot be said now: "+err.Error())
	}
	return out, nil
}

// overrideOf is what is written over the sources of an object; nil: nothing.
func (a *api) overrideOf(at object) *Override {
	return stacked(overlay(a.daemon.Of(at.service)).of(at))
}

// stacked is what ends over what lasts; nil: there is neither.
func stacked(lasts, ends *sources.StoredOverride) *Override {
	var top *Override
	for _, o := range []*sources.StoredOverride{lasts, ends} {
		if o != nil {
			over := newOverride(*o)
			over.Beneath, top = top, &over
		}
	}
	return top
}
