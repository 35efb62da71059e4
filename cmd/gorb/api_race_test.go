package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestAPIRace has 64 clients read and write at random, while the file is edited, servers come and go, and the daemon is
// restarted now and then. What was acknowledged is there afterwards, the audit has each write once, and in the end the
// table is what is declared, of what is well.
func TestAPIRace(t *testing.T) {
	lasts := 10 * time.Second
	switch {
	case testing.Short():
		lasts = 3 * time.Second
	case raceEnabled:
		lasts = time.Minute
	}
	raceAPI(t, lasts)
}

// TestSoakAPI is its long form.
func TestSoakAPI(t *testing.T) {
	if os.Getenv("GORB_SOAK") == "" {
		t.Skip("the long form of TestAPIRace; make soak runs it")
	}
	raceAPI(t, 10*time.Minute)
}

const raceClients = 64

// apiRace is a daemon that many use at once.
type apiRace struct {
	*apiWorld
	rand    *rand.Rand
	servers []*raceServer
	url     atomic.Pointer[string]
	ups     atomic.Int64 // odd while the daemon is ended and started again
	over    chan struct{}

	clearing sync.RWMutex // held by who takes back all overrides, and shared by those who know what is theirs
	cleared  atomic.Int64 // how often that was

	mu       sync.Mutex // guards everything below
	answered map[string]int
	unknown  map[string]int // of those it is not known whether they were done
	counts   map[string]int // of answers, by method, group and status
}

func raceAPI(t *testing.T, lasts time.Duration) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	r := &apiRace{
		rand: rand.New(rand.NewPCG(seed, 0)), over: make(chan struct{}),
		answered: map[string]int{}, unknown: map[string]int{}, counts: map[string]int{},
	}
	for range 3 {
		r.servers = append(r.servers, newRaceServer(t))
	}
	r.apiWorld = newAPIWorld(t, r.config(nil))
	r.found()
	defer http.DefaultClient.CloseIdleConnections()

	var clients, others sync.WaitGroup
	all := make([]*raceClient, raceClients)
	for i := range all {
		all[i] = newRaceClient(r, i, rand.New(rand.NewPCG(seed, uint64(i+1))))
		clients.Go(all[i].run)
	}
	audit := &raceAudit{r: r, what: map[uint64]string{}}
	others.Go(func() { r.scrape() })
	for range 4 {
		others.Go(func() { r.readEvents() })
	}
	restarts, edits := r.disturb(lasts, audit)
	close(r.over)
	clients.Wait()
	others.Wait()
	for i, s := range r.servers {
		s.be(i != 1)
	}
	r.declare(r.config(r.rand))

	r.wantSettled()
	for _, c := range all {
		c.check()
		c.http.CloseIdleConnections()
	}
	audit.collect()
	audit.check()
	r.end()
	for _, s := range r.servers {
		s.be(false)
	}
	t.Logf("%d restarts, %d edits of the file, %d times all was taken back, %d changes in the audit; answers:", restarts, edits, r.cleared.Load(), len(audit.what))
	for _, what := range slices.Sorted(maps.Keys(r.counts)) {
		t.Logf("%7d %s", r.counts[what], what)
	}
}

// config is the file: services that everybody writes over, and one whose backends are checked. It is another each time, and
// nil is the fullest.
func (r *apiRace) config(random *rand.Rand) string {
	some := func(most int) int {
		if random == nil {
			return most
		}
		return random.IntN(most) + 1
	}
	var b strings.Builder
	fmt.Fprintf(&b, "[defaults.pulse]\ntype = \"none\"\n[services.checked]\nhost = \"10.0.1.1\"\nport = 80\ndrain = \"0s\"\npulse = { type = \"tcp\", interval = \"100ms\", window = 1 }\n")
	for i, s := range r.servers {
		fmt.Fprintf(&b, "[services.checked.backends.h%d]\nhost = %q\nport = %d\nweight = %d\n", i, s.addr.Addr(), s.addr.Port(), some(100))
	}
	for i := range 4 {
		fmt.Fprintf(&b, "[services.s%d]\nhost = \"10.0.0.%d\"\nport = 80\ndrain = \"0s\"\n", i, i+1)
		for j := range some(3) {
			fmt.Fprintf(&b, "[services.s%d.backends.%c]\nhost = \"10.1.%d.%d\"\nport = 80\nweight = %d\n", i, 'a'+j, i, j+1, some(100))
		}
	}
	return b.String()
}

// disturb edits the file, has servers come and go, and restarts the daemon, until the time is over.
func (r *apiRace) disturb(lasts time.Duration, audit *raceAudit) (restarts, edits int) {
	collected := time.Now()
	for end := time.Now().Add(lasts); time.Now().Before(end); {
		time.Sleep(within(r.rand, 200*time.Millisecond))
		switch n := r.rand.IntN(30); {
		case n == 0:
			r.declare(r.config(r.rand)) // one that is no good is refused at a start
			r.ups.Add(1)
			r.end()
			r.start()
			r.found()
			r.ups.Add(1)
			restarts++
		case n == 1:
			r.clearAll()
		case n == 2:
			r.declare("[services.s0]\nport = \"no port\"\n")
		case n < 10:
			r.declare(r.config(r.rand))
			edits++
		case n < 20:
			s := r.servers[r.rand.IntN(len(r.servers))]
			s.be(!s.up())
		}
		if time.Since(collected) > time.Second { // it has 10,000 entries
			audit.collect()
			collected = time.Now()
		}
	}
	return restarts, edits
}

// found tells the clients where the daemon listens now.
func (r *apiRace) found() {
	at := r.apiWorld.url
	r.url.Store(&at)
}

// clearAll takes back all overrides while nobody writes what only he knows of.
func (r *apiRace) clearAll() {
	r.clearing.Lock()
	defer r.clearing.Unlock()
	for range 1000 { // others are quicker
		const path = "/overrides?wait=45s"
		if code, _ := r.ask("DELETE", path, ""); r.note("DELETE", path, code, "", nil) && code == http.StatusOK {
			r.cleared.Add(1)
			return
		}
	}
	r.t.Error("not all overrides could be taken back")
}

// note takes down an answer, or that there was none, and says whether it is known what was done.
func (r *apiRace) note(method, path string, code int, text string, err error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	group, _, _ := strings.Cut(path[1:], "/")
	group, _, _ = strings.Cut(group, "?")
	r.counts[fmt.Sprintf("%s /%s %d", method, group, code)]++
	if err != nil || code == http.StatusServiceUnavailable {
		r.unknown[method+" "+path]++
		return false
	}
	code = storedCode(code)
	nothing := strings.Contains(text, `"result": "unchanged"`) || strings.Contains(path, "dry_run=true")
	if method != "GET" && !strings.HasPrefix(path, "/plan") && !nothing {
		r.answered[fmt.Sprintf("%s %s %d", method, path, code)]++
	}
	return true
}

// storedCode is 200 for all that is stored: the audit says that of a change first, and that it was 202 some time later.
func storedCode(code int) int {
	if code == http.StatusAccepted {
		return http.StatusOK
	}
	return code
}

// scrape asks for metrics and the like.
func (r *apiRace) scrape() {
	for r.goesOn(20 * time.Millisecond) {
		for _, path := range []string{"/metrics", "/livez", "/readyz", "/openapi.json"} {
			answer, err := http.Get(*r.url.Load() + path)
			if err != nil {
				continue // it ends or starts
			}
			_, _ = io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
			if answer.StatusCode >= 500 && answer.StatusCode != http.StatusServiceUnavailable { // which it is while it starts or ends
				r.t.Errorf("GET %s: %d", path, answer.StatusCode)
			}
		}
	}
}

// readEvents reads events, one time after the other, some of the time.
func (r *apiRace) readEvents() {
	for r.goesOn(10 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		request, err := http.NewRequestWithContext(ctx, "GET", *r.url.Load()+"/events", nil)
		if err != nil {
			r.t.Error(err)
		}
		if answer, err := http.DefaultClient.Do(request); err == nil {
			_, _ = io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
		}
		cancel()
	}
}

// goesOn waits, and says whether it is not over.
func (r *apiRace) goesOn(wait time.Duration) bool {
	select {
	case <-r.over:
		return false
	case <-time.After(wait):
		return true
	}
}
