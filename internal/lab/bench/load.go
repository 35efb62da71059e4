package main

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gorb-io/gorb/pkg/kernel"
)

// A table is an IPVS table as the programs are asked to make it: tcp services with the scheduler wrr, and NAT to the
// backends. The zero value is the empty table.
type table struct {
	services, backends int // so many services, of so many backends each
	weight             int // of every backend,
	last               int // but for the last one of the last service
}

// objects returns how many services and backends there are.
func (t table) objects() int { return t.services * (1 + t.backends) }

// service returns the address of a service.
func (t table) service(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 80)
}

// backend returns the address of a backend of a service.
func (t table) backend(i, j int) netip.AddrPort {
	n := i*t.backends + j
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(1 + n>>16), byte(n >> 8), byte(n)}), 8080)
}

// weightOf returns the weight of a backend.
func (t table) weightOf(i, j int) int {
	if t.isLast(i, j) {
		return t.last
	}
	return t.weight
}

func (t table) isLast(i, j int) bool { return i == t.services-1 && j == t.backends-1 }

// key returns the key of a service.
func (t table) key(i int) kernel.ServiceKey {
	return kernel.ServiceKey{Family: kernel.IPv4, Protocol: kernel.TCP, Addr: t.service(i)}
}

// toml gives the table as gorb's configuration, which remembers in a directory what is gorb's.
func (t table) toml(stateDir string, c checks) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[gorb]\nstate_dir = %q\nsocket = %q\n%s", stateDir, filepath.Join(stateDir, "socket"), c.pulse())
	for i := range t.services {
		fmt.Fprintf(&b, "\n[services.s%d]\nhost = %q\nport = %d\nmethod = \"wrr\"\n", i, t.service(i).Addr(), t.service(i).Port())
		for j := range t.backends {
			fmt.Fprintf(&b, "[services.s%d.backends.b%d]\nhost = %q\nport = %d\nweight = %d\n",
				i, j, t.backend(i, j).Addr(), t.backend(i, j).Port(), t.weightOf(i, j))
		}
	}
	return b.String()
}

// adds gives the operations that make the table, as `ipvsadm -R` reads them.
func (t table) adds() string {
	var b strings.Builder
	for i := range t.services {
		fmt.Fprintf(&b, "-A -t %s -s wrr\n", t.service(i))
		for j := range t.backends {
			fmt.Fprintf(&b, "-a %s\n", strings.Join(t.backendArgs(i, j), " "))
		}
	}
	return b.String()
}

// edits gives the operations that set every weight, as `ipvsadm -R` reads them.
func (t table) edits() string {
	var b strings.Builder
	for i := range t.services {
		for j := range t.backends {
			fmt.Fprintf(&b, "-e %s\n", strings.Join(t.backendArgs(i, j), " "))
		}
	}
	return b.String()
}

// backendArgs gives a backend as ipvsadm's arguments.
func (t table) backendArgs(i, j int) []string {
	return []string{
		"-t", t.service(i).String(), "-r", t.backend(i, j).String(), "-m", "-w", fmt.Sprint(t.weightOf(i, j)),
	}
}

// keepalived gives the table as keepalived's configuration. Without checkers every backend is up.
func (t table) keepalived(c checks) string {
	var b strings.Builder
	for i := range t.services {
		fmt.Fprintf(&b, "virtual_server %s %d {\n  lvs_sched wrr\n  lvs_method NAT\n  protocol TCP\n%s",
			t.service(i).Addr(), t.service(i).Port(), c.delayLoop())
		for j := range t.backends {
			fmt.Fprintf(&b, "  real_server %s %d {\n    weight %d\n%s  }\n",
				t.backend(i, j).Addr(), t.backend(i, j).Port(), t.weightOf(i, j), c.checker())
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// rows gives the table as rowsOf does.
func (t table) rows() []string { return rowsOf(t.adds()) }

// rowsOf gives the services and backends of a table that is printed as the operations that make it, as `ipvsadm -Sn`
// does, in an order that does not depend on the kernel's.
func rowsOf(operations string) []string {
	var rows []string
	for row := range strings.Lines(operations) {
		rows = append(rows, strings.TrimSpace(row))
	}
	slices.Sort(rows)
	return rows
}

// difference says how a table that is differs from the one that should be, both as rows; nil if it does not.
func difference(want, got []string) error {
	for i := range min(len(want), len(got)) {
		if want[i] != got[i] {
			return fmt.Errorf("the table has %d rows and should have %d; it has %q where %q should be",
				len(got), len(want), got[i], want[i])
		}
	}
	if len(want) != len(got) {
		return fmt.Errorf("the table has %d rows and should have %d", len(got), len(want))
	}
	return nil
}
