package sources

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

const (
	// upkeep is how often the agent's list is read and the checks are passed: thrice within their TTL.
	upkeep = checkTTL / 3
	// longestTurn is after how long a turn leaves what is still to be registered to the next, which passes the checks first:
	// an agent that is new to ten thousand services takes minutes for them.
	longestTurn = upkeep / 2
	// betweenTurns is the least time between two looks at the agent, whatever flaps.
	betweenTurns = time.Second
	// leaveTime is how long the end of gorb waits for an agent to deregister what is there.
	leaveTime = 3 * time.Second
)

// A registry is where services are registered; *agent is the real one.
type registry interface {
	// list returns all that is registered, whoever did it.
	list(ctx context.Context) ([]Registration, error)
	do(ctx context.Context, op registerOp) error
	close()
}

// A Registrar keeps what is registered with a Consul agent what the newest Desired says, and the checks alive. Create it
// with NewRegistrar; set the fields before Run.
//
// Each turn reads the agent's own list and makes it what is wanted, so that what somebody else took away, or an agent lost
// when it was restarted, is there again after the next one. There is a turn every 20 seconds and after each Wake, at most
// one a second. What fails is tried again, at most 15 seconds later.
type Registrar struct {
	// Desired returns the newest that counts; nil: there is none yet.
	Desired func() *spec.Desired
	// Own is where the daemon itself answers: an address, "" being the agent's own, and a port.
	Own func(*spec.Desired) (address string, port int)
	// Live is how the backends of a service are.
	Live func(*spec.Service) Liveness

	owner string
	log   zerolog.Logger
	retry backoff.BackOff
	open  func(spec.Consul) registry

	woken  chan struct{} // of capacity one
	status atomic.Pointer[RegistrarStatus]

	// What follows belongs to Run.
	at      *registered // where services are registered; nil: nowhere
	leaving []departure // the agents that were this before, and still have something
	next    time.Time   // of the next turn
	ended   time.Time   // when the last one did
	said    voice
}

// registered is an agent and what is known of what it has.
type registered struct {
	registry
	consul   spec.Consul
	passed   time.Time // when all checks were; zero: never
	services int       // that are registered there
	more     bool      // there was no time for the rest
	since    time.Time // since when err is nil or not; zero: nothing is known
	err      string    // why not everything is as it should be; ""
}

// departure is an agent that is to have nothing of ours any more.
type departure struct {
	registry
	address string
	until   time.Time // when its checks are critical, and nobody takes what is still there
}

// RegistrarStatus is how the registration with Consul is.
type RegistrarStatus struct {
	Address  string    // the agent's
	State    State     // Waiting, Good or Failing
	Since    time.Time // since when it is so
	Services int       // that are registered, as far as is known
	Err      string    // why not everything is as it should be; ""
}

// NewRegistrar prepares the registration of what belongs to an Owner.
func NewRegistrar(owner string, log zerolog.Logger) *Registrar {
	retry := backoff.NewExponentialBackOff()
	retry.MaxInterval = 10 * time.Second // and half as much at random
	return &Registrar{
		Live:  AllUp,
		Own:   func(*spec.Desired) (string, int) { return "", 0 },
		owner: owner,
		log:   log.With().Str("component", "consul").Logger(),
		retry: retry,
		open:  newAgent,
		woken: make(chan struct{}, 1),
	}
}

// Wake has what Desired, Own and Live say looked at. It never blocks and may be called from anywhere.
func (r *Registrar) Wake() { trigger(r.woken) }

// Status returns how the registration is; nil: nothing is to be registered. It may be called from anywhere.
func (r *Registrar) Status() *RegistrarStatus { return r.status.Load() }

// Run registers until ctx is done, and then returns nil: after a few seconds at most if what is registered is to be taken
// out at the end, else at once.
func (r *Registrar) Run(ctx context.Context) error {
	r.said = newVoice(time.Now())
	turn := time.NewTimer(0)
	defer turn.Stop()
	for {
		select {
		case <-ctx.Done():
			r.end()
			return nil
		case <-r.woken:
			if soon := r.ended.Add(betweenTurns); soon.Before(r.next) {
				r.next = soon
			}
		case <-turn.C:
			wait := r.turn(ctx)
			r.ended = time.Now()
			r.next = r.ended.Add(wait)
		}
		turn.Reset(time.Until(r.next))
	}
}

// turn does what is to be done now and returns how long to wait for the next one.
func (r *Registrar) turn(ctx context.Context) time.Duration {
	d := r.Desired()
	if d == nil {
		return upkeep
	}
	r.aim(d.Consul)
	err := r.register(ctx, d)
	if r.leave(ctx) && err == nil {
		err = r.register(ctx, d) // in case the two addresses were one agent's
	}
	if ctx.Err() != nil {
		return upkeep // what was cut off says nothing
	}
	r.tell(err)
	if err != nil || len(r.leaving) > 0 {
		return r.retry.NextBackOff()
	}
	r.retry.Reset()
	switch {
	case r.at == nil:
		return upkeep
	case r.at.more:
		return betweenTurns
	}
	return time.Until(r.at.passed.Add(upkeep))
}

// aim makes the agent that is declared the one where services are registered.
func (r *Registrar) aim(c spec.Consul) {
	was := r.at
	switch {
	case was == nil && !c.Register:
		return
	case was != nil && c.Register && was.consul.Address == c.Address:
		if was.consul.TokenFile != c.TokenFile || was.consul.CAFile != c.CAFile {
			was.close()
			was.registry = r.open(c)
		}
		was.consul = c
		return
	case was != nil:
		r.leaving = append(r.leaving, departure{was.registry, was.consul.Address, time.Now().Add(checkTTL)})
		r.at = nil
	}
	if !c.Register {
		return
	}
	for i, l := range r.leaving {
		if l.address == c.Address { // back again
			l.close()
			r.leaving = append(r.leaving[:i:i], r.leaving[i+1:]...)
			break
		}
	}
	r.at = &registered{registry: r.open(c), consul: c}
	r.status.Store(&RegistrarStatus{Address: c.Address, State: Waiting, Since: time.Now()})
}

// wanted is what is to be registered.
func (r *Registrar) wanted(d *spec.Desired) []Registration {
	address, port := r.Own(d)
	list := []Registration{ownRegistration(r.owner, address, port)}
	for i := range d.Services {
		s := &d.Services[i]
		if w, ok := wantedRegistration(r.owner, d.Consul, s, r.Live(s)); ok {
			list = append(list, w)
		}
	}
	return list
}
