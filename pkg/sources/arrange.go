package sources

import (
	"cmp"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/gorb-io/gorb/pkg/spec"
)

const (
	// maxDepth is how deep declarations of sources may nest: a file that declares a file that declares a URL.
	maxDepth = 4
	// maxSources is how many sources there may be in all.
	maxSources = 256
	// grace is how long a source may take to answer before its last good copy counts instead, so that a restart does not
	// begin with what is old where the source is well.
	grace = time.Second
)

// layer is one source. A bad one counts with what was accepted of it last, if anything was.
type layer struct {
	id       int
	name     string
	remote   bool
	decl     spec.SourceDecl // of one that is declared, or named with a URL
	parent   *layer          // whose document declares it; nil: the operator named it
	depth    int
	children []*layer

	newest *spec.Document // the newest good one; nil: there was none yet
	sound  *spec.Document // the one that is part of what counts; nil: none
	stamp  uint64         // the order in which the newest ones came
	bad    bool           // what is there now is not good
	live   bool           // newest is what the source itself delivered

	reading Reading        // the newest good one, until it is saved
	saved   *spec.Document // the newest that was to be saved

	copied *spec.Document // the last good copy of an earlier run, until the source has delivered; nil: none
	copyAt time.Time      // when that counts at the latest
	before *spec.Document // what counted before the hold that the end of that run cut short, until the start; nil: there was none
	kept   bool           // what counted before a hold is kept on disk
	guard  guard
	heard  bool          // the source has been well read since the hold was over, and that is not judged yet
	askAt  time.Time     // when the source is asked to confirm a removal; zero: not
	origin *spec.Desired // what the held objects were declared in first, to explain them

	heldNames []string // the first of those
	said      voice
	account   account
}

// isRemote says whether a declared source is not the operator's own file.
func isRemote(d spec.SourceDecl) bool {
	scheme, _, found := strings.Cut(d.URL, "://")
	return found && scheme != "file"
}

// title is what a declared source is called: without a name of its own its address, without what may be a credential.
func title(d spec.SourceDecl) string {
	if d.Name != "" && d.Name != d.URL || !isRemote(d) {
		return cmp.Or(d.Name, d.URL)
	}
	at, err := url.Parse(d.URL)
	if err != nil {
		return d.URL
	}
	return shown(at)
}

// arranged lists the layers that take part when these documents count, the lowest first: what a document declares
// stands directly above it, or below it, in the order in which it is declared.
func (s *stack) arranged(p picks) []*layer {
	var order []*layer
	for _, l := range s.layers {
		if l.parent == nil {
			order = l.place(p, order)
		}
	}
	return order
}

// newest is the newest document of each layer.
func (s *stack) newest() picks {
	p := make(picks, len(s.layers))
	for _, l := range s.layers {
		p[l] = l.newest
	}
	return p
}

// sound is the document of each layer that counts.
func (s *stack) sound() picks {
	p := make(picks, len(s.layers))
	for _, l := range s.layers {
		p[l] = l.sound
	}
	return p
}

// place appends a layer, and what its document declares, to order.
func (l *layer) place(p picks, order []*layer) []*layer {
	var decls []spec.SourceDecl
	if doc := p[l]; doc != nil && !l.remote {
		decls = doc.Sources()
	}
	near := func(below bool) {
		for _, d := range decls {
			if child := l.child(d); child != nil && d.Below == below && !slices.Contains(order, child) {
				order = child.place(p, order)
			}
		}
	}
	near(true)
	order = append(order, l)
	near(false)
	return order
}

// child is the layer of a source that l declares, or nil.
func (l *layer) child(d spec.SourceDecl) *layer {
	for _, c := range l.children {
		if c.name == title(d) && c.decl.URL == d.URL {
			return c
		}
	}
	return nil
}

// order tells the shell to start a source as the given layer, to stop it, to save its last good document, or to keep the
// one before.
type order struct {
	id   int
	stop bool
	decl spec.SourceDecl
	name string
	save *Reading // nil: it is not about that
	hold *bool    // whether something of the source is held; nil: it is not about that
}

// recruits does what recruit does for all layers: a name that one of them does not use any more may be another's.
func (s *stack) recruits(now time.Time) {
	for _, l := range slices.Clone(s.layers) {
		s.recruit(now, l)
	}
}

// recruit makes layers for the sources that the newest document of l declares and there are none for yet, and renews those
// that are declared otherwise than before.
func (s *stack) recruit(now time.Time, l *layer) {
	if l.newest == nil || l.remote {
		return
	}
	for _, d := range l.newest.Sources() {
		c := l.child(d)
		switch {
		case c == nil:
			if c = s.enlist(now, l, d); c == nil {
				continue
			}
		case !sameDecl(c.decl, d):
			s.retire(now, c)
			s.number(c)
			c.decl = d
			s.orders = append(s.orders, order{id: c.id, decl: d})
		}
	}
}

// enlist makes the layer of a declared source; nil if there is no room for it.
func (s *stack) enlist(now time.Time, l *layer, d spec.SourceDecl) *layer {
	name := title(d)
	why := ""
	switch {
	case l.depth+1 > maxDepth:
		why = fmt.Sprintf("declarations nest deeper than %d", maxDepth)
	case len(s.layers) >= maxSources:
		why = fmt.Sprintf("there are over %d sources", maxSources)
	case slices.ContainsFunc(s.arranged(s.newest()), func(o *layer) bool { return o.name == name }):
		why = "another source has the name"
	}
	if why != "" {
		if !s.unlisted[name] && len(s.unlisted) < maxSources {
			s.unlisted[name] = true
			s.log.Error().Str("source", name).Str("file", l.name).Str("why", why).Msg("source not used")
		}
		return nil
	}
	delete(s.unlisted, name)
	c := &layer{name: name, remote: isRemote(d), decl: d, parent: l, depth: l.depth + 1, said: newVoice(now)}
	c.account.since = now
	s.number(c)
	if c.remote {
		s.recall(now, c)
	}
	l.children = append(l.children, c)
	s.layers = append(s.layers, c)
	s.orders = append(s.orders, order{id: c.id, decl: d})
	return c
}

// number gives a layer a number that no reading of an earlier source has.
func (s *stack) number(l *layer) {
	l.id = s.numbers
	s.numbers++
	s.byID[l.id] = l
}

// retire stops the source that has a layer's number.
func (s *stack) retire(now time.Time, l *layer) {
	delete(s.byID, l.id)
	s.undoubt(now, l.id)
	s.orders = append(s.orders, order{id: l.id, stop: true})
}

// recall looks for the last good copy of a source.
func (s *stack) recall(now time.Time, l *layer) {
	if s.copies == nil {
		return
	}
	doc, at, err := s.copies.Load(l.name)
	if err != nil {
		s.log.Warn().Str("source", l.name).Err(err).Msg("no last good copy of the source")
	}
	if doc != nil {
		l.copied, l.copyAt, l.account.good = doc, now.Add(grace), at
	}
	l.before, err = s.copies.Before(l.name)
	if err != nil {
		s.log.Warn().Str("source", l.name).Err(err).Msg("what was held of the source at the end is not known")
	}
	l.kept = l.before != nil
}

// dismiss drops the declared layers that neither the newest documents declare nor those that count.
func (s *stack) dismiss(now time.Time) {
	stay := append(s.arranged(s.newest()), s.arranged(s.sound())...)
	s.layers = slices.DeleteFunc(s.layers, func(l *layer) bool {
		if slices.Contains(stay, l) {
			return false
		}
		s.retire(now, l)
		if l.kept {
			s.keepBefore(l, false)
		}
		l.parent.children = slices.DeleteFunc(l.parent.children, func(c *layer) bool { return c == l })
		return true
	})
}

// sameDecl says whether two declarations make the same source. Where it stands is no part of that.
func sameDecl(a, b spec.SourceDecl) bool {
	a.Below = b.Below
	return reflect.DeepEqual(a, b)
}
