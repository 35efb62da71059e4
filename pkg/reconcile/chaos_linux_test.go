package reconcile

import (
	"context"
	"net/netip"
	"os"
	"sync"
	"testing"

	"github.com/gorb-io/gorb/internal/lab"
	"github.com/gorb-io/gorb/pkg/kernel"
)

// TestChaos makes passes over a table in which somebody else creates and deletes services as fast as the kernel lets
// them, so that dumps are torn: what is declared and there is never written to, deleted, or taken for missing.
func TestChaos(t *testing.T) { lab.Run(t, func(t *testing.T) { chaos(t, 300) }) }

// TestSoakChaos is its long form.
func TestSoakChaos(t *testing.T) {
	if os.Getenv("GORB_SOAK") == "" {
		t.Skip("the long form of TestChaos; make soak runs it")
	}
	lab.Run(t, func(t *testing.T) { chaos(t, 10000) })
}

func chaos(t *testing.T, passes int) {
	namespace := lab.NamespacePath(lab.Namespace(t))
	open := func() *kernel.Client {
		c, err := kernel.Open(t.Context(), kernel.Options{Namespace: namespace, LoadModule: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	desired := large(500, 100)
	for i := range desired.Services {
		desired.Services[i].Backends = desired.Services[i].Backends[:1]
	}
	client, other := open(), open()
	keeper := NewKeeper(client, nil, NewStore("", Place{}), Memory{})
	if r := mustPass(t, keeper, desired); len(r.Errs) > 0 {
		t.Fatal(r.Errs)
	}

	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	changes := 0
	wg.Go(func() {
		for ; ctx.Err() == nil; changes++ {
			other.Apply(ctx, foreignServices(changes))
		}
	})
	keeper.kernel = untouched{client, t}
	torn := 0
	for range passes {
		r := mustPass(t, keeper, desired)
		if len(r.Errs) > 0 {
			t.Errorf("errors %v", r.Errs)
		}
		if len(r.Plan.Ops) > 0 {
			torn++
		}
	}
	cancel()
	wg.Wait()
	now := mustObserve(t, client)
	for key, v := range WantedTable(desired) {
		if have := now[key]; have.Service != v.Service || len(have.Dests) != 1 || have.Dests[0].Dest != v.Dests[0].Dest {
			t.Errorf("%v is %v", key, have)
		}
	}
	t.Logf("%d passes, %d of them with a torn reading; meanwhile %d changes of 100 services each", passes, torn, changes)
}

// foreignServices adds a hundred services of somebody else's, and the next time deletes them.
func foreignServices(round int) []kernel.Op {
	ops := make([]kernel.Op, 100)
	for i := range ops {
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 168, byte(round / 2), byte(i)}), 80)
		ops[i] = kernel.Op{
			Kind: kernel.AddService, Key: kernel.ServiceKey{Family: kernel.IPv4, Protocol: kernel.TCP, Addr: addr},
			Service: kernel.Service{Scheduler: "rr", Netmask: kernel.FullNetmask(kernel.IPv4)},
		}
		if round%2 == 1 {
			ops[i].Kind, ops[i].Service = kernel.DeleteService, kernel.Service{}
		}
	}
	return ops
}

// untouched is a kernel whose table needs no change: one that is done is an error.
type untouched struct {
	*kernel.Client
	t *testing.T
}

func (u untouched) Apply(ctx context.Context, ops []kernel.Op) []error {
	errs := u.Client.Apply(ctx, ops)
	for i, err := range errs {
		if err == nil {
			u.t.Errorf("it was done: %v", ops[i])
		}
	}
	return errs
}
