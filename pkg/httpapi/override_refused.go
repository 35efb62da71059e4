package httpapi

import (
	"context"
	"fmt"
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
		o.Refused = refusedOf(s.Refused, d.Service(o.Service), o.Backend)
	}
	return out
}

// mostReasons is how many reasons are told of one object, as a service may have thousands of backends; the rest are counted.
const mostReasons = 10

// refusedOf is why the kernel refuses, of what it does of a service, a backend, or with "" anything of the service, as it is
// declared; "": it does not.
func refusedOf(refused []Refusal, service *spec.Service, backend string) string {
	if len(refused) == 0 {
		return ""
	}
	var at netip.AddrPort
	if service != nil && backend != "" {
		if b := service.Backend(backend); b != nil {
			at = netip.AddrPortFrom(b.Host, b.Port)
		}
	}
	var reasons []string
	for _, r := range refused {
		if backend == "" || r.Missing || at.IsValid() && r.Backend == at {
			reasons = append(reasons, r.Reason)
		}
	}
	if n := len(reasons) - mostReasons; n > 0 {
		reasons = append(reasons[:mostReasons], fmt.Sprintf("and %d more", n))
	}
	return strings.Join(reasons, "; ")
}
