package sources

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

// register makes what is registered what is declared.
func (r *Registrar) register(ctx context.Context, d *spec.Desired) error {
	if r.at == nil {
		return nil
	}
	now := time.Now()
	has, err := r.at.list(ctx)
	if err != nil {
		return err
	}
	up := chores{Pass: !now.Before(r.at.passed.Add(upkeep)), Keep: d.Incomplete}
	did, err := r.carryOut(ctx, r.at, has, planRegistrations(r.owner, r.wanted(d), has, up), now.Add(longestTurn))
	r.at.services, r.at.more = len(did.services), did.more
	if up.Pass && (err == nil || isRefused(err)) {
		r.at.passed = now
	}
	if did.registered+did.deregistered > 0 {
		r.log.Info().Str("consul", r.at.consul.Address).Int("registered", did.registered).
			Int("deregistered", did.deregistered).Msg("what is registered with Consul has changed")
	}
	return err
}

// deeds is what carryOut did, and the IDs of the services that are registered then.
type deeds struct {
	services                 map[string]bool
	registered, deregistered int
	more                     bool // there was no time for the rest
}

// carryOut does what is planned for a registry that has something, and registers nothing more after a time. What is
// refused does not keep the rest from being done; when there is no answer, there is no sense in more.
func (r *Registrar) carryOut(ctx context.Context, at registry, has []Registration, ops []registerOp, until time.Time) (deeds, error) {
	did := deeds{services: make(map[string]bool)}
	for _, h := range has {
		if h.isService(r.owner) {
			did.services[h.ID] = true
		}
	}
	var first error
	more := 0
	for _, op := range ops {
		if op.Register != nil && time.Now().After(until) {
			did.more = true
			break
		}
		err := at.do(ctx, op)
		switch {
		case err != nil && !isRefused(err):
			return did, fmt.Errorf("%s: %w", op, err)
		case err != nil && first == nil:
			first = fmt.Errorf("%s: %w", op, err)
		case err != nil:
			more++
		case op.Register != nil:
			r.log.Debug().Str("name", op.Register.Name).Str("id", op.Register.ID).Msg("registered with Consul")
			did.registered++
			if op.Register.isService(r.owner) {
				did.services[op.Register.ID] = true
			}
		case op.Deregister != "":
			r.log.Debug().Str("id", op.Deregister).Msg("deregistered from Consul")
			did.deregistered++
			delete(did.services, op.Deregister)
		}
	}
	if more > 0 {
		first = fmt.Errorf("%w (and %d more)", first, more)
	}
	return did, first
}

func isRefused(err error) bool {
	_, ok := errors.AsType[refusedError](err)
	return ok
}

// leave has the agents that are to have nothing of ours forget it, and says whether one did.
func (r *Registrar) leave(ctx context.Context) (left bool) {
	var still []departure
	for _, l := range r.leaving {
		n, err := r.clear(ctx, l)
		left = left || n > 0
		switch {
		case err == nil:
			r.log.Info().Str("consul", l.address).Int("deregistered", n).Msg("nothing is registered with this Consul any more")
			l.close()
		case time.Now().Before(l.until):
			still = append(still, l)
		default:
			r.log.Warn().Str("consul", l.address).Err(err).
				Msg("what was registered with this Consul could not be taken out; without gorb it is critical within a minute")
			l.close()
		}
	}
	r.leaving = still
	return left
}

// clear takes out what is registered with an agent, and says how much that was.
func (r *Registrar) clear(ctx context.Context, l departure) (int, error) {
	has, err := l.list(ctx)
	if err != nil {
		return 0, err
	}
	did, err := r.carryOut(ctx, l, has, planRegistrations(r.owner, nil, has, chores{}), time.Time{})
	return did.deregistered, err
}

// end takes out what is not to stay registered without gorb, and ends the connections.
func (r *Registrar) end() {
	ctx, cancel := context.WithTimeout(context.Background(), leaveTime) // Run's own has ended
	defer cancel()
	if at := r.at; at != nil {
		if at.consul.DeregisterAtExit {
			r.leaving = append([]departure{{registry: at, address: at.consul.Address}}, r.leaving...)
		} else {
			at.close()
		}
	}
	r.leave(ctx)
	for _, l := range r.leaving {
		l.close()
	}
}

// tell notes how it went, and says what is new about that.
func (r *Registrar) tell(err error) {
	at := r.at
	if at == nil {
		r.status.Store(nil)
		return
	}
	now, first, was := time.Now(), at.since.IsZero(), at.err
	at.err = ""
	if err != nil {
		at.err = err.Error()
	}
	if first || (at.err == "") != (was == "") {
		at.since = now
	}
	if first || at.err != was {
		r.say(now, at)
	}
	state := Good
	if err != nil {
		state = Failing
	}
	r.status.Store(&RegistrarStatus{Address: at.consul.Address, State: state, Since: at.since, Services: at.services, Err: at.err})
}

// say logs how it stands with an agent. What flaps is said at debug level.
func (r *Registrar) say(now time.Time, at *registered) {
	level, text := zerolog.InfoLevel, "services are registered with Consul"
	if at.err != "" {
		level, text = zerolog.ErrorLevel, "registration with Consul fails, and is tried again"
	}
	if !r.said.speaks(now) {
		level = zerolog.DebugLevel
	}
	event := r.log.WithLevel(level).Str("consul", at.consul.Address)
	if at.err != "" {
		event.Str(zerolog.ErrorFieldName, at.err)
	}
	event.Int("services", at.services).Msg(text)
}
