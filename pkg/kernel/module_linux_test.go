package kernel

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gorb-io/gorb/internal/lab"
)

// TestModule unloads and loads the module ip_vs, in a kernel of its own.
func TestModule(t *testing.T) {
	lab.Run(t, func(t *testing.T) {
		if cpu, err := os.ReadFile("/proc/cpuinfo"); err != nil || !strings.Contains(string(cpu), "User Mode Linux") {
			t.Skip("the modules of this kernel are not the lab's to unload")
		}
		const helper = "/proc/sys/kernel/modprobe" // what the kernel itself runs
		modprobe, err := os.ReadFile(helper)
		if err != nil {
			t.Fatal(err)
		}
		ns := lab.Namespace(t)
		options := Options{Namespace: lab.NamespacePath(ns)}

		// 1: without the module nothing is opened, nor is it loaded unasked.
		unload(t)
		for range 2 {
			if _, err := Open(t.Context(), options); !errors.Is(err, ErrNoIPVS) {
				t.Fatalf("open without IPVS: %v, want %v", err, ErrNoIPVS)
			}
		}

		// 2: a kernel that loads nothing by itself, and a modprobe that has no such module.
		if err := os.WriteFile(helper, []byte("/bin/false"), 0o644); err != nil {
			t.Fatal(err)
		}
		options.LoadModule = true
		if _, err := Open(t.Context(), options); !errors.Is(err, ErrNoIPVS) || !strings.Contains(err.Error(), "which gorb tried") {
			t.Fatalf("open with a modprobe that fails: %v, want %v and why", err, ErrNoIPVS)
		}

		// 3: one that has, the lab's.
		t.Setenv("PATH", filepath.Dir(strings.TrimSpace(string(modprobe)))+":"+os.Getenv("PATH"))
		c, err := Open(t.Context(), options)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		apply(t, c, addService(web, with("none", 0, 0, full)))
		checkDump(t, c, "-A -t 10.0.0.1:80 -s none")
		const want = "the kernel has no scheduler rr: modprobe ip_vs_rr"
		if err := c.Apply(t.Context(), []Op{addService(dns, rr)})[0]; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a scheduler that is not loaded: %v, want %s", err, want)
		}

		// 4: it goes away under a client.
		apply(t, c, deleteService(web))
		unload(t)
		if _, err := c.Observe(t.Context()); !errors.Is(err, ErrNoIPVS) {
			t.Errorf("observe without IPVS: %v, want %v", err, ErrNoIPVS)
		}
		for _, err := range c.Apply(t.Context(), []Op{addService(web, rr), deleteService(web)}) {
			var opErr *OpError
			if !errors.Is(err, ErrNoIPVS) || !errors.As(err, &opErr) {
				t.Errorf("apply without IPVS: %v, want an *OpError for %v", err, ErrNoIPVS)
			}
		}

		// 5: it comes back as another family, and everything works again.
		lab.Exec(t, "", "modprobe", "ip_vs")
		checkDump(t, c, "")
		unload(t)
		lab.Exec(t, "", "modprobe", "ip_vs")
		apply(t, c, addService(web, with("none", 0, 0, full)))
		checkDump(t, c, "-A -t 10.0.0.1:80 -s none")
	})
}

// unload removes ip_vs and the modules that need it.
func unload(t *testing.T) {
	t.Helper()
	for line := range strings.Lines(lab.Exec(t, "", "lsmod")) {
		name, rest, _ := strings.Cut(line, " ")
		if name != "ip_vs" {
			continue
		}
		fields := strings.Fields(rest) // the size, the uses, by which modules
		modules := []string{"ip_vs"}
		if len(fields) == 3 {
			modules = append(strings.Split(fields[2], ","), modules...)
		}
		lab.Exec(t, "", "rmmod", modules...)
		return
	}
	t.Fatal("ip_vs is not a module here")
}
