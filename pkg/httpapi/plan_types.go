package httpapi

import (
	"encoding/json"
	"time"
)

// PlanRequest asks what other sources would come to.
type PlanRequest struct {
	Layers         []PlanLayer `json:"layers"` // the lowest first
	AcceptRemovals bool        `json:"accept_removals,omitempty"`
	Flush          bool        `json:"flush,omitempty"` // as 'run -f'
}

// PlanLayer is what one source is to say.
type PlanLayer struct {
	Name string `json:"name"`
	// Document is the whole of it, with the keys of the file; none: what the daemon has of the source of that name.
	Document json.RawMessage `json:"document,omitempty"`
	Remote   bool            `json:"remote,omitempty"` // it came from elsewhere, and may not say all that a file may
}

// Plan is what a pass would do, and what it would leave alone and why.
type Plan struct {
	Daemon     *Asked      `json:"daemon"`     // the gorb that was asked; null: none
	Operations []Operation `json:"operations"` // in order
	Draining   []Draining  `json:"draining"`   // backends that leave and still have time
	Leaving    []Leaving   `json:"leaving"`    // services that go when their backends have gone
	Adopted    []Adopted   `json:"adopted"`
	LeftAlone  []LeftAlone `json:"left_alone"`
	Foreign    []string    `json:"foreign"`   // services that are neither declared nor gorb's
	Elsewhere  []Elsewhere `json:"elsewhere"` // addresses of services on other interfaces than the declared one
	Problems   []string    `json:"problems"`  // what is declared and cannot be here
	// LeftAtZero are the backends that nobody checks here, and that stay at weight 0 because the kernel has them there.
	LeftAtZero []AtZero  `json:"left_at_zero"`
	Waiting    []Waiting `json:"waiting"`  // where removals and lowerings wait for a backend that stays to come up
	Held       []HeldOf  `json:"held"`     // removals that wait to be confirmed, and are not part of the plan
	Away       []Away    `json:"away"`     // sources that cannot be had, for which what they said last counts
	Warnings   []string  `json:"warnings"` // what is allowed and likely a mistake
	Order      []Drift   `json:"order"`    // services that 'gorb reorder' would mend
	Summary    string    `json:"summary"`
}

// Asked is the gorb that made a plan.
type Asked struct {
	PID       int    `json:"pid"`
	Socket    string `json:"socket"`
	Namespace string `json:"namespace"`   // the network namespace whose table it keeps
	Sources   bool   `json:"own_sources"` // the plan is of its own sources
	Overrides int    `json:"overrides"`   // how many have an effect
}

// Operation is one step of a plan.
type Operation struct {
	Args    string `json:"args,omitempty"`    // of ipvsadm(8), for an operation on the table
	Command string `json:"command,omitempty"` // for one around it
	Service string `json:"service,omitempty"`
	Name    string `json:"name,omitempty"`
	Backend string `json:"backend,omitempty"`
	Note    string `json:"note,omitempty"`
	Error   string `json:"error,omitempty"` // why it is not done, where it was tried
}

// Draining is a backend that leaves.
type Draining struct {
	Service  string    `json:"service"`
	Name     string    `json:"name,omitempty"`
	Backend  string    `json:"backend"`
	Active   uint32    `json:"active"`
	Inactive uint32    `json:"inactive"`
	Begun    bool      `json:"begun"` // it is at weight 0 in the kernel already
	Since    time.Time `json:"since"`
	Until    time.Time `json:"until"`
	Then     string    `json:"then"` // what ends it
}

// Leaving is a service that is no longer declared and has backends that drain.
type Leaving struct {
	Service string `json:"service"`
	Name    string `json:"name,omitempty"`
	Then    string `json:"then"` // what ends it
}

// Adopted is a service that somebody else made and the configuration names.
type Adopted struct {
	Service string    `json:"service"`
	Name    string    `json:"name"`
	Removes []Removed `json:"removes"` // its backends that are not declared
}

// Removed is a backend that leaves an adopted service.
type Removed struct {
	Backend string `json:"backend"`
	Weight  uint32 `json:"weight"`
	Active  uint32 `json:"active"`
}

// Elsewhere is an address that somebody else put on an interface.
type Elsewhere struct {
	Address   string `json:"address"`
	Interface string `json:"interface"`
}

// LeftAlone is a service, or a backend, that gorb would write and does not.
type LeftAlone struct {
	Service string `json:"service"`
	Name    string `json:"name,omitempty"`
	Backend string `json:"backend,omitempty"` // where only that is left alone
	Reason  string `json:"reason"`
}

// AtZero is a backend that stays at weight 0.
type AtZero struct {
	Service string `json:"service"`
	Name    string `json:"name,omitempty"`
	Backend string `json:"backend"`
}

// Waiting is a service that gives up nothing by declaration until a backend that stays is up.
type Waiting struct {
	Service string        `json:"service"`
	Name    string        `json:"name"`
	Reason  WaitingReason `json:"reason"`
}

// HeldOf is the removals of a source that are held.
type HeldOf struct {
	Source     string    `json:"source"`
	Count      int       `json:"count"`       // of services and backends
	Of         int       `json:"of"`          // how many the source alone declared
	MaxRemoval int       `json:"max_removal"` // the share, in percent, over which they are held
	Names      []string  `json:"names"`       // the first of them: "web", "web/a"
	Until      time.Time `json:"until,omitzero"`
}

// Away is a source that cannot be had, or cannot be used as it is.
type Away struct {
	Source string    `json:"source"`
	Error  string    `json:"error"`
	Copied time.Time `json:"copied,omitzero"` // when what counts of it came, where that is known
}

// Drift is a service whose backends stand in another order than the canonical one.
type Drift struct {
	Service string   `json:"service"`
	Name    string   `json:"name,omitempty"`
	Moves   []string `json:"backends_to_move"` // what 'gorb reorder' would take out and put back
	Moved   int      `json:"slots_moved"`      // of the scheduler's table
	Slots   int      `json:"slots"`
	About   bool     `json:"about"` // the number of slots is not exact
	Remark  string   `json:"remark,omitempty"`
}
