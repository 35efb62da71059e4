package sources

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gorb-io/gorb/pkg/spec"
)

// What a gorb registers has IDs that begin so: "gorb:OWNER" is the daemon itself, "gorb:OWNER:web" its service web.
// Nothing else is ever touched, so that gorbs with one agent leave each other alone.
const ownedIDPrefix = "gorb:"

// A Registration is a service as an agent of Consul's has it, with the TTL check that gorb gives it.
type Registration struct {
	ID, Name string
	Address  string // "": the agent's own
	Port     int
	Tags     []string
	Meta     map[string]string

	Status string // of the check: "passing", "warning", "critical"; "": there is no such check
	Output string // what the check says to whoever looks
}

// Liveness is what a registration needs to know of a service's backends. One whose pulse is of type none is up.
type Liveness struct {
	Up, All int  // backends that are up, and all
	Pulse   bool // one of them has a pulse that checks; without any there is nothing to go by
}

// AllUp is the Liveness of a service whose backends are not probed: all are up.
func AllUp(s *spec.Service) Liveness {
	l := Liveness{Up: len(s.Backends), All: len(s.Backends)}
	for i := range s.Backends {
		if s.PulseOf(&s.Backends[i]).Type != spec.PulseNone {
			l.Pulse = true
		}
	}
	return l
}

// status is the state of a check: critical when no backend is up, a warning when fewer than the given percent are, 0
// being never. Where no backend has a pulse it is passing.
func (l Liveness) status(warnBelow int) string {
	switch {
	case !l.Pulse:
		return "passing"
	case l.Up == 0:
		return "critical"
	case l.Up*100 < warnBelow*l.All:
		return "warning"
	}
	return "passing"
}

// String says how many are up.
func (l Liveness) String() string {
	if !l.Pulse {
		return "no backend has a pulse"
	}
	return fmt.Sprintf("%d of %d backends up", l.Up, l.All)
}

// usualStateDir is where the state of a machine's only gorb is (spec's default).
const usualStateDir = "/var/lib/gorb"

// Owner is what tells the gorbs of one agent apart: the host's name, and for a state directory that is not the usual one
// a sum of that, because several gorbs of a host, in namespaces, have one each. It is the same after a restart, which
// so finds what the run before registered.
func Owner(host, stateDir string) string {
	owner := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-', r == '_':
			return r
		}
		return '-' // above all for ":", which ends it
	}, host)
	if stateDir != usualStateDir {
		owner += fmt.Sprintf("-%x", sha256.Sum256([]byte(stateDir)))[:9]
	}
	return owner
}

// ownRegistration is how the daemon registers itself.
func ownRegistration(owner, address string, port int) Registration {
	return Registration{
		ID: ownedIDPrefix + owner, Name: "gorb", Address: address, Port: port, Status: "passing", Output: "running",
	}
}

// wantedRegistration is how a service is to be registered; false: not at all, because a firewall mark is no address.
func wantedRegistration(owner string, c spec.Consul, s *spec.Service, l Liveness) (Registration, bool) {
	if s.Fwmark != 0 {
		return Registration{}, false
	}
	r := Registration{
		ID:     ownedIDPrefix + owner + ":" + s.Name,
		Name:   c.NameOf(s),
		Port:   int(s.Port),
		Tags:   c.Tags,
		Meta:   c.Meta,
		Status: l.status(c.WarnBelow),
		Output: l.String(),
	}
	if s.Host.IsValid() {
		r.Address = s.Host.String()
	}
	return r, true
}

// registerOp is one thing to do at the agent. Exactly one of its fields is there.
type registerOp struct {
	Register   *Registration // with its check, in one go
	Pass       *Registration // set the check, which also proves that gorb is alive
	Deregister string        // the ID
}

// String says what is to be done, in an operator's words.
func (op registerOp) String() string {
	switch {
	case op.Register != nil:
		return "register " + op.Register.Name
	case op.Pass != nil:
		return "pass the check of " + op.Pass.Name
	}
	return "deregister " + op.Deregister
}

// chores says what is to be done beside making an agent's list what is wanted.
type chores struct {
	// Pass sets each check anew whether or not it has changed, as it must be before its TTL is over.
	Pass bool
	// Keep has what is not wanted stay as it is, and alive: it may be declared all the same.
	Keep bool
}

// planRegistrations is what makes an agent's list what the owner wants. The list is all that the agent has; what the owner
// did not register is left alone. The checks come first, as their TTL runs; what is new comes before what goes, so that a
// service that is renamed is never away.
func planRegistrations(owner string, wanted, agent []Registration, up chores) []registerOp {
	have := make(map[string]*Registration, len(agent))
	for i := range agent {
		have[agent[i].ID] = &agent[i]
	}
	var passes, others []registerOp
	want := make(map[string]bool, len(wanted))
	for _, w := range slices.SortedFunc(slices.Values(wanted), byID) {
		want[w.ID] = true
		is := have[w.ID]
		switch {
		case is == nil, is.Status == "", !is.same(w):
			others = append(others, registerOp{Register: &w})
		case up.Pass, is.Status != w.Status, is.Output != w.Output:
			passes = append(passes, registerOp{Pass: &w})
		}
	}
	for _, r := range slices.SortedFunc(slices.Values(agent), byID) {
		switch {
		case !r.ownedBy(owner) || want[r.ID]:
		case !up.Keep:
			others = append(others, registerOp{Deregister: r.ID})
		case up.Pass && r.Status != "":
			passes = append(passes, registerOp{Pass: &r})
		}
	}
	return append(passes, others...)
}

func byID(a, b Registration) int { return cmp.Compare(a.ID, b.ID) }

// ownedBy says whether the owner registered it.
func (r Registration) ownedBy(owner string) bool {
	rest, found := strings.CutPrefix(r.ID, ownedIDPrefix+owner)
	return found && (rest == "" || rest[0] == ':')
}

// isService says whether it is a service of the owner's, and not the daemon itself.
func (r Registration) isService(owner string) bool {
	return r.ownedBy(owner) && r.ID != ownedIDPrefix+owner
}

// same says whether two are registered alike, whatever their checks say.
func (r Registration) same(o Registration) bool {
	return r.Name == o.Name && r.Address == o.Address && r.Port == o.Port && slices.Equal(r.Tags, o.Tags) &&
		maps.Equal(r.Meta, o.Meta)
}
