package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/internal/lab"
)

// TestKill kills gorb 25 times, at random moments of changes and of starts.
func TestKill(t *testing.T) { lab.Run(t, func(t *testing.T) { killAtRandom(t, 25) }) }

// TestSoakKill is its long form.
func TestSoakKill(t *testing.T) {
	if os.Getenv("GORB_SOAK") == "" {
		t.Skip("the long form of TestKill; make soak runs it")
	}
	lab.Run(t, func(t *testing.T) { killAtRandom(t, 500) })
}

func killAtRandom(t *testing.T, kills int) {
	n := lab.NewNet(t, 3)
	setExpireNodestConn(t, n.Director, "1")
	r := rand.New(rand.NewPCG(2, 2))
	w := &world{rand: r, net: n, sites: newDesign(n, r), keeping: newKeeping(t, n.Director)}
	w.sites.kinds = w.sites.kinds[:len(w.sites.kinds)-1] // a change of method may refuse a connection
	w.foreign = []tcpService{randomService(r, n.VIP(9)), randomService(r, n.VIP6(9))}
	makeForeign(t, n.Director, w.foreign...)
	l := newLoad(t, n, transferSize/kills+1, kills+1)
	w.redeclare()
	w.start()
	w.settle("at the start")

	sites := w.sites.sites()
	for i := range 12 {
		l.open(sites[i%2].addr)
	}
	stop := l.ask(sites[0].addr, sites[1].addr)
	halfway := 0
	for i := range kills {
		what := fmt.Sprintf("kill %d", i+1)
		was := w.table
		if r.IntN(4) == 0 {
			what += ", of a start"
			w.signal(syscall.SIGKILL)
			w.change()
			w.start()
		} else {
			what += ", of a change"
			w.change()
		}
		w.await(r.IntN(2) == 0)
		w.signal(syscall.SIGKILL)
		if got := readTable(t, n.Director); !settled(got, was) && !settled(got, w.table) {
			halfway++
		}
		if r.IntN(2) == 0 {
			what += ", and a change while it was dead"
			w.change()
		}
		l.release(i)
		l.want(what)
		w.start()
		w.settle(what)
	}
	got := stop()
	t.Logf("%d of %d kills were in the middle of a pass; %d short requests meanwhile", halfway, kills, got.asked)
	for _, err := range got.failed {
		t.Error(err)
	}
	l.release(kills)
	l.want("the last part")

	last := randomService(r, n.VIP(200))
	w.declare(last)
	w.wantTable("with nothing declared that was", append(w.foreign, last)...)
	w.signal(syscall.SIGTERM)
	w.wantMemoryOf(last.name)
}

// world is a gorb with a configuration that changes, much at a time, and services beside it that are not gorb's.
type world struct {
	*keeping
	rand    *rand.Rand
	net     *lab.Net
	foreign []tcpService
	sites   *design
	table   []string      // as it should be
	took    time.Duration // the last start, with what it took to see its end
}

// change makes one change of the sites, and many of the other services.
func (w *world) change() {
	w.t.Helper()
	w.sites.change()
	w.redeclare()
}

// redeclare declares the sites as they are, and other services anew.
func (w *world) redeclare() {
	w.t.Helper()
	services := w.sites.services()
	for i := range 10 {
		if w.rand.IntN(3) > 0 { // seldom so few that gorb asks for a second reading
			services = append(services, randomService(w.rand, w.net.VIP(10+i)))
		}
	}
	w.declare(services...)
	w.table = tableOf(append(services, w.foreign...)...)
}

// await waits for the moment of a kill: any at all, or shortly after gorb has remembered what it is about to do.
func (w *world) await(remembered bool) {
	within := w.took
	if remembered {
		was, deadline := w.memoryTime(), time.Now().Add(w.took)
		for w.memoryTime().Equal(was) && time.Now().Before(deadline) {
			time.Sleep(2 * time.Millisecond)
		}
		within = 40 * time.Millisecond
	}
	time.Sleep(time.Duration(w.rand.Int64N(int64(within))))
}

func (w *world) memoryTime() time.Time {
	info, err := os.Stat(w.memory())
	if err != nil {
		w.t.Fatal(err)
	}
	return info.ModTime()
}

// settle waits, after a start, until the table is as it should be.
func (w *world) settle(when string) {
	w.t.Helper()
	began := time.Now()
	waitForTable(w.t, w.ns, when, w.table, func(got []string) []string { return staying(got, w.table) })
	w.took = time.Since(began)
}

// wantMemoryOf checks that gorb remembers one service, and left nothing else behind.
func (w *world) wantMemoryOf(name string) {
	w.t.Helper()
	wantFiles(w.t, w.tmp)
	wantFiles(w.t, w.state, "lock", "overrides.db", "ownership.json")
	var memory struct {
		Services []struct{ Name string }
	}
	text, err := os.ReadFile(w.memory())
	if err == nil {
		err = json.Unmarshal(text, &memory)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	if len(memory.Services) != 1 || memory.Services[0].Name != name {
		w.t.Errorf("it should remember %s only:\n%s", name, text)
	}
}

// settled reports whether a table is as wanted, but for what is on its way out.
func settled(got, want []string) bool {
	return slices.Equal(want, staying(slices.Clone(got), want))
}

// staying returns a table without what is on its way out: backends of weight 0 that are not wanted, and services of such.
func staying(got, want []string) []string {
	return slices.DeleteFunc(got, func(line string) bool {
		leaving := strings.HasPrefix(line, "-A") || strings.HasSuffix(line, " -w 0")
		return leaving && !slices.Contains(want, line)
	})
}

// randomService returns a service with backends that do not exist.
func randomService(r *rand.Rand, vip netip.Addr) tcpService {
	s := tcpService{
		name:       "at-" + strings.NewReplacer(".", "-", ":", "-").Replace(vip.String()),
		addr:       netip.AddrPortFrom(vip, 80),
		method:     []string{"rr", "wrr", "lc", "wlc"}[r.IntN(4)], // to change it takes the kernel long, so that kills hit it
		persistent: r.IntN(3) * 100,
		drain:      []string{"", "0"}[r.IntN(2)],
	}
	for i := range 8 {
		if r.IntN(2) == 0 {
			addr := netip.AddrFrom4([4]byte{10, 2, 0, byte(i)})
			if vip.Is6() {
				addr = netip.MustParseAddr(fmt.Sprintf("fd00:3::%x", i))
			}
			s.backends = append(s.backends, tcpBackend{addr: netip.AddrPortFrom(addr, 80), weight: r.IntN(100)})
		}
	}
	return s
}

// wantFiles compares what is in a directory.
func wantFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("files in %s (-want +got):\n%s", dir, d)
	}
}
