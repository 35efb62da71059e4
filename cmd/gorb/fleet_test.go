package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/gorb-io/gorb/internal/lab"
	"github.com/gorb-io/gorb/pkg/kernel"
)

// TestFleet has five directors take one service from one Consul.
func TestFleet(t *testing.T) { driveFleet(t, 20, 1) }

// TestSoakFleet is its long form.
func TestSoakFleet(t *testing.T) {
	if os.Getenv("GORB_SOAK") == "" {
		t.Skip("the long form of TestFleet; make soak runs it")
	}
	driveFleet(t, 500, 10)
}

// driveFleet measures puts, and then has the fleet and Consul lose each other so many times.
func driveFleet(t *testing.T, puts, times int) {
	lab.RequireConsul(t) // where it can be heard
	lab.Run(t, func(t *testing.T) {
		f := newFleet(t, 5)
		f.want("at first")
		f.measure(puts)

		f.weight++
		f.agent.Run("kv", "put", fleetKey, fleetBackend(f.weight))
		f.want("after a consul kv put")
		for range times {
			f.loseConsul()
			f.cutOff(f.directors[4])
		}
	})
}

// A fleet is directors and a Consul server that they all reach, each in a network namespace, over a bridge that this
// process's own namespace has.
type fleet struct {
	t         *testing.T
	agent     *lab.ConsulAgent
	kv        *api.KV
	directors []*director
	weight    int // of the one backend, as Consul has it
}

// A director is a gorb with a kernel of its own.
type director struct {
	*keeping
	port  string // of the bridge, which leads to it
	table *kernel.Client
}

const (
	fleetConsul = "10.9.0.1"
	fleetKey    = "fleet/services/web/backends/b0"
)

func newFleet(t *testing.T, size int) *fleet {
	t.Helper()
	f := &fleet{t: t, weight: 1}
	lab.Exec(t, "", "sh", "-ec", `ip link add fleet type bridge forward_delay 0
		ip addr add 10.9.0.254/24 dev fleet
		ip link set fleet up`)
	join := func(port, address string) string {
		ns := lab.Namespace(t)
		lab.Exec(t, "", "sh", "-ec", fmt.Sprintf(`ip link add %[1]s type veth peer name eth0 netns %[2]s
			ip link set %[1]s master fleet up
			ip -n %[2]s addr add %[3]s/24 dev eth0
			ip -n %[2]s link set eth0 up`, port, ns, address))
		return ns
	}
	f.agent = lab.ConsulIn(t, join("consul", fleetConsul), fleetConsul)
	client, err := api.NewClient(&api.Config{Address: f.agent.Address()})
	if err != nil {
		t.Fatal(err)
	}
	f.kv = client.KV()
	f.put("fleet/services/web", "host = '10.0.0.1'\nport = 80")
	f.put(fleetKey, fleetBackend(f.weight))
	for i := range size {
		port := fmt.Sprintf("director%d", i+1)
		d := &director{keeping: newKeeping(t, join(port, fmt.Sprintf("10.9.0.%d", 11+i))), port: port}
		d.declare("")
		if d.table, err = kernel.Open(t.Context(), kernel.Options{Namespace: lab.NamespacePath(d.ns)}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.table.Close() })
		d.start()
		f.directors = append(f.directors, d)
	}
	return f
}

// declare has the director take everything from Consul, with more lines for that source.
func (d *director) declare(more string) {
	d.t.Helper()
	text := fmt.Sprintf("[gorb]\nstate_dir = %q\nsocket = %q\n[[sources]]\nurl = %q\nname = \"kv\"\n%s\n[defaults.pulse]\ntype = \"none\"\n[services]\n",
		d.state, d.tmp+"/socket", "consul://"+fleetConsul+"/fleet/", more)
	if err := os.WriteFile(d.file, []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// fleetBackend is the backend as a value of Consul's.
func fleetBackend(weight int) string {
	return fmt.Sprintf(`{"host": "10.1.0.1", "port": 80, "weight": %d}`, weight)
}

func (f *fleet) put(key, value string) {
	f.t.Helper()
	if _, err := f.kv.Put(&api.KVPair{Key: key, Value: []byte(value)}, nil); err != nil {
		f.t.Fatal(err)
	}
}

// service is the service as the kernels are to have it.
func (f *fleet) service() tcpService {
	return tcpService{name: "web", addr: netip.MustParseAddrPort("10.0.0.1:80"), method: "wrr", backends: []tcpBackend{
		{addr: netip.MustParseAddrPort("10.1.0.1:80"), weight: f.weight},
	}}
}

// want waits until every director, or each of some, has what Consul has.
func (f *fleet) want(when string, some ...*director) {
	f.t.Helper()
	if len(some) == 0 {
		some = f.directors
	}
	for _, d := range some {
		d.wantTable(when, f.service())
	}
}

// still fails the test if a director's table is other than that of a weight.
func (f *fleet) still(when string, weight int, some ...*director) {
	f.t.Helper()
	for _, d := range some {
		if got := d.weight(); got != weight {
			f.t.Errorf("%s: %s has weight %d, want %d", when, d.port, got, weight)
		}
	}
}

// weight is the weight of the one backend in the director's kernel; -1: it is not there.
func (d *director) weight() int {
	d.t.Helper()
	key := kernel.ServiceKey{Family: kernel.IPv4, Protocol: kernel.TCP, Addr: netip.MustParseAddrPort("10.0.0.1:80")}
	table, err := d.table.Observe(context.Background(), key)
	if err != nil {
		d.t.Fatal(err)
	}
	if dests := table[key].Dests; len(dests) == 1 {
		return int(dests[0].Weight)
	}
	return -1
}

// measure puts weights, and prints how long each kernel took to have them.
func (f *fleet) measure(puts int) {
	f.t.Helper()
	var took []time.Duration
	for range puts {
		f.weight++
		began := time.Now()
		f.put(fleetKey, fleetBackend(f.weight))
		waiting := slices.Clone(f.directors)
		for len(waiting) > 0 {
			time.Sleep(time.Millisecond)
			waiting = slices.DeleteFunc(waiting, func(d *director) bool {
				there := d.weight() == f.weight
				if there {
					took = append(took, time.Since(began))
				}
				return there
			})
			if time.Since(began) > patience {
				f.t.Fatalf("%d directors never had put %d", len(waiting), f.weight)
			}
		}
	}
	slices.Sort(took)
	f.t.Logf("from a put to the kernel, %d puts to %d directors, of which 200 ms to see that nothing follows: median %d ms, worst %d ms",
		puts, len(f.directors), took[len(took)/2].Milliseconds(), took[len(took)-1].Milliseconds())
}

// loseConsul kills the server. The tables stay, one gorb starts without it, and when it is back all goes on.
func (f *fleet) loseConsul() {
	f.t.Helper()
	f.agent.Stop()
	for _, d := range f.directors {
		d.awaitFailure()
	}
	restarted := f.directors[0]
	restarted.signal(syscall.SIGKILL)
	lab.Exec(f.t, restarted.ns, "ipvsadm", "-C")
	restarted.start()
	f.want("started without Consul", restarted)
	f.still("without Consul", f.weight, f.directors...)
	f.agent.Start()
	f.weight++
	f.put(fleetKey, fleetBackend(f.weight))
	f.want("Consul is back")
}

// cutOff takes a director's link down. What is put meanwhile reaches the others, and it when the link is up again.
func (f *fleet) cutOff(d *director) {
	f.t.Helper()
	d.declare("wait = \"1s\"\ntimeout = \"1s\"") // so that it notices soon
	lab.Exec(f.t, "", "ip", "link", "set", d.port, "down")
	d.awaitFailure()
	was := f.weight
	f.weight++
	f.put(fleetKey, fleetBackend(f.weight))
	f.want("a director is cut off", slices.DeleteFunc(slices.Clone(f.directors), func(o *director) bool { return o == d })...)
	f.still("cut off", was, d)
	lab.Exec(f.t, "", "ip", "link", "set", d.port, "up")
	f.want("the link is up again")
}

// awaitFailure waits until the director's source fails, as it last said. It says so once: a Consul that is lost again before
// the director has said that it is back is still the same failure.
func (d *director) awaitFailure() {
	d.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		text, err := os.ReadFile(d.log.Name())
		if err != nil {
			d.t.Fatal(err)
		}
		failed := strings.LastIndex(string(text), "source failed, its last good document stays in force")
		if failed > strings.LastIndex(string(text), "source is good again") {
			return
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("%s never said that Consul is away", d.port)
		}
	}
}
