package reconcile

import (
	"time"

	"github.com/gorb-io/gorb/pkg/kernel"
)

// handshakeGrace is how long a backend without active connections is kept at weight 0 while it still has inactive ones,
// because a TCP connection counts as inactive until its handshake is done. It covers a lost SYN and its
// retransmission after 1 s (RFC 6298, section 2.1), and again after 2 s.
const handshakeGrace = 3 * time.Second

// drain decides about a leaving backend: it is wanted at weight 0 while it has connections and time, and not at all
// after. One that an edit would reset in part stays as it is: even a weight of 0 is an edit.
func (d *decider) drain(key kernel.ServiceKey, b kernel.RealServer, limit time.Duration, owned Owned,
	want *kernel.VirtualService, next *Owned,
) {
	if b.Unknown != "" {
		d.leaveAlone(key, b.DestKey, b.Unknown)
		want.Dests = append(want.Dests, b)
		return
	}
	down := d.plan.wanted.Down[Ref{key, b.DestKey}] && b.Weight > 0 // a deletion may be held back, and is too late for it
	if !down && (d.NoDrain || d.Flush || limit == 0) {
		return
	}
	t, begun := owned.Draining[b.DestKey]
	if !begun || b.Weight > 0 || t.Since.After(d.Now) {
		// Its time begins when it goes to weight 0, and anew when somebody raised it again or the clock went back.
		t.Since = d.Now
	}
	t.Until = t.Since.Add(limit)
	if b.Weight == 0 && t.over(key.Protocol, b.Conns, d.Now) && !(begun && d.KeepDraining) {
		return
	}
	d.plan.Draining = append(d.plan.Draining, Draining{
		Ref: Ref{key, b.DestKey}, Drain: t, Conns: b.Conns, Begun: b.Weight == 0,
	})
	b.Weight = 0
	want.Dests = append(want.Dests, b)
	if next.Draining == nil {
		next.Draining = map[kernel.DestKey]Drain{}
	}
	next.Draining[b.DestKey] = t
}

// over reports whether a backend at weight 0 may be deleted.
func (t Drain) over(p kernel.Protocol, c kernel.Conns, now time.Time) bool {
	switch {
	case !now.Before(t.Until):
		return true
	case c.Active > 0:
		return false
	case c.Inactive == 0:
		return true
	}
	counted := p == kernel.TCP || p == kernel.SCTP // the kernel tells active connections from inactive ones
	return counted && now.Sub(t.Since) >= handshakeGrace
}
