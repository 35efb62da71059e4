package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gorb-io/gorb/internal/lab"
)

// TestBackendDies kills a backend's server, an nginx, while clients ask for short answers and for long ones, and starts it
// again. What fails is what was on its way to it, or was sent there before gorb noticed: nothing from the moment on that
// its weight is 0, and nothing when it comes back, little by little.
func TestBackendDies(t *testing.T) {
	lab.Need(t, "nginx")
	lab.Run(t, func(t *testing.T) {
		const victim = 1
		n := lab.NewNet(t, 3)
		var servers []*lab.NginxServer
		for i := range n.Backends {
			servers = append(servers, startWeb(t, n, i))
		}
		k := newKeeping(t, n.Director)
		k.settings = "[defaults.pulse]\ntype = \"http\"\ninterval = \"300ms\"\ntimeout = \"5s\"\nwindow = 10\n"
		web := newDesign(n, nil).web
		k.declare(web)
		k.start()
		k.wantTable("at the start", web)

		c := newClients(t, n.Client, "http://"+web.addr.String())
		time.Sleep(time.Second)
		killed := time.Now()
		servers[victim].Stop()
		dead := web
		dead.backends = slices.Clone(web.backends)
		dead.backends[victim].weight = 0
		k.wantTable("when a server died", dead)
		noticed := time.Now()
		time.Sleep(time.Second)
		if err := startIn(n.Backends[victim], servers[victim]); err != nil {
			t.Fatal(err)
		}
		back := time.Now()
		steps := watchReturn(t, n.Director, web.addr, web.backends[victim].addr)
		time.Sleep(time.Second)
		all := c.stop()

		if len(steps) < 3 || !slices.IsSorted(steps) {
			t.Errorf("its weight came back by %v", steps)
		}
		var failed struct{ before, inFlight, unnoticed, after int }
		served := 0
		for _, r := range all {
			switch {
			case r.err == nil:
				if r.backend == victim && r.begun.After(back) {
					served++
				}
				continue
			case r.begun.After(noticed):
				failed.after++
			case r.begun.After(killed):
				failed.unnoticed++
			case r.ended.After(killed):
				failed.inFlight++
			default:
				failed.before++
			}
			if r.begun.After(noticed) || r.ended.Before(killed) || r.backend != victim && r.backend != unsaid {
				t.Errorf("%v after the death, %v after it was noticed, backend %d: %v",
					r.begun.Sub(killed), r.begun.Sub(noticed), r.backend+1, r.err)
			}
		}
		t.Logf("%d requests; of those begun before the death %d failed, of those in the %v until the weight was seen at 0 %d, after that %d; it came back by %v, and answered %d",
			len(all), failed.inFlight, noticed.Sub(killed).Round(time.Millisecond), failed.unnoticed, failed.after, steps, served)
		if failed.inFlight == 0 || served == 0 {
			t.Error("there should be requests on their way to it when it died, and some that it answered when it was back")
		}
	})
}

// startWeb starts an nginx at a backend: /short is answered at once, /long takes a second.
func startWeb(t *testing.T, n *lab.Net, backend int) *lab.NginxServer {
	t.Helper()
	s := lab.Nginx(t)
	s.Configure(fmt.Sprintf(`access_log off;
	server {
		listen 127.0.0.1:%d; listen 80 reuseport;
		add_header X-Backend %d;
		root .;
		location = / { return 200; }
		location = /long { limit_rate 16k; }
	}`, s.Ports[0], backend))
	for name, size := range map[string]int{"short": 100, "long": 16 << 10} {
		if err := os.WriteFile(filepath.Join(s.Dir, name), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := startIn(n.Backends[backend], s); err != nil {
		t.Fatal(err)
	}
	return s
}

// watchReturn returns the weights that a backend has on its way from 0 to 100.
func watchReturn(t *testing.T, ns string, service, backend netip.AddrPort) (steps []int) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		w, err := strconv.Atoi(kernelWeights(t, ns)[service.String()+" "+backend.String()])
		if err != nil {
			t.Fatal(err)
		}
		if len(steps) == 0 || steps[len(steps)-1] != w {
			steps = append(steps, w)
		}
		if w == 100 {
			return steps
		}
	}
	t.Fatalf("after %v it came back by %v", patience, steps)
	return nil
}

const unsaid = -1 // which backend a request was sent to

// visit is what became of a request.
type visit struct {
	begun, ended time.Time
	backend      int
	err          error
}

// clients ask a website again and again, each by a connection of its own.
type clients struct {
	http   http.Client
	end    chan struct{}
	all    sync.WaitGroup
	mu     sync.Mutex
	result []visit
}

// newClients starts some in a namespace: half of them want long answers.
func newClients(t *testing.T, ns, url string) *clients {
	c := &clients{end: make(chan struct{})}
	c.http.Transport = &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, addr string) (conn net.Conn, err error) {
			err = lab.Do(ns, func() (err error) {
				conn, err = new(net.Dialer).DialContext(ctx, network, addr)
				return err
			})
			return conn, err
		},
	}
	c.http.Timeout = patience
	for i := range 8 {
		c.all.Go(func() { c.ask(url + []string{"/short", "/long"}[i%2]) })
	}
	t.Cleanup(func() { c.stop() })
	return c
}

// stop ends them and returns what became of all requests.
func (c *clients) stop() []visit {
	select {
	case <-c.end:
	default:
		close(c.end)
	}
	c.all.Wait()
	return c.result
}

func (c *clients) ask(url string) {
	for {
		a := visit{begun: time.Now(), backend: unsaid}
		resp, err := c.http.Get(url)
		if err == nil {
			if i, err := strconv.Atoi(resp.Header.Get("X-Backend")); err == nil {
				a.backend = i
			}
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		a.ended, a.err = time.Now(), err
		c.mu.Lock()
		c.result = append(c.result, a)
		c.mu.Unlock()
		select {
		case <-c.end:
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}
