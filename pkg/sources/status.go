package sources

import (
	"net/netip"
	"slices"
	"time"

	"github.com/gorb-io/gorb/pkg/spec"
)

// State is how a source is.
type State string

// The states.
const (
	Waiting State = "waiting" // it has not answered yet, and there is nothing of it
	Good    State = "good"
	Copied  State = "copied"  // its last good copy of an earlier run counts
	Failing State = "failing" // it fails, and its last good document counts, if there is one
	Refused State = "refused" // its newest document does not go with the others, and the one before counts
)

// Status is what is known of the sources, the lowest layer first.
type Status struct {
	Sources    []SourceStatus
	Incomplete bool            // not every source has been heard yet, so nothing is removed
	Refused    string          // why what is there together is not what counts; "": it is
	Overrides  []spec.Override // those that it is about: what is written after has not been looked at yet
	Aside      []Aside         // the overrides that do not go with the documents
	Dangling   []spec.Override // the overrides without effect, because their object is gone
	Idle       []spec.Override // the overrides that hide what is not there
	Doubted    int             // how many services would leave, if the files that are read again say so once more
}

// SourceStatus is what is known of one source.
type SourceStatus struct {
	Name    string
	Remote  bool
	State   State
	Since   time.Time // since when it is good, fails or is refused
	Version string    // what the source calls its newest document: an ETag, an index; ""
	Good    time.Time // when the last good document came; zero: never
	Err     string    // why what is there now cannot be used; ""
	Held    Held
}

// Held is the removals of a source that wait to be confirmed.
type Held struct {
	Count int       // of services and backends; 0: nothing is held
	Of    int       // how many the source alone declared
	Names []string  // the first of them: "web", "web/a"
	Until time.Time // when the source is asked to confirm the first of them
}

// view is what others may look at while the loop goes on. It is never changed once made.
type view struct {
	status  Status
	desired *spec.Desired        // the newest that counts; nil: nothing yet
	held    map[[2]string]origin // by names now, the services and backends that are held
	laid    *spec.Laid           // what desired was made of, but for what is held; nil: it is not known
	stands  []standing           // what counts of the layers
	guards  []guarded            // those that hold something

	hopeless error    // why nothing valid can be made of what is there; nil: it can
	started  bool     // there is something that counts, as far as it is valid
	missing  []string // the sources that have not been heard yet

	revision uint64        // of the store, up to which overrides have been looked at
	newer    chan struct{} // closed when there is a view of a newer one
}

// guarded is what the guard of a source holds.
type guarded struct {
	source string
	guard  guard
}

// HeldObject is a service or backend whose removal is held, as the kernel knows it.
type HeldObject struct {
	Source  string         // by name
	Service spec.Service   // its identity, and nothing else
	Backend netip.AddrPort // the zero value: the service itself
	Since   time.Time      // since when the source leaves it out
}

// view makes what others see.
func (s *stack) view() *view {
	missing := s.missing()
	v := &view{desired: s.accepted, laid: s.laid, revision: s.revision, hopeless: s.hopeless, started: s.started, missing: missing, held: s.origins, stands: s.stands(), status: Status{
		Refused: s.refused, Overrides: s.overrides, Aside: s.aside, Dangling: s.dangling, Idle: s.idle, Doubted: len(s.removal.gone), Incomplete: len(missing) > 0,
	}}
	order := s.arranged(s.newest())
	for _, l := range s.layers {
		if !slices.Contains(order, l) {
			order = append(order, l)
		}
	}
	for _, l := range order {
		v.status.Sources = append(v.status.Sources, s.statusOf(l))
		if len(l.guard.held) > 0 {
			v.guards = append(v.guards, guarded{l.name, l.guard})
		}
	}
	return v
}

func (s *stack) statusOf(l *layer) SourceStatus {
	st := SourceStatus{
		Name: l.name, Remote: l.remote, State: Good, Since: l.account.since, Version: l.account.version,
		Good: l.account.good, Err: l.account.err,
	}
	switch {
	case l.bad:
		st.State = Failing
	case l.newest == nil:
		st.State = Waiting
	case l.account.refused != "":
		st.State, st.Err, st.Since = Refused, l.account.refused, l.account.refusedAt
	case l.copied != nil && l.newest == l.copied:
		st.State = Copied
	}
	if n := len(l.guard.held); n > 0 {
		st.Held = Held{Count: n, Of: l.guard.all, Names: l.heldNames, Until: l.guard.due(limitsOf(l.decl))}
	}
	return st
}

// Status returns what is known of the sources now. It may be called from anywhere, also before Run.
func (l *Layers) Status() Status { return l.snapshot.Load().status }

// Held lists everything whose removal is held, in no order. It may be called from anywhere.
func (l *Layers) Held() []HeldObject {
	var list []HeldObject
	for _, g := range l.snapshot.Load().guards {
		for o, since := range g.guard.held {
			id := o.service
			list = append(list, HeldObject{
				Source: g.source, Backend: o.backend, Since: since,
				Service: spec.Service{Protocol: id.protocol, Host: id.host, Port: id.port, Fwmark: id.fwmark, Family: id.family},
			})
		}
	}
	return list
}

// HeldFor is the name of the source that leaves out a service, or a backend of it, that is held; "": it is not held. It may
// be called from anywhere.
func (l *Layers) HeldFor(service, backend string) string {
	return l.snapshot.Load().held[[2]string{service, backend}].source
}

// Desired returns the newest Desired that counts; nil: there is none yet. It may be called from anywhere.
func (l *Layers) Desired() *spec.Desired { return l.snapshot.Load().desired }

// Explain says where each field of a service comes from, or of a backend of it. It may be called from anywhere.
func (l *Layers) Explain(service, backend string) ([]spec.Field, error) {
	v := l.snapshot.Load()
	if v.desired == nil {
		return nil, ErrNothingYet
	}
	if was, held := v.held[[2]string{service, backend}]; held {
		return was.desired.Explain(was.service, was.backend)
	}
	return v.desired.Explain(service, backend)
}
