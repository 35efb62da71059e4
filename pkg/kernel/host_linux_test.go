package kernel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/gorb-io/gorb/internal/lab"
	"golang.org/x/sys/unix"
)

// TestHost is everything about the surroundings that needs a kernel: one boot, and a network namespace for each test.
func TestHost(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		t.Run("contract", func(t *testing.T) {
			testHostContract(t, func(t *testing.T) hostTarget {
				ns := lab.Namespace(t)
				lab.Exec(t, ns, "ip", "link", "add", "eth1", "up", "type", "veth", "peer", "name", "eth2")
				return openHost(t, ns)
			})
		})
		t.Run("settings", testSettings)
		t.Run("settings that are read-only", testReadOnlySettings)
		t.Run("addresses", testAddresses)
		t.Run("mapped addresses", testMappedAddress)
		t.Run("the interface's own address", testOwnAddress)
		t.Run("no capability", testHostNoCapability)
		t.Run("announcements", testAnnouncements)
		t.Run("many announcements", testManyAnnouncements)
		t.Run("announcements without the capability", testAnnouncementNoCapability)
		t.Run("watch", testWatchHost)
	})
}

// openHost returns the surroundings of a network namespace of the lab.
func openHost(t *testing.T, ns string) *Host {
	t.Helper()
	h, err := OpenHost(open(t, ns))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// testSettings shows that settings are those of the namespace, and what the kernel makes of wrong values.
func testSettings(t *testing.T) {
	a, b := openHost(t, lab.Namespace(t)), openHost(t, lab.Namespace(t))
	hostStep{setSysctl("expire_nodest_conn", "1"), ""}.check(t, 0, a.Apply(t.Context(), []HostOp{setSysctl("expire_nodest_conn", "1")})[0])
	for h, want := range map[*Host]string{a: "1", b: "0"} {
		s, err := h.Observe(t.Context(), HostQuery{Sysctls: []string{"expire_nodest_conn"}})
		if got := s.Sysctls["expire_nodest_conn"]; err != nil || got != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	for i, s := range []hostStep{
		{setSysctl("drop_entry", "7"), "set net.ipv4.vs.drop_entry to 7: the kernel takes no such value for it (invalid argument)"},
		{setSysctl("sync_threshold", "50 3"), "set net.ipv4.vs.sync_threshold to '50 3': the kernel takes no such value for it (invalid argument)"},
		{setSysctl("conntrack", "yes"), "set net.ipv4.vs.conntrack to yes: the kernel takes no such value for it (invalid argument)"},
	} {
		s.check(t, i, a.Apply(t.Context(), []HostOp{s.op})[0])
	}
}

// testReadOnlySettings mounts /proc/sys as containers have it, for one thread.
func testReadOnlySettings(t *testing.T) {
	h := openHost(t, lab.Namespace(t))
	err := lab.Apart(func() error {
		err := errors.Join(
			unix.Unshare(unix.CLONE_NEWNS),
			unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
			unix.Mount("/proc/sys", "/proc/sys", "", unix.MS_BIND, ""),
			unix.Mount("", "/proc/sys", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""))
		if err != nil {
			return err
		}
		err = h.Apply(context.Background(), []HostOp{setSysctl("conntrack", "1")})[0]
		const want = "set net.ipv4.vs.conntrack to 1: /proc/sys is read-only here"
		if !errors.Is(err, syscall.EROFS) || !strings.HasPrefix(err.Error(), want) {
			return fmt.Errorf("got %w\nwant %s", err, want)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestUnansweredIsUncertain has route netlink not answer a request, which the library reports as EAGAIN.
func TestUnansweredIsUncertain(t *testing.T) {
	err := error(&HostError{putAddr("eth1", "10.0.0.1"), unanswered(syscall.EAGAIN)})
	const want = "put 10.0.0.1 on eth1: the kernel's answer was lost, so it may have been done: no answer from the kernel (i/o timeout)"
	if !errors.Is(err, ErrUncertain) || !errors.Is(err, os.ErrDeadlineExceeded) || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// testAddresses shows what kind of addresses they are.
func testAddresses(t *testing.T) {
	ns := lab.Namespace(t)
	lab.Exec(t, ns, "ip", "link", "add", "eth1", "up", "type", "veth", "peer", "name", "eth2")
	lab.Exec(t, ns, "ip", "link", "set", "eth2", "up")
	lab.Exec(t, ns, "ip", "addr", "add", "10.0.0.9/24", "dev", "eth1")
	h := openHost(t, ns)
	applyHost(t, h, putAddr("eth1", "fd00::1"), putAddr("eth1", "10.0.0.1"))

	// An address that waited for duplicates could not be bound yet.
	err := lab.Do(ns, func() error {
		for _, a := range []string{"[fd00::1]:80", "10.0.0.1:80"} {
			l, err := net.Listen("tcp", a)
			if err != nil {
				return err
			}
			l.Close()
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	out := lab.Exec(t, ns, "ip", "addr", "show", "dev", "eth1")
	for _, want := range []string{"inet 10.0.0.1/32 scope global", "inet6 fd00::1/128 scope global"} {
		if !strings.Contains(out, want) {
			t.Errorf("there is no %s in:\n%s", want, out)
		}
	}

	// Somebody else's address, with its network, is not taken.
	applyHost(t, h, takeAddr("eth1", "10.0.0.9"))
	if out := lab.Exec(t, ns, "ip", "addr", "show", "dev", "eth1"); !strings.Contains(out, "10.0.0.9/24") {
		t.Errorf("10.0.0.9/24 has gone:\n%s", out)
	}

	lab.Exec(t, ns, "sysctl", "-qw", "net.ipv6.conf.eth2.disable_ipv6=1")
	lab.Exec(t, ns, "ip", "link", "property", "add", "dev", "eth2", "altname", "other")
	for i, s := range []hostStep{
		{putAddr("eth2", "fd00::2"), "put fd00::2 on eth2: IPv6 is switched off on eth2: net.ipv6.conf.eth2.disable_ipv6 (permission denied)"},
		{putAddr("other", "10.0.0.2"), "put 10.0.0.2 on other: there is no interface other; there are "},
		{addLink("other"), "make the interface other: another interface has this name, perhaps for an alternative one"},
		{deleteLink("eth1"), "delete the interface eth1: it is of kind veth, not dummy, and so not gorb's to delete"},
	} {
		s.check(t, i, h.Apply(t.Context(), []HostOp{s.op})[0])
	}
}

// testMappedAddress has on an interface what looks like a virtual address and is not.
func testMappedAddress(t *testing.T) {
	ns := lab.Namespace(t)
	lab.Exec(t, ns, "ip", "link", "add", "gorb0", "up", "type", "dummy")
	lab.Exec(t, ns, "ip", "addr", "add", "::ffff:10.0.0.1/128", "dev", "gorb0")
	h := openHost(t, ns)
	applyHost(t, h, putAddr("gorb0", "10.0.0.2"))
	got, err := h.Observe(t.Context(), HostQuery{Addresses: true})
	for addr, want := range map[string]bool{"::ffff:10.0.0.1": true, "10.0.0.1": false, "10.0.0.2": true} {
		if there := got.Addresses[at("gorb0", addr)]; err != nil || there != want {
			t.Errorf("%s: there %v, %v, want %v", addr, there, err, want)
		}
	}
}

// testOwnAddress puts virtual addresses on the interface whose address stands for services without a host.
func testOwnAddress(t *testing.T) {
	ns := lab.Namespace(t)
	lab.Exec(t, ns, "ip", "link", "add", "eth1", "up", "type", "dummy")
	h := openHost(t, ns)
	check := func(want string) {
		t.Helper()
		var got netip.Addr
		err := lab.Do(ns, func() (err error) {
			got, err = InterfaceAddr("eth1", nil)
			return err
		})
		if err != nil || got.String() != want {
			t.Errorf("got %v, %v, want %s", got, err, want)
		}
	}
	applyHost(t, h, putAddr("eth1", "2001:db8::1"))
	check("2001:db8::1")
	lab.Exec(t, ns, "ip", "addr", "add", "2001:db8::5/64", "dev", "eth1", "nodad")
	applyHost(t, h, putAddr("eth1", "2001:db8::2"))
	check("2001:db8::5")
	applyHost(t, h, putAddr("eth1", "10.0.0.1"))
	check("10.0.0.1")
	lab.Exec(t, ns, "ip", "addr", "add", "10.0.0.5/24", "dev", "eth1")
	check("10.0.0.5")
}

func testHostNoCapability(t *testing.T) {
	h := openHost(t, lab.Namespace(t))
	err := lab.Without(unix.CAP_NET_ADMIN, func() error {
		ops := []HostOp{putAddr("lo", "10.0.0.1"), takeAddr("lo", "10.0.0.1"), addLink("gorb0")}
		for i, err := range h.Apply(context.Background(), ops) {
			if !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "needs CAP_NET_ADMIN") {
				return fmt.Errorf("%s: %w, want %w and what to do", ops[i], err, unix.EPERM)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// ipBatch gives lines to ip(8) in a namespace.
func ipBatch(t *testing.T, ns, lines string) {
	t.Helper()
	err := lab.Do(ns, func() error {
		c := exec.Command("ip", "-batch", "-")
		c.Stdin, c.Stderr = strings.NewReader(lines), os.Stderr
		return c.Run()
	})
	if err != nil {
		t.Fatalf("%v of:\n%s", err, lines)
	}
}
