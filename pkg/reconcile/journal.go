package reconcile

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/kernel"
)

// journal logs passes: what changed, once a pass, and what is wrong, once until it changes.
type journal struct {
	log  zerolog.Logger
	said map[string]bool // what was wrong at the last pass
	fell func(Fell)      // nil: nobody is told

	elsewhere map[kernel.Address]bool    // what was said of addresses on other interfaces
	allDown   map[kernel.ServiceKey]bool // the services of which it was said that all their backends are down
	waiting   map[kernel.ServiceKey]bool // those where what is to leave waits, and whether it was said that this is not well
}

func newJournal(log zerolog.Logger) journal {
	return journal{
		log:     log.With().Str("component", "reconcile").Logger(),
		allDown: map[kernel.ServiceKey]bool{}, waiting: map[kernel.ServiceKey]bool{},
	}
}

// countNames are the log's names for the numbers of operations done.
var countNames = map[kernel.OpKind]string{
	kernel.AddService:    "services_added",
	kernel.EditService:   "services_edited",
	kernel.DeleteService: "services_deleted",
	kernel.AddDest:       "backends_added",
	kernel.EditDest:      "backends_edited",
	kernel.DeleteDest:    "backends_deleted",
}

// hostCountNames are those for what is done on the host.
var hostCountNames = map[kernel.HostOpKind]string{
	kernel.SetSysctl:     "sysctls_set",
	kernel.SetTimeouts:   "timeouts_set",
	kernel.StopSync:      "sync_daemons_stopped",
	kernel.StartSync:     "sync_daemons_started",
	kernel.AddLink:       "interfaces_added",
	kernel.RaiseLink:     "interfaces_set_up",
	kernel.DeleteLink:    "interfaces_deleted",
	kernel.AddAddress:    "addresses_added",
	kernel.DeleteAddress: "addresses_deleted",
}

// pass logs a pass; whole is whether it was about every service.
func (j *journal) pass(why cause, whole bool, r *Report) {
	counts, host := map[kernel.OpKind]int{}, map[kernel.HostOpKind]int{}
	var commands, names []string
	for _, res := range r.Results {
		if res.Err != nil {
			continue
		}
		if res.Host != nil {
			host[res.Host.Kind]++
			commands = append(commands, res.String())
		} else {
			counts[res.Op.Kind]++
			if name := r.Plan.called(res.Op.Key); len(names) == 0 || names[len(names)-1] != name {
				names = append(names, name)
			}
		}
		j.log.Debug().Stringer("op", res).Msg("done")
	}
	if len(counts)+len(host) > 0 {
		e := j.log.Info()
		if why == causeHealth && len(counts) == 1 && counts[kernel.EditDest] > 0 && len(host) == 0 {
			e = j.log.Debug() // the engine says who went down and came up; a restoration has a hundred steps
		}
		e.Str("cause", string(why))
		for kind := kernel.AddService; kind <= kernel.DeleteDest; kind++ {
			if counts[kind] > 0 {
				e.Int(countNames[kind], counts[kind])
			}
		}
		for kind := kernel.SetSysctl; kind <= kernel.DeleteAddress; kind++ {
			if host[kind] > 0 {
				e.Int(hostCountNames[kind], host[kind])
			}
		}
		if r.Plan != nil && len(r.Plan.Draining) > 0 {
			e.Int("backends_draining", len(r.Plan.Draining))
		}
		if len(names) > 0 {
			slices.Sort(names)
			e.Strs("services", few(slices.Compact(names)))
		}
		if len(commands) > 0 {
			e.Strs("host", few(commands))
		}
		what := "table changed"
		if len(counts) == 0 {
			what = "host changed"
		}
		e.Int64("took_ms", (r.Read + r.Write).Milliseconds()).Msg(what)
	}
	if r.Plan != nil {
		for _, a := range r.Plan.Adopted {
			j.log.Info().Stringer("service", a.Key).Str("name", r.Plan.Names[a.Key]).
				Int("backends_leaving", len(a.Removes)).Msg("adopted a service that was in the kernel")
		}
	}
	j.health(whole, r)
	j.problems(whole, r)
	if r.Plan != nil && r.Plan.addressed {
		j.places(r.Plan.Elsewhere)
	}
}

// places logs which addresses of services others have put on other interfaces, once for each.
func (j *journal) places(elsewhere []kernel.Address) {
	now := make(map[kernel.Address]bool, len(elsewhere))
	var fresh []string
	for _, a := range elsewhere {
		now[a] = true
		if !j.elsewhere[a] {
			fresh = append(fresh, a.String())
		}
	}
	if len(fresh) > 0 {
		j.log.Info().Strs("addresses", few(fresh)).
			Msg("somebody else put these addresses on another interface than vip_interface, and there they stay")
	}
	j.elsewhere = now
}

// few returns the first of a list and, where there are more, how many.
func few(list []string) []string {
	if len(list) <= maxJoined {
		return list
	}
	return append(list[:maxJoined:maxJoined], fmt.Sprintf("and %d more", len(list)-maxJoined))
}

// contested says that gorb and somebody else disagree about the addresses that a pass put back.
func (j *journal) contested(r *Report) {
	var addresses []string
	for _, res := range r.Results {
		if res.Host != nil && res.Host.Kind == kernel.AddAddress && res.Err == nil {
			addresses = append(addresses, res.Host.Address.String())
		}
	}
	j.log.Warn().Strs("addresses", few(addresses)).
		Msg("something takes away the addresses that gorb puts back; it puts them back ever more slowly")
}

// problems logs what is wrong and was not at the last pass. What a pass was not about is as it was.
func (j *journal) problems(whole bool, r *Report) {
	now := map[string]bool{}
	if !whole {
		maps.Copy(now, j.said)
	}
	var fresh []error
	for _, err := range r.Errs {
		if !j.said[err.Error()] && !now[err.Error()] {
			fresh = append(fresh, err)
		}
		now[err.Error()] = true
	}
	for i, err := range fresh {
		if i == maxJoined {
			j.log.Error().Int("more", len(fresh)-i).Msg("and more failures")
			break
		}
		e := j.log.Error().Err(err)
		if op, ok := errors.AsType[*kernel.OpError](err); ok {
			e.Stringer("op", op.Op)
		}
		e.Msg("not done; it will be tried again")
	}
	j.held(now, r)
	if r.Plan != nil {
		for _, l := range r.Plan.LeftAlone {
			text := fmt.Sprintf("%s: %s", l.Object(), l.Reason)
			if !j.said[text] {
				e := j.log.Warn().Stringer("service", l.Key).Str("name", r.Plan.Names[l.Key])
				if l.Dest != (kernel.DestKey{}) {
					e.Stringer("backend", l.Dest)
				}
				e.Str("reason", l.Reason).Msg("left alone")
			}
			now[text] = true
		}
	}
	if len(j.said) > 0 && len(now) == 0 {
		j.log.Info().Msg("everything is done that had failed")
	}
	j.said = now
}

// held logs which services keep capacity that they are to give up, because something failed in them, where that was not
// said of the last pass.
func (j *journal) held(now map[string]bool, r *Report) {
	waiting := map[string][]string{}
	for _, res := range r.Failures() {
		if res.Host != nil || res.Op.Kind == kernel.AddDest || !errors.Is(res.Err, ErrHeld) {
			continue
		}
		if _, ok := errors.AsType[*unremembered](res.Err); ok {
			continue
		}
		name := r.Plan.called(res.Op.Key)
		waiting[name] = append(waiting[name], res.String())
	}
	lines := 0
	for _, name := range slices.Sorted(maps.Keys(waiting)) {
		text := name + ": " + strings.Join(waiting[name], "; ")
		if !j.said[text] && lines < maxJoined {
			lines++
			j.log.Warn().Str("name", name).Strs("waiting", few(waiting[name])).
				Msg("this service keeps what it serves with until what failed in it is mended")
		}
		now[text] = true
	}
}
