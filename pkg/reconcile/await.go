package reconcile

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/spec"
)

// ErrEnded says that the table is not kept any more.
var ErrEnded = errors.New("gorb is ending")

// Outcome is what became of services in the kernel.
type Outcome struct {
	Serial uint64 // of the Desired that was followed last
	Ops    []Step // done for these services by the passes that followed the serial asked for, in order
	Cut    bool   // there were more of them, and it is not remembered which

	// The rest is what the newest pass over each of the services says.

	Errs       []error   // what failed; *kernel.OpError has the kernel's reason
	Held       []string  // what was held back or left alone, and why
	Waiting    []Waiting // what is given up waits until a backend that stays is up
	Draining   int       // backends that leave and still have time
	Incomplete bool      // not every source has been heard, so nothing is taken away
}

// Await returns once passes over these services have followed the Desired with a serial, or a later one, and what became
// of them; without services, of all. The error is that of the context, or ErrEnded; what is known so far is there with it,
// and why no pass could be made. It may be called from anywhere.
func (r *Reconciler) Await(ctx context.Context, serial uint64, services ...string) (Outcome, error) {
	p := r.progress
	var err error
	if g := p.enter(serial); g != nil {
		select {
		case <-g.open:
		case <-ctx.Done():
			err = p.leave(g, ctx.Err())
		case <-p.over:
			err = p.leave(g, ErrEnded)
		}
	}
	return p.outcome(serial, services), err
}

// Failing returns what failed in the newest pass over a service; nothing: nothing did. The list is shared, and not to be
// changed. It waits for no pass, and may be called from anywhere.
func (r *Reconciler) Failing(service string) []error {
	if errs, there := r.progress.failing.Load(service); there {
		return errs.([]error)
	}
	return nil
}

// progress is how far the passes have followed what was declared, and what became of it. Run's goroutine writes it, and
// whoever awaits something reads it.
type progress struct {
	over    chan struct{} // closed when Run has ended
	failing sync.Map      // from the name of a service to the []error of its records; what nothing fails in is not in it

	mu         sync.Mutex // guards everything below
	began      bool       // some Desired was followed
	serial     uint64     // of the last
	incomplete bool
	unread     error   // why the last pass could not be made
	gates      []*gate // by serial
	records    records
	done       doneOps
}

// gate is where those wait who await one serial.
type gate struct {
	serial  uint64
	open    chan struct{} // closed when that was followed
	waiting int
}

func compareGate(g *gate, serial uint64) int { return cmp.Compare(g.serial, serial) }

func newProgress() *progress {
	return &progress{
		over:    make(chan struct{}),
		records: records{of: map[kernel.ServiceKey]*record{}, named: map[string][]kernel.ServiceKey{}},
	}
}

// enter returns the gate of a serial; nil: it was followed.
func (p *progress) enter(serial uint64) *gate {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.followedLocked(serial) {
		return nil
	}
	i, there := slices.BinarySearchFunc(p.gates, serial, compareGate)
	if !there {
		p.gates = slices.Insert(p.gates, i, &gate{serial: serial, open: make(chan struct{})})
	}
	p.gates[i].waiting++
	return p.gates[i]
}

// leave gives up waiting, for a reason, unless it is over after all.
func (p *progress) leave(g *gate, why error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.followedLocked(g.serial) {
		return nil
	}
	if g.waiting--; g.waiting == 0 {
		p.gates = slices.DeleteFunc(p.gates, func(other *gate) bool { return other == g })
	}
	return why
}

func (p *progress) followedLocked(serial uint64) bool { return p.began && p.serial >= serial }

// note takes a pass down. Follows says that by now everything was looked at that the Desired declares.
func (p *progress) note(d *spec.Desired, follows bool, r *Report, unread error) {
	var fresh map[kernel.ServiceKey]*record
	if unread == nil {
		fresh = newRecords(r)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done.add(d.Serial, r)
	p.unread = unread
	if unread == nil {
		for _, name := range p.records.replace(fresh, r.scope) {
			p.publishLocked(name)
		}
	}
	if !follows {
		return
	}
	p.began, p.serial, p.incomplete = true, d.Serial, d.Incomplete
	n := 0
	for ; n < len(p.gates) && p.gates[n].serial <= p.serial; n++ {
		close(p.gates[n].open)
	}
	p.gates = slices.Delete(p.gates, 0, n)
}

// publishLocked has those know what fails in a service who do not wait for the lock.
func (p *progress) publishLocked(name string) {
	if errs := p.records.errs(name); len(errs) > 0 {
		p.failing.Store(name, errs)
	} else {
		p.failing.Delete(name)
	}
}

// outcome returns what became of services; none: of all.
func (p *progress) outcome(serial uint64, services []string) Outcome {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := Outcome{Serial: p.serial, Incomplete: p.incomplete}
	o.Ops, o.Cut = p.done.since(serial, services)
	if p.unread != nil && !p.followedLocked(serial) {
		o.Errs = append(o.Errs, p.unread)
	}
	p.records.add(&o, services)
	return o
}
