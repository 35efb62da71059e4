package httpapi

import (
	"context"
	"net/netip"
	"strings"

	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// overridesNow tells of each override whether it has an effect, and of those that have whether the kernel refuses what they
// ask for, as one that was written with ?keep=true may. What no pass has followed within a while is not known.
func (a *api) overridesNow(ctx context.Context, list []sources.StoredOverride) []Override {
	out := newOverrides(a.daemon.Status(), list)
	d := a.daemon.Desired()
	if d == nil {
		return out
	}
	ctx, cancel := context.WithTimeout(ctx, pendingTime)
	defer cancel()
	known := make(map[string]Settled)
	for i := range out {
		o := &out[i]
		if o.State != InForce {
			continue
		}
		s, asked := known[o.Service]
		if !asked {
			if done, err := a.daemon.Settled(ctx, d.Serial, o.Service); err == nil {
				s = done
			}
			known[o.Service] = s
		}
		o.Refused = strings.Join(s.refusedOf(d.Service(o.Service), o.Backend), "; ")
	}
	return out
}

// refusedOf are the kernel's reasons not to have a backend of a service, or with "" anything of the service, as it is declared.
func (s *Settled) refusedOf(service *spec.Service, backend string) []string {
	var at netip.AddrPort
	if service != nil && backend != "" {
		if b := service.Backend(backend); b != nil {
			at = netip.AddrPortFrom(b.Host, b.Port)
		}
	}
	var reasons []string
	for _, r := range s.Refused {
		if backend == "" || r.Missing || at.IsValid() && r.Backend == at {
			reasons = append(reasons, r.Reason)
		}
	}
	return reasons
}
