package reconcile

import (
	"context"
	"net/netip"
	"time"

	"github.com/gorb-io/gorb/pkg/kernel"
)

// query returns what of the host a pass has to read. One about single services reads the addresses only where it may
// have to put one there or take one away.
func (k *Keeper) query(x *index, o Options) kernel.HostQuery {
	if k.host == nil {
		return kernel.HostQuery{}
	}
	q := HostQuery(x.Desired, k.memory)
	if o.Scope == nil {
		return q
	}
	return kernel.HostQuery{Addresses: q.Addresses && (o.Addresses || k.needsAddresses(x, o.Scope))}
}

// needsAddresses reports whether one of the services has no address yet, or an address that no service needs any more.
func (k *Keeper) needsAddresses(x *index, scope map[kernel.ServiceKey]bool) bool {
	for key := range scope {
		addr := key.Addr.Addr()
		put := k.memory.Host.Addresses[kernel.Address{Interface: x.Gorb.VIP.Name, Addr: addr}]
		needed := x.hosts[addr] != nil && !k.others[addr]
		if put != needed {
			return true
		}
	}
	return false
}

// observeHost reads what is asked for of the host. With widen, the services whose addresses are nowhere come into the
// scope.
func (k *Keeper) observeHost(ctx context.Context, r *Report, in *Input, q kernel.HostQuery, widen bool) error {
	in.Host = nil
	if !asks(q) {
		return nil
	}
	start := time.Now()
	state, err := k.host.Observe(ctx, q)
	r.Read += time.Since(start)
	in.Host = &state
	if state.Addresses == nil {
		return err
	}
	there := make(map[netip.Addr]bool, len(state.Addresses))
	k.others = map[netip.Addr]bool{}
	for a := range state.Addresses {
		there[a.Addr] = true
		if in.index.hosts[a.Addr] != nil && !k.memory.Host.Addresses[a] {
			k.others[a.Addr] = true
		}
	}
	if widen && in.Scope != nil {
		scope := cloned(in.Scope)
		for addr, keys := range in.index.hosts {
			if there[addr] {
				continue
			}
			for _, key := range keys {
				scope[key] = true
			}
		}
		in.Scope = scope
	}
	return err
}

// asks reports whether a query asks for anything.
func asks(q kernel.HostQuery) bool { return len(q.Sysctls) > 0 || q.Timeouts || q.Sync || q.Addresses }

// observe reads the services in scope.
func (k *Keeper) observe(ctx context.Context, r *Report, scope map[kernel.ServiceKey]bool) (kernel.Table, error) {
	start := time.Now()
	defer func() { r.Read += time.Since(start) }()
	if scope == nil {
		return k.kernel.Observe(ctx)
	}
	if len(scope) == 0 {
		return kernel.Table{}, nil
	}
	keys := make([]kernel.ServiceKey, 0, len(scope))
	for key := range scope {
		keys = append(keys, key)
	}
	return k.kernel.Observe(ctx, sortKeys(keys)...)
}
