package main

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/internal/lab"
)

// patience is how long these tests wait for what should come at once. It is for machines that are busy.
const patience = 30 * time.Second

// tcpService is a service as these tests declare it.
type tcpService struct {
	name       string
	addr       netip.AddrPort
	method     string
	flags      string
	persistent int    // seconds; 0: not
	drain      string // "": the default
	onDown     string // "": the default
	answers    bool   // its backends do: they are checked
	pulse      string // how they are checked; "": as answers says
	backends   []tcpBackend
}

type tcpBackend struct {
	addr    netip.AddrPort
	weight  int
	leaving bool // it is no longer declared, and drains
}

// toml returns the service's part of a configuration.
func (s *tcpService) toml() string {
	var b strings.Builder
	fmt.Fprintf(&b, "[services.%s]\nhost = %q\nport = %d\nmethod = %q\n", s.name, s.addr.Addr(), s.addr.Port(), s.method)
	if s.flags != "" {
		fmt.Fprintf(&b, "flags = %q\n", s.flags)
	}
	if s.persistent > 0 {
		fmt.Fprintf(&b, "persistent = \"%ds\"\n", s.persistent)
	}
	if s.drain != "" {
		fmt.Fprintf(&b, "drain = %q\n", s.drain)
	}
	if s.onDown != "" {
		fmt.Fprintf(&b, "on_down = %q\n", s.onDown)
	}
	switch {
	case s.pulse != "":
		fmt.Fprintf(&b, "pulse = { %s }\n", s.pulse)
	case !s.answers:
		b.WriteString("pulse = { type = \"none\" }\n")
	}
	for i, d := range s.backends {
		if !d.leaving {
			fmt.Fprintf(&b, "[services.%s.backends.b%d]\nhost = %q\nport = %d\nweight = %d\n",
				s.name, i, d.addr.Addr(), d.addr.Port(), d.weight)
		}
	}
	return b.String()
}

// table returns the service's lines of `ipvsadm -Sn`.
func (s *tcpService) table() []string {
	header := fmt.Sprintf("-A -t %s -s %s", s.addr, s.method)
	if s.persistent > 0 {
		header += fmt.Sprintf(" -p %d", s.persistent)
	}
	if s.flags != "" {
		header += " -b " + strings.ReplaceAll(s.flags, "|", ",")
	}
	lines := []string{header}
	for _, d := range s.backends {
		weight := d.weight
		if d.leaving {
			weight = 0
		}
		lines = append(lines, fmt.Sprintf("-a -t %s -r %s -m -w %d", s.addr, d.addr, weight))
	}
	return lines
}

// tableOf returns the lines of services, in order.
func tableOf(services ...tcpService) []string {
	var lines []string
	for i := range services {
		lines = append(lines, services[i].table()...)
	}
	slices.Sort(lines)
	return lines
}

// readTable returns the lines of a namespace's `ipvsadm -Sn`, in order.
func readTable(t *testing.T, ns string) []string {
	t.Helper()
	return slices.Sorted(strings.SplitSeq(strings.TrimSpace(lab.Exec(t, ns, "ipvsadm", "-Sn")), "\n"))
}

// makeForeign makes services that are not gorb's.
func makeForeign(t *testing.T, ns string, services ...tcpService) {
	t.Helper()
	for i := range services {
		for _, line := range services[i].table() {
			lab.Exec(t, ns, "ipvsadm", strings.Fields(line)...)
		}
	}
}

// keeping is a gorb that keeps the table of a namespace: its file, its state directory and, while it runs, its process.
type keeping struct {
	t     *testing.T
	ns    string
	file  string
	state string
	tmp   string   // its TMPDIR
	args  []string // what else it is started with
	log   *os.File
	cmd   *exec.Cmd // nil: it does not run

	settings string // what the file says beside the services
}

// newKeeping prepares a gorb. If the test fails, the end of its log is shown.
func newKeeping(t *testing.T, ns string) *keeping {
	t.Helper()
	dir := t.TempDir()
	k := &keeping{
		t: t, ns: ns,
		file:  filepath.Join(dir, "gorb.toml"),
		state: filepath.Join(dir, "state"),
		tmp:   t.TempDir(),
	}
	var err error
	if k.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if text, _ := os.ReadFile(k.log.Name()); t.Failed() {
			t.Logf("the end of gorb's log:\n%s", text[max(0, len(text)-4000):])
		}
		k.log.Close()
	})
	return k
}

// memory is where gorb keeps what it owns.
func (k *keeping) memory() string { return filepath.Join(k.state, "ownership.json") }

func (k *keeping) socket() string { return k.state + ".sock" }

// declare writes services to the file the way an editor does.
func (k *keeping) declare(services ...tcpService) {
	k.t.Helper()
	text := fmt.Sprintf("[gorb]\nstate_dir = %q\nsocket = %q\n%s", k.state, k.socket(), k.settings)
	for i := range services {
		text += services[i].toml()
	}
	err := os.WriteFile(k.file+".swp", []byte(text), 0o600)
	if err == nil {
		err = os.Rename(k.file+".swp", k.file)
	}
	if err != nil {
		k.t.Fatal(err)
	}
}

func (k *keeping) start() {
	k.t.Helper()
	args := append([]string{"run", "--log-format", "json", "--log-level", "debug"}, k.args...)
	k.cmd = lab.Command(k.t, k.ns, "gorb", append(args, k.file)...)
	k.cmd.Env = append(os.Environ(), "TMPDIR="+k.tmp)
	k.cmd.Stdout, k.cmd.Stderr = k.log, k.log
	if err := k.cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
}

// signal sends a signal; with SIGKILL and SIGTERM it waits for the end.
func (k *keeping) signal(s syscall.Signal) {
	k.t.Helper()
	if err := k.cmd.Process.Signal(s); err != nil {
		k.t.Fatalf("send %v to gorb: %v", s, err)
	}
	if s == syscall.SIGKILL || s == syscall.SIGTERM {
		_ = k.cmd.Wait() // to be killed is an error
		k.cmd = nil
	}
}

// wantTable waits until the table is these services.
func (k *keeping) wantTable(when string, services ...tcpService) {
	k.t.Helper()
	want := tableOf(services...)
	waitForTable(k.t, k.ns, when, want, func(got []string) []string { return got })
}

// waitForTable waits until a table, or what part returns of it, is as wanted.
func waitForTable(t *testing.T, ns, when string, want []string, part func(got []string) []string) {
	t.Helper()
	var got []string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(30 * time.Millisecond) {
		if got = part(readTable(t, ns)); slices.Equal(want, got) {
			return
		}
	}
	t.Fatalf("%s: after %v the table (-want +got) is still:\n%s", when, patience, cmp.Diff(want, got))
}
