package reconcile

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/gorb-io/gorb/pkg/kernel"
)

// addresses decides about the virtual addresses, and about the interface that has them.
func (h *hostDecider) addresses() {
	vip := h.Desired.Gorb.VIP
	h.plan.addressed = true
	leaving := h.leaving()
	c := coming{
		ready: h.link(), // before anything can be put on it
		there: h.there(),
		made:  map[netip.Addr]kernel.HostOp{},
		moved: h.moved(leaving),
		waits: make(map[kernel.ServiceKey]bool, len(h.plan.Waiting)),
	}
	for _, w := range h.plan.Waiting {
		c.waits[w.Key] = true
	}
	instead := map[netip.Addr][]kernel.ServiceKey{}
	for key, to := range c.moved {
		instead[to] = append(instead[to], key)
		if !c.ready && !c.there[to] {
			h.plan.stay(key)
		}
	}
	if c.ready {
		for _, s := range h.missing(c.there) {
			s.instead = instead[s.op.Address.Addr]
			h.next.Addresses[s.op.Address] = true
			h.add(addAddresses, s)
			c.made[s.op.Address.Addr] = s.op
		}
	}
	var gone []kernel.HostOp
	for _, a := range slices.SortedFunc(maps.Keys(h.Memory.Host.Addresses), kernel.Address.Compare) {
		wanted := a.Interface == vip.Name && h.index.hosts[a.Addr] != nil
		if _, comes := c.made[a.Addr]; !h.Host.Addresses[a] && !(wanted && comes) {
			delete(h.next.Addresses, a) // somebody took it away
			continue
		}
		if wanted {
			continue
		}
		if h.Desired.Incomplete && h.index.hosts[a.Addr] == nil {
			continue
		}
		s := hostStep{op: kernel.HostOp{Kind: kernel.DeleteAddress, Address: a}, forget: true, services: leaving[a.Addr]}
		if h.replaced(&s, c) {
			h.add(deleteAddresses, s)
			gone = append(gone, s.op)
		}
	}
	h.unlink(gone)
	h.elsewhere()
}

// coming is what is known of addresses that come.
type coming struct {
	ready bool                             // the interface is there, or will be
	there map[netip.Addr]bool              // they need not come
	made  map[netip.Addr]kernel.HostOp     // they are put there in this pass
	moved map[kernel.ServiceKey]netip.Addr // the services that leave for another address
	waits map[kernel.ServiceKey]bool       // those in which what is given up waits
}

// replaced puts the taking away of an address after what comes in its place: the same address on another interface, and
// those that its services moved to. It reports whether all that can come, and none of the services still serves there until
// its backends elsewhere are up.
func (h *hostDecider) replaced(s *hostStep, c coming) bool {
	wait := false
	if addr := s.op.Address.Addr; h.index.hosts[addr] != nil {
		op, comes := c.made[addr]
		if comes {
			s.after = append(s.after, op)
		}
		wait = !comes && !c.there[addr]
	}
	for _, key := range s.services {
		if op, comes := c.made[c.moved[key]]; comes {
			s.after = append(s.after, op)
		}
		wait = wait || h.plan.stays[key] || c.waits[key]
	}
	return !wait
}

// link makes the interface, or sets it up, where that is asked for. It reports whether it is there, or will be.
func (h *hostDecider) link() bool {
	vip := h.Desired.Gorb.VIP
	up, exists := h.Host.Links[vip.Name]
	switch {
	case vip.Name == "":
		return false
	case exists && (up || !vip.Create):
		return true
	case !exists && !vip.Create:
		h.plan.Problems = append(h.plan.Problems, fmt.Errorf(
			"gorb.vip_interface: there is no interface %s to put addresses on; there are %s", vip.Name, h.links()))
		return false
	case exists:
		h.add(settings, hostStep{op: linkOp(kernel.RaiseLink, vip.Name)})
		return true
	}
	h.next.Links[vip.Name] = true
	h.add(settings, hostStep{op: linkOp(kernel.AddLink, vip.Name)})
	return true
}

// links names the interfaces that there are, ten of them at most.
func (h *hostDecider) links() string {
	return strings.Join(few(slices.Sorted(maps.Keys(h.Host.Links))), ", ")
}

func linkOp(kind kernel.HostOpKind, name string) kernel.HostOp {
	return kernel.HostOp{Kind: kind, Address: kernel.Address{Interface: name}}
}

// there returns the addresses that this host has, but for those that gorb put on another interface than the declared
// one: they are to be moved.
func (h *hostDecider) there() map[netip.Addr]bool {
	there := make(map[netip.Addr]bool, len(h.Host.Addresses))
	for a := range h.Host.Addresses {
		if a.Interface == h.Desired.Gorb.VIP.Name || !h.Memory.Host.Addresses[a] {
			there[a.Addr] = true
		}
	}
	return there
}

// missing returns the steps that put addresses on the interface: those of declared services that can serve, now or once
// the table is as wanted, and that are nowhere on this host. What gorb had put there already comes back in any case: the
// connections of backends that are at weight 0 by now still need it.
func (h *hostDecider) missing(there map[netip.Addr]bool) []hostStep {
	vip := h.Desired.Gorb.VIP
	var after []kernel.HostOp
	for _, s := range h.steps[settings] {
		if s.op.Kind == kernel.AddLink || s.op.Kind == kernel.RaiseLink {
			after = append(after, s.op)
		}
	}
	steps := map[netip.Addr]*hostStep{}
	for key, want := range h.plan.wanted.Table {
		addr, declared := key.Addr.Addr(), h.index.service(key)
		if key.Mark != 0 || there[addr] || declared == nil || declared.OwnHost {
			continue
		}
		at := kernel.Address{Interface: vip.Name, Addr: addr}
		back := h.Memory.Host.Addresses[at]
		if !back && !hasWeight(want.Dests) && !hasWeight(h.Observed[key].Dests) {
			continue
		}
		if steps[addr] == nil {
			steps[addr] = &hostStep{op: kernel.HostOp{Kind: kernel.AddAddress, Address: at}, after: after, back: back}
		}
		steps[addr].services = append(steps[addr].services, key)
	}
	list := make([]hostStep, 0, len(steps))
	for _, addr := range slices.SortedFunc(maps.Keys(steps), netip.Addr.Compare) {
		sortKeys(steps[addr].services)
		list = append(list, *steps[addr])
	}
	return list
}

// hasWeight reports whether one of the destinations takes new connections.
func hasWeight(dests []kernel.RealServer) bool {
	for i := range dests {
		if dests[i].Weight > 0 {
			return true
		}
	}
	return false
}

// leaving returns gorb's observed services that are no longer declared, by address.
func (h *hostDecider) leaving() map[netip.Addr][]kernel.ServiceKey {
	if len(h.Memory.Host.Addresses) == 0 && h.Desired.Gorb.VIP.Name == "" {
		return nil
	}
	keys := map[netip.Addr][]kernel.ServiceKey{}
	for key := range h.Observed {
		if _, mine := h.Memory.Services[key]; mine && key.Mark == 0 && h.index.service(key) == nil {
			keys[key.Addr.Addr()] = append(keys[key.Addr.Addr()], key)
		}
	}
	for _, list := range keys {
		sortKeys(list)
	}
	return keys
}

// moved returns, for the services that leave and are declared at another virtual address by now, that address.
func (h *hostDecider) moved(leaving map[netip.Addr][]kernel.ServiceKey) map[kernel.ServiceKey]netip.Addr {
	if len(leaving) == 0 || h.Desired.Gorb.VIP.Name == "" {
		return nil
	}
	moved := map[kernel.ServiceKey]netip.Addr{}
	for addr, keys := range leaving {
		for _, key := range keys {
			s := h.index.named(h.Memory.Services[key].Name)
			if s != nil && s.Host != addr && h.index.hosts[s.Host] != nil {
				moved[key] = s.Host
			}
		}
	}
	return moved
}

// elsewhere finds the virtual addresses that others put on other interfaces than the declared one, where gorb leaves
// them.
func (h *hostDecider) elsewhere() {
	for a := range h.Host.Addresses {
		here := kernel.Address{Interface: h.Desired.Gorb.VIP.Name, Addr: a.Addr}
		if h.index.hosts[a.Addr] != nil && !h.Memory.Host.Addresses[a] && !h.Host.Addresses[here] {
			h.plan.Elsewhere = append(h.plan.Elsewhere, a)
		}
	}
	slices.SortFunc(h.plan.Elsewhere, kernel.Address.Compare)
}

// unlink takes away the interfaces that gorb made and no longer needs, unless others have put addresses on them.
func (h *hostDecider) unlink(gone []kernel.HostOp) {
	for _, name := range slices.Sorted(maps.Keys(h.Memory.Host.Links)) {
		if name == h.Desired.Gorb.VIP.Name {
			continue
		}
		if _, ok := h.Host.Links[name]; !ok {
			delete(h.next.Links, name)
			continue
		}
		leaving := map[netip.Addr]bool{}
		s := hostStep{op: linkOp(kernel.DeleteLink, name), forget: true}
		for _, op := range gone {
			if op.Address.Interface == name {
				leaving[op.Address.Addr] = true
				s.after = append(s.after, op)
			}
		}
		inUse := false
		for a := range h.Host.Addresses {
			// The kernel puts a link-local address on every interface that is up (RFC 4862, section 5.3).
			inUse = inUse || a.Interface == name && !leaving[a.Addr] && !a.Addr.IsLinkLocalUnicast()
		}
		if !inUse && !h.Desired.Incomplete {
			h.add(deleteLinks, s)
		}
	}
}
