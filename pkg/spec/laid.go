package spec

import (
	"bytes"
	"net/netip"
	"slices"
)

// Laid is what Lay came to, kept so that it costs little to lay the same documents with other overrides: only the services
// whose overrides changed are made anew, and all others are shared. It is never changed once made.
type Laid struct {
	docs      []*Document
	base      declared // of the documents
	finish    func(*Desired) (*Desired, error)
	desired   *Desired
	own       netip.Addr // the host that finish gave to the services that left it out; invalid: there was none
	list      []*laidOverride
	of        shared[string, []*laidOverride] // by service, in order
	names     shared[identity, string]        // what each service is
	setAsides int                             // how many overrides are set aside
}

// laidOverride is an override and what became of it. It is never changed once made.
type laidOverride struct {
	Override
	change *change  // nil: it is wrong alone
	wrong  Problems // why it was set aside; nil: it was not
	effect laidEffect
}

type laidEffect uint8

const (
	laidWell laidEffect = iota
	laidDangling
	laidIdle
)

// A Layering lays again and again, as overrides come and go. It belongs to one goroutine; the zero value is ready.
type Layering struct {
	last   *Laid // nil: there is none to go on from
	layers []*Document
}

// Lay is the function of that name, whose result it makes of the one before where the documents are the same: the result
// is the same but for the warnings. Those of services whose overrides changed have no line, and come last.
//
// The function finish must do the same to a service whatever others there are. It is given the services that changed alone;
// to those that left their host out the one is given that it gave to others before.
func (g *Layering) Lay(layers []Layer, overrides []Override, finish func(*Desired) (*Desired, error)) Layered {
	docs := make([]*Document, len(layers))
	for i, l := range layers {
		docs[i] = l.Document
	}
	if g.last != nil && slices.Equal(docs, g.layers) {
		if next := g.last.again(overrides); next != nil {
			g.last = next
			return next.layered()
		}
	}
	var out Layered
	out, g.last = lay(layers, overrides, finish)
	g.layers = docs
	return out
}

// Laid is what the last Lay came to, to be looked at from anywhere; nil where nothing can go on from it.
func (g *Layering) Laid() *Laid { return g.last }

// maxSetAside is how many overrides may be set aside for others to be laid without them being looked at again.
const maxSetAside = 100

// keep makes a Laid of what documents without faults came to; nil where others cannot go on from it.
func (l *laying) keep(overrides []Override, out Layered) *Laid {
	if out.Desired == nil || len(out.Rejected) > 0 || len(out.Invalid) > maxSetAside || len(out.Desired.asked) > 0 {
		return nil
	}
	k := &Laid{
		docs: l.docs, base: l.base, finish: l.finish, desired: out.Desired, setAsides: len(out.Invalid),
		list: make([]*laidOverride, len(overrides)),
	}
	for i, o := range overrides {
		k.list[i] = &laidOverride{Override: o, change: l.all[i], wrong: out.Invalid[i]}
	}
	for _, i := range out.Dangling {
		k.list[i].effect = laidDangling
	}
	for _, i := range out.Idle {
		k.list[i].effect = laidIdle
	}
	k.of.base = make(map[string][]*laidOverride)
	for _, o := range k.list {
		k.of.base[o.Service] = append(k.of.base[o.Service], o)
	}
	k.names.base = make(map[identity]string, len(k.desired.Services))
	for i := range k.desired.Services {
		s := &k.desired.Services[i]
		k.names.base[s.identity()] = s.Name
		if s.OwnHost {
			k.own = s.Host
		}
	}
	return k
}

// layered is what Lay returns.
func (l *Laid) layered() Layered {
	out := Layered{Desired: l.desired, Invalid: make(map[int]Problems)}
	for i, o := range l.list {
		switch {
		case o.wrong != nil:
			out.Invalid[i] = o.wrong
		case o.effect == laidDangling:
			out.Dangling = append(out.Dangling, i)
		case o.effect == laidIdle:
			out.Idle = append(out.Idle, i)
		}
	}
	return out
}

// maxRelaid is how many overrides may be others than before for that to be quicker than to lay all.
const maxRelaid = 1000

// again lays other overrides; nil: it has to be done from the ground.
func (l *Laid) again(overrides []Override) *Laid {
	list, gone, fresh := l.differ(overrides)
	if len(gone)+len(fresh) > maxRelaid {
		return nil
	}
	services := make(map[string][]*laidOverride)
	for _, o := range gone {
		services[o.Service] = nil
	}
	for _, o := range fresh {
		c, problems := o.decode()
		if len(problems) > 0 {
			return nil
		}
		o.change = c
		services[o.Service] = nil
	}
	for _, o := range list {
		if others, changes := services[o.Service]; changes {
			services[o.Service] = append(others, o)
		}
	}
	r := l.relay(services)
	if r.hard || len(r.problems) > 0 {
		return nil
	}
	return r.whole(list)
}

// Override returns an override, be it in force or set aside.
func (l *Laid) Override(key OverrideKey) (Override, bool) {
	for _, o := range l.of.get(key.Service) {
		if o.Key() == key {
			return o.Override, true
		}
	}
	return Override{}, false
}

// With tries what the documents come to with some overrides in place of those of the same key; those without a Kind take
// them away. Those that end come after those that last. However much there is besides, it costs what the services cost that
// these are about.
func (l *Laid) With(overrides ...Override) *Relaid {
	services := make(map[string][]*laidOverride)
	own := make(map[OverrideKey]bool)
	var wrong Problems
	for _, o := range overrides {
		list, known := services[o.Service]
		if !known {
			list = slices.Clone(l.of.get(o.Service))
		}
		list = slices.DeleteFunc(list, func(p *laidOverride) bool { return p.Key() == o.Key() })
		delete(own, o.Key())
		if o.Kind != "" {
			c, problems := o.decode()
			wrong = append(wrong, problems...)
			at := len(list)
			if first := slices.IndexFunc(list, func(p *laidOverride) bool { return p.Ends() }); first >= 0 && !o.Ends() {
				at = first
			}
			list = slices.Insert(list, at, &laidOverride{Override: o, change: c})
			own[o.Key()] = true
		}
		services[o.Service] = list
	}
	if len(wrong) > 0 {
		return &Relaid{from: l, problems: wrong}
	}
	r := l.relay(services)
	n := 0
	for _, list := range services {
		n += len(list)
	}
	r.shared = n > len(own)
	return r
}

// differ finds what overrides are no more, and which are new; list is all of them in their order. The order of those that stay
// is that of before: one that has moved is gone, and new. Those from the first that ends on are looked at by themselves, so
// that one more that lasts, which comes before them, leaves them as they are.
func (l *Laid) differ(overrides []Override) (list, gone, fresh []*laidOverride) {
	was := slices.IndexFunc(l.list, func(o *laidOverride) bool { return o.Ends() })
	now := slices.IndexFunc(overrides, Override.Ends)
	if was < 0 || now < 0 {
		return differ(l.list, overrides)
	}
	list, gone, fresh = differ(l.list[:was], overrides[:now])
	ending, goneToo, freshToo := differ(l.list[was:], overrides[now:])
	return append(list, ending...), append(gone, goneToo...), append(fresh, freshToo...)
}

func differ(was []*laidOverride, overrides []Override) (list, gone, fresh []*laidOverride) {
	list = make([]*laidOverride, 0, len(overrides))
	for _, o := range was {
		if n := len(list); n < len(overrides) && o.Override.same(&overrides[n]) {
			list = append(list, o)
			continue
		}
		gone = append(gone, o)
	}
	for i := range overrides[len(list):] {
		fresh = append(fresh, &laidOverride{Override: overrides[len(list)+i]})
	}
	return append(list, fresh...), gone, fresh
}

// same reports whether two overrides are one.
func (o *Override) same(p *Override) bool {
	return o.Service == p.Service && o.Backend == p.Backend && o.Kind == p.Kind && o.At.Equal(p.At) && o.Until.Equal(p.Until) &&
		o.Reason == p.Reason && o.By == p.By && (len(o.Body) == len(p.Body) && (len(o.Body) == 0 || &o.Body[0] == &p.Body[0]) ||
		bytes.Equal(o.Body, p.Body))
}
