package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"

	"github.com/gorb-io/gorb/pkg/kernel"
)

// unremembered says that an operation was not tried, because nobody would know afterwards that what it makes is gorb's.
// That the memory cannot be written is an error of its own, and the cause of this one. It is not wrapped: what it says of a
// file would be taken for the kernel's word on a service.
type unremembered struct{ cause error }

func (u *unremembered) Error() string { return "not done: " + u.cause.Error() }

// Is lets errors.Is find ErrHeld: it was not tried either.
func (*unremembered) Is(err error) bool { return err == ErrHeld }

// own takes a service into the memory.
func (k *Keeper) own(key kernel.ServiceKey, o Owned) {
	k.memory.Services[key] = o
	if len(o.Draining) > 0 || !o.Waiting.IsZero() {
		k.draining[key] = true
	} else {
		delete(k.draining, key)
	}
}

// disown forgets a service.
func (k *Keeper) disown(key kernel.ServiceKey) {
	delete(k.memory.Services, key)
	delete(k.draining, key)
}

// remember makes durable what is to be remembered anew of services, nil: nothing more, and of the host, nil: what it
// was. It returns the services that were not gorb's before. After an error only what is gorb's already is remembered
// anew, in the process alone, so that a full disk does not make a drain begin again with every pass.
func (k *Keeper) remember(
	services map[kernel.ServiceKey]*Owned, host *HostMemory,
) (map[kernel.ServiceKey]bool, error) {
	if len(services) == 0 && host == nil {
		return nil, nil
	}
	fresh := map[kernel.ServiceKey]bool{}
	for key, o := range services {
		if o == nil {
			k.disown(key)
			continue
		}
		if _, mine := k.memory.Services[key]; !mine {
			fresh[key] = true
		}
		k.own(key, *o)
	}
	before := k.memory.Host
	if host != nil {
		k.memory.Host = *host
	}
	if err := k.store.Save(k.memory); err != nil {
		for key := range fresh {
			k.disown(key)
		}
		k.memory.Host.keep(before)
		return nil, fmt.Errorf("remember what is gorb's: %w", err)
	}
	return fresh, nil
}

// bar returns what of a plan must not be made because it is not remembered, and why. What gorb already knows for its own
// goes on.
func (k *Keeper) bar(plan *Plan, why error) barred {
	not := barred{services: map[kernel.ServiceKey]bool{}, host: map[kernel.HostOp]bool{}, why: &unremembered{why}}
	for key, o := range plan.memory {
		if _, mine := k.memory.Services[key]; !mine && o != nil {
			not.services[key] = true
		}
	}
	for _, b := range plan.batches {
		for i := range b.host {
			if op := b.host[i].op; makes(op) && !k.memory.Host.has(op) {
				not.host[op] = true
			}
		}
	}
	plan.Adopted = slices.DeleteFunc(plan.Adopted, func(a Adopted) bool { return not.services[a.Key] })
	return not
}

// settle forgets what was taken away, and what was remembered and not made after all: a service that somebody else was
// quicker to make, or an address that could not be put there. What may have been made, because the answer was lost,
// stays remembered.
func (k *Keeper) settle(plan *Plan, results []Result, fresh map[kernel.ServiceKey]bool, before HostMemory) error {
	host := k.memory.Host.clone()
	forgets := map[kernel.HostOp]bool{}
	for _, b := range plan.batches {
		for i := range b.host {
			forgets[b.host[i].op] = b.host[i].forget
		}
	}
	for _, res := range results {
		switch {
		case res.Host == nil:
			if res.Op.Kind == kernel.AddService && fresh[res.Op.Key] && errors.Is(res.Err, syscall.EEXIST) {
				// Not durably: it is declared, so the next reading adopts it.
				k.disown(res.Op.Key)
			}
		case res.Err == nil:
			if forgets[*res.Host] {
				host.drop(*res.Host)
			}
		case errors.Is(res.Err, kernel.ErrUncertain) || errors.Is(res.Err, ErrHeld) && before.has(*res.Host):
			// It may be there: as gorb made it now, or as it made it before.
		case makes(*res.Host):
			host.drop(*res.Host)
		}
	}
	if host.equal(k.memory.Host) {
		return nil
	}
	_, err := k.remember(nil, &host)
	return err
}

// forget drops the services from memory that are neither declared nor there any more. A dump may have missed them, so
// each is asked for by name first.
func (k *Keeper) forget(ctx context.Context, r *Report, x *index, scope map[kernel.ServiceKey]bool) {
	suspects := map[kernel.ServiceKey]bool{}
	suspect := func(key kernel.ServiceKey) {
		if _, wanted := r.Plan.wanted.Table[key]; !wanted && x.service(key) == nil {
			suspects[key] = true
		}
	}
	if scope == nil {
		for key := range k.memory.Services {
			suspect(key)
		}
	}
	for key := range scope {
		if _, mine := k.memory.Services[key]; mine {
			suspect(key)
		}
	}
	if len(suspects) == 0 {
		return
	}
	there, err := k.observe(ctx, r, suspects)
	if err != nil {
		r.failed(err)
		return // the next pass tries again
	}
	changes := map[kernel.ServiceKey]*Owned{}
	for key := range suspects {
		if _, ok := there[key]; !ok {
			changes[key] = nil
		}
	}
	if _, err := k.remember(changes, nil); err != nil {
		r.failed(err)
	}
}
