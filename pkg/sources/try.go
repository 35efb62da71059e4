package sources

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

// ErrNothingYet says that no configuration counts yet.
var ErrNothingYet = errors.New("there is no configuration yet")

// Proposal is what a source is to say, in Layers.Try.
type Proposal struct {
	Name     string
	Document *spec.Document // nil: what the source of that name says already
}

// standing is what counts of a layer. It is never changed once made.
type standing struct {
	name     string
	decl     spec.SourceDecl
	document *spec.Document // nil: none
	guard    guard
	origin   *spec.Desired
	part     bool // it takes part
}

// stands lists what counts of all layers, the lowest first.
func (s *stack) stands() []standing {
	order := s.arranged(s.sound())
	n := len(order)
	for _, l := range s.layers {
		if !slices.Contains(order, l) {
			order = append(order, l)
		}
	}
	all := make([]standing, len(order))
	for i, l := range order {
		all[i] = standing{name: l.name, decl: l.decl, document: l.sound, guard: l.guard, origin: l.origin, part: i < n}
	}
	return all
}

// Try finds what would count if these were the sources, the lowest first, and a Reload had just read them; no proposals
// are the sources as they are. What remote sources of the same names would remove is held as it would be, unless accept.
// The overrides are laid on top. Services and [defaults] are those of the proposals alone; what these leave out of the other
// tables is what the sources say now that none of them stands for (Trial.Own), because it is of the daemon and of the machine
// that it runs on. The error is spec.Problems where what is proposed is not valid. Nothing changes by it, and it may be called from anywhere.
func (l *Layers) Try(proposals []Proposal, accept bool) (*Trial, error) {
	v := l.snapshot.Load()
	if v.desired == nil {
		return nil, ErrNothingYet
	}
	now := time.Now()
	s := v.stack(now, l.finish)
	own := v.documentsBeside(proposals)
	if len(proposals) == 0 {
		for _, st := range v.stands {
			if st.part {
				s.propose(now, st, st.document)
			}
		}
	} else {
		settings := spec.SettingsOf(ownSettings, own...)
		s.propose(now, standing{name: ownSettings, document: settings}, settings)
	}
	known := make(map[string]standing)
	for _, st := range v.stands {
		known[st.name] = st
	}
	proposed := make([]*spec.Document, 0, len(proposals))
	for i, p := range proposals {
		st, was := known[p.Name]
		switch {
		case p.Name == "" || len(proposals) > maxSources:
			return nil, spec.Problems{{Source: "the plan", Message: fmt.Sprintf("there are 1 to %d sources, and each has a name", maxSources)}}
		case slices.ContainsFunc(proposals[:i], func(o Proposal) bool { return o.Name == p.Name }):
			return nil, spec.Problems{{Source: p.Name, Message: "another source has the name"}}
		case p.Document == nil && (!was || st.document == nil):
			return nil, spec.Problems{{Source: p.Name, Message: "there is nothing of this source yet"}}
		case p.Document == nil:
			p.Document = st.document
		}
		st.name = p.Name
		s.propose(now, st, p.Document)
		proposed = append(proposed, p.Document)
	}
	s.bystanders(v.stands)
	s.judge(now, cause{asked: true})
	if s.refused != "" {
		return nil, s.wrong()
	}
	if accept {
		s.acceptAll(now)
	}
	trial := s.trial()
	if len(proposals) > 0 {
		trial.Own = spec.LeftOut(own, proposed)
	}
	return trial, nil
}

// ownSettings is what the layer of the settings is called that the proposals leave out.
const ownSettings = "the settings of this gorb"

// documentsBeside are those that count of other sources than these, the lowest first.
func (v *view) documentsBeside(proposals []Proposal) []*spec.Document {
	var docs []*spec.Document
	for _, st := range v.stands {
		proposed := slices.ContainsFunc(proposals, func(p Proposal) bool { return p.Name == st.name })
		if st.part && st.document != nil && !proposed {
			docs = append(docs, st.document)
		}
	}
	return docs
}

// stack begins a stack with what counts.
func (v *view) stack(now time.Time, finish func(*spec.Desired) (*spec.Desired, error)) *stack {
	s := newStack(NewLayers(zerolog.Nop(), nil, finish), now)
	s.started, s.accepted, s.handed, s.overrides = true, v.desired, v.desired, v.status.Overrides
	return s
}

// propose adds a layer that has a new document.
func (s *stack) propose(now time.Time, st standing, doc *spec.Document) {
	l := s.found(now, st.name, st.decl, doc)
	l.sound, l.guard, l.origin = st.document, st.guard, st.origin
	l.account.held = len(st.guard.held) > 0
}

// bystanders adds the layers that are not among those proposed. They declare nothing any more, and what they share with
// another is not that one's alone.
func (s *stack) bystanders(all []standing) {
	for _, st := range all {
		if !slices.ContainsFunc(s.layers, func(l *layer) bool { return l.name == st.name }) {
			l := &layer{name: st.name, decl: st.decl, remote: isRemote(st.decl), sound: st.document, parent: &layer{}}
			s.number(l)
			s.layers = append(s.layers, l)
		}
	}
}
