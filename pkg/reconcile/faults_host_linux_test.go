package reconcile

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/internal/lab"
	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/spec"
)

// testFaultySurroundings has each fault befall each request by which a pass reads and sets the timeouts, and looks
// after the synchronisation daemons. What fails is said by its name, and a later pass makes it what is declared.
func testFaultySurroundings(t *testing.T) {
	s := newSpoilt(t)
	lab.Exec(t, s.ns, "ip", "link", "add", "sync0", "up", "type", "dummy")
	lab.Exec(t, s.ns, "ip", "addr", "add", "10.9.0.1/24", "dev", "sync0")
	host, err := kernel.OpenHost(s.client)
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	s.host = host
	desired := webService("10.1.0.1:80")
	table := WantedTable(desired)
	desired.IPVS.Timeouts = spec.Timeouts{TCP: 800 * time.Second}
	desired.IPVS.Master = &spec.SyncDaemon{Interface: "sync0", ID: 7}
	const readings = 4 // the timeouts, the daemons, the services and the backends
	for _, fault := range faultsOf() {
		for _, write := range []bool{false, true} {
			for at, arrived := 0, true; arrived; at++ {
				s.begin(table, Memory{})
				s.otherSurroundings()
				s.befall(write, at, fault)
				_, errs := s.pass(desired)
				arrived = s.asked[write] > at
				what := fmt.Sprintf("fault %v at request %d, write %v", fault, at, write)
				for _, err := range errs {
					checkNamed(t, what, err)
				}
				inChange := !write && at >= readings // which a change asks along with it
				if arrived && !inChange && failsSurroundings(fault, write, at) != (len(errs) > 0) {
					t.Errorf("%s: errors %v", what, errs)
				}
				s.converges(desired, what)
				s.checkSurroundings(what)
				if t.Failed() {
					return
				}
			}
		}
	}
}

// failsSurroundings reports whether a pass says that it failed by a fault. What was lost of a change is read again at
// once, and so is a daemon that is there already; one that is not there is stopped.
func failsSurroundings(fault kernel.Fault, write bool, at int) bool {
	const stop, start = 1, 2 // of the changes: the timeouts are the first
	switch {
	case fault.Kind == kernel.Refused && write:
		return !(at == stop && fault.Errno == syscall.ESRCH) && !(at == start && fault.Errno == syscall.EEXIST)
	case write:
		return false
	}
	return fault.Kind <= kernel.Overflowed || fault.Kind == kernel.Truncated
}

// otherSurroundings makes the surroundings others than are declared.
func (s *spoilt) otherSurroundings() {
	s.t.Helper()
	for _, err := range []error{
		s.clean.SetTimeouts(s.t.Context(), kernel.Timeouts{TCP: 900}),
		s.clean.StopSync(s.t.Context(), kernel.Master),
		s.clean.StartSync(s.t.Context(), kernel.SyncDaemon{Role: kernel.Master, Interface: "sync0", ID: 8}),
	} {
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

// checkSurroundings compares the surroundings with what is declared.
func (s *spoilt) checkSurroundings(after string) {
	s.t.Helper()
	got, err := s.clean.SyncDaemons(s.t.Context())
	if err != nil || len(got) != 1 || got[0].ID != 7 {
		s.t.Errorf("after %s: daemons %+v, %v", after, got, err)
	}
	timeouts, err := s.clean.Timeouts(s.t.Context())
	if d := cmp.Diff(kernel.Timeouts{TCP: 800, TCPFin: 120, UDP: 300}, timeouts); d != "" || err != nil {
		s.t.Errorf("after %s: %v, timeouts (-want +got):\n%s", after, err, d)
	}
}
