package reconcile

import (
	"context"

	"github.com/gorb-io/gorb/pkg/kernel"
)

// look asks for a pass over some services.
type look struct {
	services []string
	done     chan struct{} // closed when it was made
}

// Look has a pass made over services, by name: what the kernel has of them is read, and put right. It returns when that is
// over; what came of it Await says. Those who ask meanwhile share the next one. The error is that of the context, or ErrEnded.
// It may be called from anywhere.
func (r *Reconciler) Look(ctx context.Context, services ...string) error {
	l := look{services, make(chan struct{})}
	select {
	case r.looks <- l:
	case <-ctx.Done():
		return ctx.Err()
	case <-r.progress.over:
		return ErrEnded
	}
	select {
	case <-l.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-r.progress.over:
		return ErrEnded
	}
}

// allLooks are one look and those that wait beside it.
func (r *Reconciler) allLooks(first look) []look {
	all := []look{first}
	for {
		select {
		case l := <-r.looks:
			all = append(all, l)
		default:
			return all
		}
	}
}

// lookedAt are the keys of the services that looks are about, as far as they are declared.
func (r *Reconciler) lookedAt(looks []look) map[kernel.ServiceKey]bool {
	keys := map[kernel.ServiceKey]bool{}
	for _, l := range looks {
		for _, name := range l.services {
			if s := r.desired.Service(name); s != nil {
				keys[KeyOf(s)] = true
			}
		}
	}
	return keys
}
