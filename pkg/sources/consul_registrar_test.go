package sources

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

// fakeAgent is a registry in memory, with checks that expire.
type fakeAgent struct {
	mu     sync.Mutex // guards everything below
	has    map[string]Registration
	passed map[string]time.Time
	looks  int             // how often the list was read
	ops    []string        // what was done, passing aside
	down   bool            // refuses connections
	hangs  bool            // takes them, and does not answer
	refuse map[string]bool // names that may not be registered

	slow time.Duration // how long it takes to do one thing
}

func newFakeAgent() *fakeAgent {
	return &fakeAgent{has: map[string]Registration{}, passed: map[string]time.Time{}, refuse: map[string]bool{}}
}

func (f *fakeAgent) do(ctx context.Context, op registerOp) error {
	if err := f.answers(ctx); err != nil {
		return err
	}
	time.Sleep(f.slow)
	f.mu.Lock()
	defer f.mu.Unlock()
	r := op.Pass
	switch {
	case op.Deregister != "":
		delete(f.has, op.Deregister)
		f.ops = append(f.ops, op.String())
		return nil
	case op.Register != nil:
		if f.refuse[op.Register.Name] {
			return refusedError{errors.New("Consul answered 403: no")}
		}
		r = op.Register
		f.ops = append(f.ops, op.String())
	}
	f.has[r.ID], f.passed[r.ID] = *r, time.Now()
	return nil
}

func (f *fakeAgent) list(ctx context.Context) ([]Registration, error) {
	if err := f.answers(ctx); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looks++
	return f.all(), nil
}

func (f *fakeAgent) all() []Registration {
	var list []Registration
	for id, r := range f.has {
		if r.Status != "" && time.Since(f.passed[id]) > checkTTL {
			r.Status, r.Output = "critical", "TTL expired"
		}
		list = append(list, r)
	}
	slices.SortFunc(list, byID)
	return list
}

func (f *fakeAgent) close() {}

func (f *fakeAgent) answers(ctx context.Context) error {
	f.mu.Lock()
	down, hangs := f.down, f.hangs
	f.mu.Unlock()
	if hangs {
		ctx, cancel := context.WithTimeout(ctx, agentTimeout)
		defer cancel()
		<-ctx.Done()
		return errors.New("no answer in time")
	}
	if down {
		return errors.New("connection refused")
	}
	return nil
}

func (f *fakeAgent) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// String is what is registered and how the checks are: "gorb:lb passing gorb:lb:web critical".
func (f *fakeAgent) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var words []string
	for _, r := range f.all() {
		words = append(words, r.ID, r.Status)
	}
	return strings.Join(words, " ")
}

// registering is a Registrar that runs in a bubble, and the agents of its world by address.
type registering struct {
	*Registrar
	agents map[string]*fakeAgent
	book   logBook
	ends   context.CancelFunc
	ended  chan struct{}

	box  desiredBox
	down atomic.Bool // every backend is
}

const here = "http://127.0.0.1:8500"

// desiredWith is a Desired with services of these names that are registered here.
func desiredWith(services ...string) *spec.Desired {
	d := &spec.Desired{Consul: spec.Consul{Address: here, Register: true, Name: "{{.Name}}"}}
	for _, name := range services {
		d.Services = append(d.Services, spec.Service{Name: name, Host: netip.MustParseAddr("10.0.0.1"), Port: 80})
	}
	return d
}

func runRegistrar(t *testing.T, owner string, agents map[string]*fakeAgent, d *spec.Desired) *registering {
	t.Helper()
	r := &registering{agents: agents, box: desiredBox{d: d}, ended: make(chan struct{})}
	r.Registrar = NewRegistrar(owner, zerolog.New(&r.book))
	r.open = func(c spec.Consul) registry { return agents[c.Address] }
	r.Desired = r.box.get
	r.Live = func(*spec.Service) Liveness {
		if r.down.Load() {
			return Liveness{All: 2, Pulse: true}
		}
		return Liveness{Up: 2, All: 2, Pulse: true}
	}
	ctx, cancel := context.WithCancel(t.Context())
	r.ends = cancel
	go func() {
		defer close(r.ended)
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	synctest.Wait()
	return r
}

// declare makes another Desired the newest, and waits as long as that may take.
func (r *registering) declare(change func(*spec.Desired)) {
	r.box.change(change)
	r.Wake()
	later(betweenTurns)
}

// stop ends Run and returns how long that took.
func (r *registering) stop() time.Duration {
	began := time.Now()
	r.ends()
	<-r.ended
	return time.Since(began)
}

func later(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (r *registering) want(t *testing.T, what, want string) {
	t.Helper()
	equal(t, what, want, r.agents[here].String())
}

// TestRegistrarKeeps: what is registered stays alive, and comes back when it was lost or somebody changed it.
func TestRegistrarKeeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		agent := newFakeAgent()
		agent.has["web"] = Registration{ID: "web", Name: "web"} // GORB's, or anybody's
		r := runRegistrar(t, "lb", map[string]*fakeAgent{here: agent}, desiredWith("dns", "web"))
		const all = "gorb:lb passing gorb:lb:dns passing gorb:lb:web passing web "
		r.want(t, "at first", all)
		later(10 * time.Minute)
		r.want(t, "after ten minutes", all)
		equal(t, "looks", 31, agent.looks)

		agent.set(func() { clear(agent.has) }) // a restart without its data
		later(upkeep)
		r.want(t, "after a loss", strings.TrimSuffix(all, " web "))
		agent.set(func() {
			web := agent.has["gorb:lb:web"]
			web.Port = 81
			agent.has["gorb:lb:web"] = web
			agent.has["gorb:lb:gone"] = Registration{ID: "gorb:lb:gone", Status: "passing"}
		})
		later(upkeep)
		r.want(t, "after a change by hand", strings.TrimSuffix(all, " web "))
		equal(t, "port", 80, agent.has["gorb:lb:web"].Port)

		r.declare(func(d *spec.Desired) { d.Services = d.Services[1:] })
		r.want(t, "without a service", "gorb:lb passing gorb:lb:web passing")
		r.declare(func(d *spec.Desired) { d.Incomplete, d.Services = true, nil })
		later(5 * time.Minute)
		r.want(t, "while not all is known", "gorb:lb passing gorb:lb:web passing")
		equal(t, "registered", 1, r.Status().Services)
		r.stop()
		later(2 * checkTTL)
		r.want(t, "without gorb", "gorb:lb critical gorb:lb:web critical")
	})
}

// TestRegistrarFails: an agent that is away is said once, and so is that it is back; it is asked at most 15 s later.
func TestRegistrarFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		agent := newFakeAgent()
		r := runRegistrar(t, "lb", map[string]*fakeAgent{here: agent}, desiredWith("web"))
		equal(t, "said", 1, r.book.count("services are registered with Consul", here))
		agent.set(func() { agent.down = true; clear(agent.has) })
		later(5 * time.Minute)
		equal(t, "said", 1, r.book.count(`"level":"error"`, "connection refused", here))
		status := *r.Status()
		equal(t, "state", Failing, status.State)
		equal(t, "error", "connection refused", status.Err)
		if age := time.Since(status.Since); age < 5*time.Minute-upkeep {
			t.Errorf("it fails since %v", age)
		}
		agent.set(func() { agent.down = false })
		later(15 * time.Second)
		r.want(t, "healed", "gorb:lb passing gorb:lb:web passing")
		equal(t, "said", 2, r.book.count("services are registered with Consul"))
		equal(t, "state", Good, r.Status().State)

		// One that is refused costs one.
		agent.set(func() { agent.refuse["bad"], agent.refuse["worse"] = true, true })
		r.declare(func(d *spec.Desired) { d.Services = desiredWith("bad", "new", "web", "worse").Services })
		later(10 * time.Minute)
		r.want(t, "with a bad one", "gorb:lb passing gorb:lb:new passing gorb:lb:web passing")
		equal(t, "error", "register bad: Consul answered 403: no (and 1 more)", r.Status().Err)
		equal(t, "registered", 2, r.Status().Services)
		equal(t, "said", 1, r.book.count(`"level":"error"`, "register bad"))
		r.stop()
	})
}

// TestRegistrarFlaps: a hundred changes in a second are one look at the agent.
func TestRegistrarFlaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		agent := newFakeAgent()
		r := runRegistrar(t, "lb", map[string]*fakeAgent{here: agent}, desiredWith("web"))
		before := agent.looks
		for range 1000 {
			r.Wake()
			later(10 * time.Millisecond)
		}
		if looks := agent.looks - before; looks < 9 || looks > 11 {
			t.Errorf("%d looks in ten seconds", looks)
		}
		r.down.Store(true)
		r.Wake()
		later(betweenTurns)
		r.want(t, "with all down", "gorb:lb passing gorb:lb:web critical")
		equal(t, "output", "0 of 2 backends up", agent.has["gorb:lb:web"].Output)
		r.stop()
	})
}

// TestRegistrarManyServices: though an agent takes minutes for so many, no check expires meanwhile.
func TestRegistrarManyServices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		agent := newFakeAgent()
		agent.slow = 160 * time.Millisecond
		var names []string
		for n := range 100 {
			names = append(names, fmt.Sprint("s", n))
		}
		r := runRegistrar(t, "lb", map[string]*fakeAgent{here: agent}, desiredWith(names...))
		for range 20 {
			later(9 * time.Second)
			if all := agent.String(); strings.Contains(all, "critical") {
				t.Fatal("a check has expired")
			}
		}
		equal(t, "registered", len(names), r.Status().Services)
		r.stop()
	})
}

// TestRegistrarsShare: gorbs with one agent leave each other alone.
func TestRegistrarsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		agent := newFakeAgent()
		agents := map[string]*fakeAgent{here: agent}
		a, b := desiredWith("web"), desiredWith("web", "dns")
		a.Consul.DeregisterAtExit = true
		one := runRegistrar(t, Owner("lb", "/var/lib/gorb"), agents, a)
		two := runRegistrar(t, Owner("lb", "/srv/gorb"), agents, b)
		other := Owner("lb", "/srv/gorb")
		others := fmt.Sprintf("gorb:%[1]s passing gorb:%[1]s:dns passing gorb:%[1]s:web passing", other)
		later(5 * time.Minute)
		one.want(t, "both", "gorb:lb passing "+others+" gorb:lb:web passing")
		equal(t, "changes", 5, len(agent.ops))
		one.stop()
		two.want(t, "one", others)
		two.stop()
	})
}

// TestRegistrarMoves follows the address that is declared.
func TestRegistrarMoves(t *testing.T) {
	const there = "https://consul.example"
	synctest.Test(t, func(t *testing.T) {
		agents := map[string]*fakeAgent{here: newFakeAgent(), there: newFakeAgent()}
		agents["http://localhost:8500"] = agents[here]
		r := runRegistrar(t, "lb", agents, desiredWith("web"))
		const all = "gorb:lb passing gorb:lb:web passing"
		to := func(address string) { r.declare(func(d *spec.Desired) { d.Consul.Address = address }) }
		to(there)
		r.want(t, "the old one", "")
		equal(t, "the new one", all, agents[there].String())
		equal(t, "status", there, r.Status().Address)

		to(here)
		to("http://localhost:8500")
		r.want(t, "the same one by another name", all)
		later(5 * time.Minute)
		r.want(t, "the same one by another name, later", all)

		r.declare(func(d *spec.Desired) { d.Consul.TokenFile = "/other" })
		ops := len(agents[here].ops)
		r.declare(func(d *spec.Desired) { d.Consul.Tags = []string{"lb"} })
		equal(t, "tags", []string{"lb"}, agents[here].has["gorb:lb:web"].Tags)
		equal(t, "changes", 1, len(agents[here].ops)-ops)

		// One that is away is given up when its checks are critical, and not asked again.
		agents[here].set(func() { agents[here].down = true })
		to(there)
		equal(t, "the new one", all, agents[there].String())
		later(2 * checkTTL)
		equal(t, "said", 1, r.book.count(`"level":"warn"`, "could not be taken out"))
		agents[here].set(func() { agents[here].down = false })
		later(5 * time.Minute)
		r.want(t, "what was given up", "gorb:lb critical gorb:lb:web critical")

		r.declare(func(d *spec.Desired) { d.Consul.Register = false })
		equal(t, "the new one", "", agents[there].String())
		if s := r.Status(); s != nil {
			t.Errorf("the status is %+v", s)
		}
		r.declare(func(d *spec.Desired) { d.Consul.Register = true })
		equal(t, "the new one", all, agents[there].String())
		r.stop()
	})
}

// TestRegistrarEnds: the end waits for an agent only if it is asked to, and not for long.
func TestRegistrarEnds(t *testing.T) {
	for _, test := range []struct {
		name         string
		asked, hangs bool
		want         string
		most         time.Duration
	}{
		{"stays", false, false, "gorb:lb passing gorb:lb:web passing", 0},
		{"hangs", false, true, "gorb:lb passing gorb:lb:web passing", 0},
		{"asked", true, false, "", 0},
		{"asked and hangs", true, true, "gorb:lb passing gorb:lb:web passing", leaveTime},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				agent := newFakeAgent()
				d := desiredWith("web")
				d.Consul.DeregisterAtExit = test.asked
				r := runRegistrar(t, "lb", map[string]*fakeAgent{here: agent}, d)
				agent.set(func() { agent.hangs = test.hangs })
				later(upkeep + time.Second) // within a turn that hangs
				if took := r.stop(); took > test.most {
					t.Errorf("it took %v", took)
				}
				r.want(t, "after the end", test.want)
			})
		})
	}
}

func TestOwner(t *testing.T) {
	owners := map[string]bool{}
	for _, host := range []string{"lb", "lb:1", "lb-1.example"} {
		for _, dir := range []string{"/var/lib/gorb", "/srv/gorb", ""} {
			owner := Owner(host, dir)
			if strings.ContainsAny(owner, ": /") {
				t.Errorf("%q", owner)
			}
			owners[owner] = true
		}
	}
	equal(t, "owners", 9, len(owners))
	equal(t, "the usual one", true, owners["lb"])
}
