package sources

import (
	"errors"
	"reflect"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

const (
	// gathering is how long the answers to a Reload are waited for, so that a file on a dead disk does not hold up the rest.
	gathering = 2 * patience
	// between is the least time between two Desireds that come of documents.
	between = 50 * time.Millisecond
)

// A stack is the documents of all layers and what became of them. It belongs to one goroutine and has no clock: it is
// told the time, and says when it wants to be called.
type stack struct {
	log    zerolog.Logger
	finish func(*spec.Desired) (*spec.Desired, error)
	copies copies        // nil: none
	wait   time.Duration // how long the guard of files waits

	layers   []*layer // those of the operator in their order, then those that are declared
	byID     map[int]*layer
	numbers  int             // the next number of a layer
	stamps   uint64          // the next stamp of a document
	unlisted map[string]bool // declared sources that are not used, as was said
	orders   []order         // for the shell

	overrides []spec.Override // the newest
	revision  uint64          // of the store when they were

	before   *spec.Desired        // what an earlier run left; nil: nothing is known of one
	handed   *spec.Desired        // what was taken last; nil: nothing yet
	next     *spec.Desired        // what is to be taken; nil: nothing new
	serial   uint64               // of the newest that was to be handed over
	accepted *spec.Desired        // the newest that counts: next, or else handed, or what the last good copies make
	refused  string               // why the newest documents do not go together; "": they do
	hopeless error                // why nothing valid can be made at all; nil: it can
	aside    []Aside              // the overrides that do not go with the documents
	dangling []spec.Override      // those without effect, because their object is gone
	idle     []spec.Override      // those that hide what is not there
	laying   spec.Layering        // of the newest documents
	laid     *spec.Laid           // what accepted was made of; nil: it is not known any more
	free     map[object]bool      // what was held and has been let go, until it leaves
	origins  map[[2]string]origin // by names now, the services and backends that are held
	said     voice

	started  bool
	startBy  time.Time    // until when every source is waited for
	touched  map[int]bool // the layers that have said something since the last judgement, and whether it was good
	judgeAt  time.Time    // when that is judged; zero: there is nothing
	pausedTo time.Time    // no judgement of documents before that

	reloading map[int]bool // the layers whose answer to a Reload is still to come; nil: there was none
	askedFor  map[int]bool // the layers that were to be reloaded since the last judgement
	gatherTo  time.Time    // until when those are waited for
	removal
}

func newStack(l *Layers, now time.Time) *stack {
	s := &stack{
		log: l.log, finish: l.finish, copies: l.Copies, wait: l.Wait, before: l.Before,
		byID: make(map[int]*layer), unlisted: make(map[string]bool), touched: make(map[int]bool),
		askedFor: make(map[int]bool), free: make(map[object]bool),
		startBy: now.Add(l.StartTimeout), said: newVoice(now),
	}
	for _, top := range l.tops {
		s.found(now, top.Source.Name(), top.Decl, top.First)
	}
	if l.Overrides != nil {
		s.overrides, s.revision = l.Overrides.Snapshot()
	}
	return s
}

// found makes the layer of a source that the operator named, of which there may be a document already.
func (s *stack) found(now time.Time, name string, decl spec.SourceDecl, first *spec.Document) *layer {
	l := &layer{name: name, decl: decl, remote: isRemote(decl), newest: first, said: newVoice(now)}
	l.account.since = now
	s.number(l)
	if l.remote {
		s.recall(now, l)
	}
	if l.newest != nil {
		l.account.delivered(now, "")
	}
	s.stamps++
	l.stamp = s.stamps
	s.layers = append(s.layers, l)
	return l
}

// start judges what the program began with.
func (s *stack) start(now time.Time) {
	s.recruits(now)
	for _, l := range s.layers {
		if !l.remote {
			s.touched[l.id] = true
		}
	}
	s.judge(now, cause{})
}

// takeOrders returns what the shell is to do since the last time.
func (s *stack) takeOrders() []order {
	orders := s.orders
	s.orders = nil
	return orders
}

// hand notes that next was taken.
func (s *stack) hand(now time.Time) {
	s.handed, s.next = s.next, nil
	s.pause(now)
}

// pause puts off the next judgement of documents, so that many changes become one.
func (s *stack) pause(now time.Time) {
	s.pausedTo = now.Add(between)
	if !s.judgeAt.IsZero() && s.judgeAt.Before(s.pausedTo) {
		s.judgeAt = s.pausedTo
	}
}

// judgeSoon has what was said judged as soon as there is no pause.
func (s *stack) judgeSoon(now time.Time) {
	if now.Before(s.pausedTo) {
		s.judgeAt = s.pausedTo
		return
	}
	s.judge(now, cause{})
}

// reload begins to collect the readings that were asked for, and says of which layers. They are judged together, because
// a service may have moved from one file to another.
func (s *stack) reload(now time.Time, wanted map[string]bool) []int {
	if s.reloading == nil {
		s.reloading = make(map[int]bool, len(s.layers))
		s.gatherTo = now.Add(gathering) // also where somebody asks again and again
	}
	var ids []int
	for _, l := range s.layers {
		if wanted[everything] || wanted[l.name] {
			s.reloading[l.id], s.askedFor[l.id] = true, true
			ids = append(ids, l.id)
		}
	}
	if wanted[everything] {
		s.waiting, s.confirms, s.confirmAt = nil, nil, time.Time{} // the answers settle it
	}
	return ids
}

// override takes in the overrides. They do not wait for documents, and what waits to be confirmed goes on waiting.
func (s *stack) override(now time.Time, all []spec.Override, revision uint64) {
	s.overrides, s.revision = all, revision
	s.judge(now, cause{override: true})
}

// take takes in a reading.
func (s *stack) take(now time.Time, r Reading) {
	l := s.byID[r.Layer]
	if l == nil {
		return // of a source that is no more
	}
	s.report(now, l, r)
	was := l.newest
	switch {
	case r.Err == nil:
		l.newest, l.reading, l.live = r.Document, r, true
		if s.started {
			l.copied = nil
		}
	case l.sound != nil:
		// What was never accepted, and is not there any more, does not count.
		l.newest = l.sound
		s.undoubt(now, r.Layer)
	case l.copied != nil && l.newest == nil:
		s.useCopy(now, l)
		r.Same = false
	}
	if l.newest != was {
		s.stamps++
		l.stamp = s.stamps
		s.recruits(now)
	}
	l.heard = r.Err == nil && l.guard.over(now, limitsOf(l.decl))
	if s.reloading != nil {
		s.answered(now, r)
		return
	}
	switch {
	case r.Asked:
		s.touch(r)
		s.judge(now, cause{asked: true})
	case r.Same && r.Again && r.Err == nil && s.confirms[r.Layer]:
		// Also of what is not yet part of what counts: the first configuration after a restart may be in doubt.
		if delete(s.confirms, r.Layer); len(s.confirms) == 0 {
			s.judge(now, cause{confirmed: true})
		}
	case !r.Same || l.heard || l.sound == nil && l.newest != nil:
		s.touch(r)
		s.judgeSoon(now)
	}
}

// answered takes in a reading while the answers to a Reload are collected.
func (s *stack) answered(now time.Time, r Reading) {
	s.touch(r)
	if r.Asked {
		delete(s.reloading, r.Layer)
	}
	if len(s.reloading) == 0 {
		s.judge(now, cause{asked: true})
	}
}

// touch notes that a layer has said something that is not judged yet.
func (s *stack) touch(r Reading) {
	s.touched[r.Layer] = r.Err == nil
	if r.Asked {
		s.askedFor[r.Layer] = true
	}
}

// sameDesired says whether two declare the same. Where in its document each of it stands is no part of that.
func sameDesired(a, b *spec.Desired) bool {
	if a == nil || b == nil {
		return a == b
	}
	if a.Incomplete != b.Incomplete || a.Gorb != b.Gorb || !reflect.DeepEqual(a.Consul, b.Consul) ||
		!reflect.DeepEqual(a.Probe, b.Probe) || !reflect.DeepEqual(a.API, b.API) || !reflect.DeepEqual(a.IPVS, b.IPVS) || len(a.Services) != len(b.Services) {
		return false
	}
	for i := range a.Services {
		if !a.Services[i].Equal(&b.Services[i]) {
			return false
		}
	}
	return true
}

// problems adds an error to a log line: one by one where it is a list.
func problems(e *zerolog.Event, err error) *zerolog.Event {
	list, ok := errors.AsType[spec.Problems](err)
	if !ok {
		return e.Err(err)
	}
	lines := make([]string, len(list))
	for i, p := range list {
		lines[i] = p.String()
	}
	return e.Strs("problems", lines)
}
