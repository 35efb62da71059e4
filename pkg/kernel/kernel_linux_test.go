package kernel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorb-io/gorb/internal/lab"
	"golang.org/x/sys/unix"
)

// TestKernel is everything that needs IPVS: one boot, and a network namespace for each test.
func TestKernel(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		t.Run("contract", func(t *testing.T) {
			testContract(t, func(t *testing.T) world {
				ns := lab.Namespace(t)
				return world{open(t, ns), func(t *testing.T, k ServiceKey, d DestKey) { connect(t, ns, k, d) }}
			})
		})
		t.Run("random operations", testSameAnswers)
		t.Run("rules", testRulesOfIPVSadm)
		t.Run("strings", testStringsAreIPVSadm)
		t.Run("foreign services", testForeignServices)
		t.Run("namespaces", testNamespaces)
		t.Run("deadline", testDeadline)
		t.Run("close", testClose)
		t.Run("concurrent use", testConcurrentUse)
		t.Run("no capability", testNoCapability)
		t.Run("broadcast", testBroadcast)
	})
}

// open returns a client for a network namespace of the lab.
func open(t *testing.T, ns string) *Client {
	t.Helper()
	return openAt(t, lab.NamespacePath(ns))
}

func openAt(t *testing.T, path string) *Client {
	t.Helper()
	return openWith(t, Options{Namespace: path})
}

func openWith(t *testing.T, o Options) *Client {
	t.Helper()
	c, err := Open(t.Context(), o)
	return opened(t, c, err)
}

// opened returns a client that is closed when the test ends.
func opened(t *testing.T, c *Client, err error) *Client {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// connect opens a connection through a service to its destination, all within one namespace.
func connect(t *testing.T, ns string, k ServiceKey, d DestKey) {
	t.Helper()
	for _, addr := range []string{k.Addr.Addr().String(), d.Addr.Addr().String()} {
		lab.Exec(t, ns, "ip", "addr", "add", addr+"/32", "dev", "lo")
	}
	err := lab.Do(ns, func() error {
		l, err := net.Listen("tcp", d.Addr.String())
		if err != nil {
			return err
		}
		t.Cleanup(func() { l.Close() })
		conn, err := net.DialTimeout("tcp", k.Addr.String(), 5*time.Second)
		if err != nil {
			return err
		}
		t.Cleanup(func() { conn.Close() })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// testNamespaces shows that a client sees its namespace alone, and that namespaces have identities.
func testNamespaces(t *testing.T) {
	a, b := lab.Namespace(t), lab.Namespace(t)
	apply(t, open(t, a), addService(web, rr))
	checkDump(t, open(t, a), "-A -t 10.0.0.1:80 -s rr")
	checkDump(t, open(t, b), "")

	ids := map[string]bool{}
	for _, path := range []string{lab.NamespacePath(a), lab.NamespacePath(b), "/proc/self/ns/net"} {
		id, err := NamespaceIDAt(path)
		if err != nil {
			t.Fatal(err)
		}
		ids[id] = true
	}
	own, err := NamespaceID()
	if err != nil || !ids[own] || len(ids) != 3 {
		t.Errorf("identities %v and %s, %v", ids, own, err)
	}

	_, err = Open(t.Context(), Options{Namespace: "/run/netns/nosuch"})
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "/run/netns/nosuch") {
		t.Errorf("open in a namespace that is not there: %v", err)
	}
	if _, err := Open(t.Context(), Options{Namespace: t.TempDir()}); err == nil {
		t.Error("a directory was taken for a namespace")
	}
}

// testDeadline loses answers: a request ends in time, or when its context does, and the next one works.
func testDeadline(t *testing.T) {
	var fault Fault
	options := Options{
		Namespace: lab.NamespacePath(lab.Namespace(t)),
		Deadline:  50 * time.Millisecond,
		Fault:     func(Request) (f Fault) { f, fault = fault, Fault{}; return f },
	}
	c := openWith(t, options)
	fault.Kind = Unanswered
	err := c.Apply(t.Context(), []Op{addService(web, rr)})[0]
	const want = "add tcp 10.0.0.1:80: the kernel's answer was lost, so it may have been done: no answer within 50ms"
	if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.Is(err, ErrUncertain) || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("no answer: %v, want %s", err, want)
	}
	checkDump(t, c, "-A -t 10.0.0.1:80 -s rr") // it was

	options.Deadline = 0
	c = openWith(t, options)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	fault.Kind = Unanswered
	if _, err := c.Observe(ctx); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrUncertain) {
		t.Errorf("ended context: %v, want %v", err, context.DeadlineExceeded)
	}
	fault = Fault{} // it is there still where the time was over before anything was asked
	checkDump(t, c, "-A -t 10.0.0.1:80 -s rr")
}

func testClose(t *testing.T) {
	c := open(t, lab.Namespace(t))
	for range 2 {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := c.Observe(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("observe after close: %v, want %v", err, net.ErrClosed)
	}
	if err := c.Apply(t.Context(), []Op{addService(web, rr)})[0]; !errors.Is(err, net.ErrClosed) {
		t.Errorf("apply after close: %v, want %v", err, net.ErrClosed)
	}
}

// testConcurrentUse reads and writes from several goroutines at once.
func testConcurrentUse(t *testing.T) {
	c := open(t, lab.Namespace(t))
	for i := range 4 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			k := ServiceKey{Family: IPv4, Mark: uint32(i + 1)}
			for range 50 {
				apply(t, c, addService(k, rr), addDest(k, "10.1.0.1:80", Dest{}))
				got, err := c.Observe(t.Context(), k)
				want := Table{k: {Service: rr, Dests: []RealServer{{DestKey: dest("10.1.0.1:80")}}}}
				if diff := cmp.Diff(want, got, sameTable); err != nil || diff != "" {
					t.Fatalf("%v; (-want +got):\n%s", err, diff)
				}
				if _, err := c.Observe(t.Context()); err != nil {
					t.Fatal(err)
				}
				apply(t, c, deleteService(k))
			}
		})
	}
}

// testNoCapability asks without CAP_NET_ADMIN.
func testNoCapability(t *testing.T) {
	c := open(t, lab.Namespace(t))
	err := lab.Without(unix.CAP_NET_ADMIN, func() error {
		_, readErr := c.Observe(context.Background())
		writeErr := c.Apply(context.Background(), []Op{addService(web, rr)})[0]
		for _, err := range []error{readErr, writeErr} {
			if !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "needs CAP_NET_ADMIN") {
				return fmt.Errorf("got %w, want %w and what to do", err, unix.EPERM)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	checkDump(t, c, "")
}

// testBroadcast shows what depends on the routing table, which a Fake has not: what is broadcast in the machine's
// networks is no destination, and in a namespace that never had an address nothing is.
func testBroadcast(t *testing.T) {
	ns := lab.Namespace(t)
	lab.Exec(t, ns, "ip", "addr", "add", "10.9.0.1/24", "dev", "lo")
	c := open(t, ns)
	apply(t, c, addService(web, rr), addDest(web, "10.9.0.1:80", Dest{}), addDest(web, "10.9.0.2:80", Dest{}))
	s := step{addDest(web, "10.9.0.255:80", Dest{}), unix.EINVAL}
	s.check(t, 0, c.Apply(t.Context(), []Op{s.op})[0])

	sleeper := lab.Command(t, "", "sleep", "60") // the lab's namespaces have an up lo
	sleeper.SysProcAttr.Cloneflags |= unix.CLONE_NEWNET
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	bare := openAt(t, fmt.Sprintf("/proc/%d/ns/net", sleeper.Process.Pid))
	apply(t, bare, addService(web, rr))
	s = step{addDest(web, "10.9.0.1:80", Dest{}), unix.EINVAL}
	err := bare.Apply(t.Context(), []Op{s.op})[0]
	if s.check(t, 0, err); err != nil && !strings.Contains(err.Error(), "this network namespace must have had an address") {
		t.Errorf("it does not say why: %v", err)
	}
}
