package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const envRequireConsul = "GORB_REQUIRE_CONSUL" // "1": fail rather than skip

// ConsulAgent is a Consul server of one, whose data is on disk, so that it outlives a restart.
type ConsulAgent struct {
	t       testing.TB
	path    string
	dir     string
	args    []string
	address string
	command func(args []string) *exec.Cmd // that runs it where it belongs

	cmd *exec.Cmd // nil: stopped
	log *os.File
}

// Consul starts a Consul agent, on free ports of this machine, that has a leader when Consul returns; the end of the test
// stops it. The more arguments are those of `consul agent`, such as "-hcl=acl { enabled = true }".
//
// The server comes from tools/consul/build. Where there is none the test is skipped, loudly; with GORB_REQUIRE_CONSUL=1
// it fails instead.
func Consul(t testing.TB, more ...string) *ConsulAgent {
	t.Helper()
	c := newConsul(t)
	ports := FreePorts(t, 3)
	c.address = fmt.Sprintf("127.0.0.1:%d", ports[0])
	c.args = slices.Concat(consulArgs(c.data(), "127.0.0.1"), []string{
		fmt.Sprintf("-http-port=%d", ports[0]), fmt.Sprintf("-server-port=%d", ports[1]),
		fmt.Sprintf("-serf-lan-port=%d", ports[2]),
	}, more)
	c.Start()
	return c
}

// newConsul prepares an agent that lacks arguments and an address.
func newConsul(t testing.TB) *ConsulAgent {
	t.Helper()
	path := RequireConsul(t)
	c := &ConsulAgent{t: t, path: path, dir: t.TempDir()}
	c.command = func(args []string) *exec.Cmd { return exec.Command(path, args...) }
	t.Cleanup(c.Stop)
	return c
}

// RequireConsul is ConsulPath for tests: where there is none the test is skipped, or fails, as Consul says.
func RequireConsul(t testing.TB) string {
	t.Helper()
	path, err := ConsulPath()
	switch {
	case err == nil:
	case os.Getenv(envRequireConsul) == "1":
		t.Fatalf("no Consul, and %s=1: %v", envRequireConsul, err)
	default:
		warnConsul.Do(func() { warn("CONSUL TESTS SKIPPED", err) })
		t.Skipf("no Consul: %v", err)
	}
	return path
}

func (c *ConsulAgent) data() string { return filepath.Join(c.dir, "data") }

// consulArgs is the arguments of a server of one that keeps its data in a directory and serves at an IP address.
func consulArgs(data, address string) []string {
	return []string{
		"agent", "-server", "-bootstrap-expect=1", "-node=lab", "-data-dir=" + data,
		"-bind=" + address, "-client=" + address, "-log-level=warn",
		"-serf-wan-port=-1", "-grpc-port=-1", "-grpc-tls-port=-1", "-dns-port=-1",
		// A server of one need not wait for others before it stands for election.
		"-hcl=performance { raft_multiplier = 1 }",
		"-hcl=disable_update_check = true",
	}
}

var warnConsul sync.Once

// ConsulPath is the path of what tools/consul/build made.
func ConsulPath() (string, error) {
	path := filepath.Join(Root(), ".cache", "consul", "consul")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%s is not there; tools/consul/build makes it", path)
	}
	return path, nil
}

// FreePorts returns ports of TCP and UDP that nobody listens on. They are below those that kernels give to connections, so
// that a server finds its port free when it comes back.
func FreePorts(t testing.TB, n int) []int {
	t.Helper()
	const lowest, highest = 10_000, 32_000
	ports := make([]int, 0, n)
	for tries := 0; len(ports) < n; tries++ {
		if tries > 1000 {
			t.Fatal("no free ports")
		}
		port := lowest + rand.IntN(highest-lowest)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		defer l.Close() // after the last, so that they differ
		u, err := net.ListenPacket("udp", l.Addr().String())
		if err != nil {
			continue
		}
		u.Close()
		ports = append(ports, port)
	}
	return ports
}

// Address is where the agent serves HTTP, HOST:PORT.
func (c *ConsulAgent) Address() string { return c.address }

// Start starts an agent that was stopped and waits until it has a leader.
func (c *ConsulAgent) Start() {
	c.t.Helper()
	log, err := os.OpenFile(filepath.Join(c.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		c.t.Fatal(err)
	}
	c.log = log
	c.cmd = c.command(c.args)
	c.cmd.Stdout, c.cmd.Stderr = log, log
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for !c.leads(ctx) {
		if ctx.Err() != nil {
			said, _ := os.ReadFile(log.Name())
			c.t.Fatalf("Consul has no leader:\n%s", said)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// leads reports whether the agent has a leader.
func (c *ConsulAgent) leads(ctx context.Context) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.address+"/v1/status/leader", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	return err == nil && resp.StatusCode == http.StatusOK && strings.Contains(string(said), ":")
}

// Restore has the agent, which is stopped, start with data that Save returned.
func (c *ConsulAgent) Restore(saved string) {
	c.t.Helper()
	if err := errors.Join(os.RemoveAll(c.data()), os.CopyFS(c.data(), os.DirFS(saved))); err != nil {
		c.t.Fatal(err)
	}
}

// Save copies the data of the agent, which is stopped, and returns where to.
func (c *ConsulAgent) Save() string {
	c.t.Helper()
	dir := c.t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(c.data())); err != nil {
		c.t.Fatal(err)
	}
	return dir
}

// Stop kills the agent, as a crash does. What it had acknowledged is on disk.
func (c *ConsulAgent) Stop() {
	if c.cmd == nil {
		return
	}
	killServer(c.cmd, c.log)
	c.cmd = nil
}

// killServer ends a server that tests talk to, and what is kept open to it.
func killServer(cmd *exec.Cmd, log *os.File) {
	_ = cmd.Process.Kill() // who is dead already has ended, too
	_ = cmd.Wait()         // killed
	log.Close()
	http.DefaultClient.CloseIdleConnections()
}

// Forget deletes the data of an agent that is stopped: what it had acknowledged, and what was registered with it.
func (c *ConsulAgent) Forget() {
	c.t.Helper()
	if err := os.RemoveAll(filepath.Join(c.dir, "data")); err != nil {
		c.t.Fatal(err)
	}
}

// Run runs the consul command against the agent, such as Run("kv", "put", "a", "1"), and returns what it prints. The
// environment is this process's; with pairs such as "CONSUL_HTTP_TOKEN=t" first in the arguments, those besides.
func (c *ConsulAgent) Run(args ...string) string {
	c.t.Helper()
	env := append(os.Environ(), "CONSUL_HTTP_ADDR="+c.address)
	for len(args) > 0 && strings.HasPrefix(args[0], "CONSUL_") {
		env, args = append(env, args[0]), args[1:]
	}
	cmd := exec.Command(c.path, args...)
	cmd.Env = env
	out, err := cmd.CombinedOutput()
	if err != nil {
		c.t.Fatalf("consul %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
