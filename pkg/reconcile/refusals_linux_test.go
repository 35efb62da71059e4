package reconcile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/gorb-io/gorb/internal/lab"
	"github.com/gorb-io/gorb/pkg/kernel"
)

// testModules takes the module ip_vs away from under a keeper, and a scheduler. What the client says without it, and
// how it is loaded, is TestModule of pkg/kernel.
func testModules(t *testing.T) {
	modprobe := ownModules(t)
	s := newSpoilt(t)
	desired := webService("10.1.0.1:80")
	other := desired.Services[0]
	other.Name, other.Port, other.Method = "other", 81, "lc"
	desired.Services = append(desired.Services, other)
	s.converges(desired, "nothing")
	clearTable(t, s.clean) // what has services is not unloaded
	want := func(causes ...string) {
		t.Helper()
		_, errs := s.pass(desired)
		s.hook = nil
		if !slices.EqualFunc(errs, causes, func(err error, cause string) bool { return strings.HasPrefix(err.Error(), cause) }) {
			t.Errorf("got %v, want %q", errs, causes)
		}
	}

	// 1: it goes before a pass.
	modules := unload(t)
	want("read the IPVS table: the kernel has no IPVS: load it with modprobe ip_vs")
	load := func() { lab.Exec(t, "", "modprobe", append([]string{"-a"}, modules...)...) }
	load()

	// 2: it goes between the reading and the writing, and comes back, or does not.
	first := func(f func()) {
		once := sync.OnceFunc(f)
		s.hook = func(r kernel.Request) kernel.Fault {
			if r.Write {
				once()
			}
			return kernel.Fault{}
		}
	}
	first(func() { unload(t) })
	want("add tcp 10.0.0.1:80: the kernel has no IPVS", "add tcp 10.0.0.1:81: the kernel has no IPVS")
	load()
	first(func() { unload(t); load() })
	const again = ": the module ip_vs was unloaded and loaded again meanwhile"
	want("add tcp 10.0.0.1:80"+again, "add tcp 10.0.0.1:81"+again)
	s.converges(desired, "another ip_vs")
	clearTable(t, s.clean)

	// 3: it comes back without one of the schedulers, which the kernel cannot load either.
	unload(t)
	setModprobe(t, "/bin/false")
	lab.Exec(t, "", "modprobe", "-a", "ip_vs", "ip_vs_wrr")
	for range 2 {
		want("add tcp 10.0.0.1:81: the kernel has no scheduler lc: modprobe ip_vs_lc (")
	}
	if now := mustObserve(t, s.clean); len(now) != 1 || len(now[web].Dests) != 1 {
		t.Errorf("the other service is not what it should be:\n%v", now)
	}
	setModprobe(t, modprobe)
	load()
	s.converges(desired, "a scheduler that was missing")
	s.checkSaved(desired)
	clearTable(t, s.clean)
}

// modprobeFile has the program by which the kernel itself loads modules.
const modprobeFile = "/proc/sys/kernel/modprobe"

func setModprobe(t *testing.T, program string) {
	t.Helper()
	if err := os.WriteFile(modprobeFile, []byte(program), 0o644); err != nil {
		t.Fatal(err)
	}
}

// ownModules skips the test where the kernel is not the lab's own. It puts the lab's modprobe first in PATH, and
// returns it.
func ownModules(t *testing.T) string {
	t.Helper()
	if cpu, err := os.ReadFile("/proc/cpuinfo"); err != nil || !strings.Contains(string(cpu), "User Mode Linux") {
		t.Skip("the modules of this kernel are not the lab's to unload")
	}
	program, err := os.ReadFile(modprobeFile)
	if err != nil {
		t.Fatal(err)
	}
	modprobe := strings.TrimSpace(string(program))
	t.Setenv("PATH", filepath.Dir(modprobe)+":"+os.Getenv("PATH"))
	return modprobe
}

// unload removes ip_vs and the modules that need it, and returns them all.
func unload(t *testing.T) []string {
	t.Helper()
	for line := range strings.Lines(lab.Exec(t, "", "lsmod")) {
		fields := strings.Fields(line) // the name, the size, the uses, by which modules
		if fields[0] != "ip_vs" {
			continue
		}
		modules := []string{"ip_vs"}
		if len(fields) == 4 {
			modules = append(strings.Split(fields[3], ","), modules...)
		}
		lab.Exec(t, "", "rmmod", modules...)
		return modules
	}
	t.Fatal("ip_vs is not a module here")
	return nil
}

// testNoCapability makes a pass without CAP_NET_ADMIN, and one with it.
func testNoCapability(t *testing.T) {
	s := newSpoilt(t)
	desired := webService("10.1.0.1:80")
	err := lab.Without(unix.CAP_NET_ADMIN, func() error {
		const want = "read the IPVS table: needs CAP_NET_ADMIN: run as root or give the capability ("
		_, err := s.keeper.Pass(context.Background(), desired, Options{})
		if !errors.Is(err, unix.EPERM) || !strings.HasPrefix(err.Error(), want) {
			return fmt.Errorf("got %w, want %s", err, want)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	s.converges(desired, "a pass without the capability")
	s.checkSaved(desired)
}

// testNamespaceDeleted deletes the namespace under a client, which has sockets there as long as nothing is lost, and
// makes another of that name.
func testNamespaceDeleted(t *testing.T) {
	s := newSpoilt(t)
	desired := webService("10.1.0.1:80")
	s.converges(desired, "nothing")
	if err := lab.DeleteNamespace(s.ns); err != nil {
		t.Fatal(err)
	}
	s.befall(false, 0, kernel.Fault{Kind: kernel.Overflowed})
	if _, errs := s.pass(desired); len(errs) != 1 || !errors.Is(errs[0], syscall.ENOBUFS) {
		t.Errorf("%v, want %v", errs, syscall.ENOBUFS)
	}
	_, errs := s.pass(desired)
	if len(errs) != 1 || !errors.Is(errs[0], syscall.ENOENT) || !strings.Contains(errs[0].Error(), lab.NamespacePath(s.ns)) {
		t.Errorf("%v, want one that names %s", errs, lab.NamespacePath(s.ns))
	}
	if err := lab.AddNamespace(s.ns); err != nil {
		t.Fatal(err)
	}
	s.clean = s.open(nil)
	s.converges(desired, "a namespace that came back")
	s.checkSaved(desired)
}

// testRefusedForEver is TestRefusedForEver with a backend that only a real kernel refuses: a broadcast address of one
// of its networks. What health takes down goes to 0 all the same; what gives up capacity by declaration waits.
func testRefusedForEver(t *testing.T) {
	s := newSpoilt(t)
	lab.Exec(t, s.ns, "ip", "addr", "add", "10.9.0.1/24", "dev", "lo")
	const ill, raised, lowered, refused = "10.9.0.2:80", "10.9.0.3:80", "10.9.0.4:80", "10.9.0.255:80"
	setUp(t, s.clean, webTable(realServer(ill, 100, 0, 0), realServer(raised, 1, 0, 0), realServer(lowered, 100, 0, 0)))
	for pass, tt := range []struct {
		weight uint32 // of the one that falls ill
		ops    int
	}{{100, 3}, {0, 3}, {0, 2}} {
		wanted := Wanted{
			Table: webTable(realServer(ill, tt.weight, 0, 0), realServer(raised, 2, 0, 0), realServer(lowered, 50, 0, 0), realServer(refused, 100, 0, 0)),
			Down:  map[Ref]bool{{web, dest(ill)}: tt.weight == 0},
		}
		results := apply(t.Context(), s.client, nil, planOf(wanted, mustObserve(t, s.client)), barred{})
		var errs []error
		for _, r := range results {
			if r.Err != nil && !errors.Is(r.Err, ErrHeld) {
				errs = append(errs, r.Err)
			}
		}
		const want = "add 10.9.0.255:80 to tcp 10.0.0.1:80: its address must be unicast"
		if len(errs) != 1 || !errors.Is(errs[0], syscall.EINVAL) || !strings.HasPrefix(errs[0].Error(), want) {
			t.Errorf("pass %d: got %v, want %s", pass, errs, want)
		}
		if len(results) != tt.ops {
			t.Errorf("pass %d: %d operations, want %d: %v", pass, len(results), tt.ops, results)
		}
		now := webTable(realServer(ill, tt.weight, 0, 0), realServer(raised, 2, 0, 0), realServer(lowered, 100, 0, 0))
		if d := cmp.Diff(now, settled(mustObserve(t, s.clean)), cmpOptions); d != "" {
			t.Errorf("pass %d: the table (-want +got):\n%s", pass, d)
		}
	}
}
