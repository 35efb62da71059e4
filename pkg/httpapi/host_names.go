package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/gorb-io/gorb/pkg/spec"
)

// Resolver finds the addresses of a name; *net.Resolver does. It is asked for several at once.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

const (
	resolveTime = 5 * time.Second // for so long the names of a body may take to be resolved, all of them together
	mostNames   = 1000            // so many different ones a body may have
	mostLookups = 16              // so many of them are looked up at a time
)

// resolved is the body of an override with addresses for the names of hosts, and the names beside them. Each name is looked
// up once, and it is the address that counts from then on.
func (a *api) resolved(ctx context.Context, o spec.Override) ([]byte, error) {
	hosts := o.HostNames()
	if len(hosts) == 0 {
		return o.Body, nil
	}
	found := make(map[string]*lookup)
	for _, host := range hosts {
		found[host.Name] = new(lookup)
	}
	if len(found) > mostNames {
		why := fmt.Sprintf("%d different names are to be resolved, which is over %d", len(found), mostNames)
		f := Fail(http.StatusUnprocessableEntity, unusable)
		f.Problems = []Problem{{Path: hosts[0].Path, Message: why}}
		return nil, f
	}
	a.lookUp(ctx, found)
	var wrong *Failure
	addresses := make(map[string]netip.Addr)
	for _, host := range hosts {
		l := found[host.Name]
		if l.err == nil {
			addresses[host.Name] = l.address
			continue
		}
		if wrong == nil {
			wrong = Fail(http.StatusBadRequest, l.err.Error())
		}
		wrong.Problems = append(wrong.Problems, Problem{Path: host.Path, Message: fmt.Sprintf("%q cannot be resolved", host.Name)})
	}
	if wrong != nil {
		wrong.Problems = foremost(wrong.Problems)
		return nil, wrong
	}
	return o.Resolved(addresses).Body, nil
}

// lookup is what became of a name.
type lookup struct {
	address netip.Addr
	err     error
}

// lookUp resolves names, some at a time. It returns when all of them have been, or their time is over.
func (a *api) lookUp(ctx context.Context, names map[string]*lookup) {
	ctx, cancel := context.WithTimeout(ctx, resolveTime)
	defer cancel()
	var running sync.WaitGroup
	free := make(chan struct{}, mostLookups)
	for name, l := range names {
		free <- struct{}{}
		running.Go(func() {
			l.address, l.err = a.resolve(ctx, name)
			<-free
		})
	}
	running.Wait()
}

// resolve finds the address of a name, an IPv4 one first as GORB had it.
func (a *api) resolve(ctx context.Context, name string) (netip.Addr, error) {
	if err := ctx.Err(); err != nil {
		return netip.Addr{}, err
	}
	all, err := a.resolver.LookupNetIP(ctx, "ip", name)
	if err != nil {
		return netip.Addr{}, err
	}
	for _, addr := range all {
		if addr = addr.Unmap(); addr.Is4() {
			return addr, nil
		}
	}
	if len(all) == 0 {
		return netip.Addr{}, fmt.Errorf("lookup %s: no such host", name)
	}
	return all[0].WithZone(""), nil
}
