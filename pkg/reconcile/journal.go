package reconcile

import (
	"errors"
	"fmt"
	"maps"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/kernel"
)

// journal logs passes: what changed, once a pass, and what is wrong, once until it changes.
type journal struct {
	log  zerolog.Logger
	said map[string]bool // what was wrong at the last pass
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

// pass logs a pass; whole is whether it was about every service.
func (j *journal) pass(why cause, whole bool, r *Report) {
	counts := map[kernel.OpKind]int{}
	for _, res := range r.Results {
		if res.Err == nil {
			counts[res.Op.Kind]++
			j.log.Debug().Stringer("op", res.Op).Msg("done")
		}
	}
	if len(counts) > 0 {
		e := j.log.Info().Str("cause", string(why))
		for kind := kernel.AddService; kind <= kernel.DeleteDest; kind++ {
			if counts[kind] > 0 {
				e.Int(countNames[kind], counts[kind])
			}
		}
		if r.Plan != nil && len(r.Plan.Draining) > 0 {
			e.Int("backends_draining", len(r.Plan.Draining))
		}
		e.Int64("took_ms", (r.Read + r.Write).Milliseconds()).Msg("table changed")
	}
	if r.Plan != nil {
		for _, a := range r.Plan.Adopted {
			j.log.Info().Stringer("service", a.Key).Str("name", r.Plan.Names[a.Key]).
				Int("backends_leaving", len(a.Removes)).Msg("adopted a service that was in the kernel")
		}
	}
	j.problems(whole, r)
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
		var op *kernel.OpError
		if errors.As(err, &op) {
			e.Stringer("op", op.Op)
		}
		e.Msg("not done; it will be tried again")
	}
	if r.Plan != nil {
		for _, l := range r.Plan.LeftAlone {
			text := fmt.Sprintf("%s: %s", l.Key, l.Reason)
			if !j.said[text] {
				j.log.Warn().Stringer("service", l.Key).Str("name", r.Plan.Names[l.Key]).Str("reason", l.Reason).
					Msg("left alone")
			}
			now[text] = true
		}
	}
	if len(j.said) > 0 && len(now) == 0 {
		j.log.Info().Msg("everything is done that had failed")
	}
	j.said = now
}
