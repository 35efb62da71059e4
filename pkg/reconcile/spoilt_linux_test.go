package reconcile

import (
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/internal/lab"
	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/spec"
)

// errnos are those that the operations can give (ip_vs_genl_set_cmd and what it calls, and netlink itself), and two
// that they cannot.
var errnos = []syscall.Errno{
	syscall.EPERM, syscall.EEXIST, syscall.ESRCH, syscall.ENOENT, syscall.EINVAL, syscall.ERANGE, syscall.ENOMEM,
	syscall.ENOBUFS, syscall.EAFNOSUPPORT, syscall.ENOPROTOOPT, syscall.EOPNOTSUPP, syscall.EBUSY, syscall.EIO,
}

// faultsOf are all the faults there are, each errno among them.
func faultsOf() []kernel.Fault {
	var list []kernel.Fault
	for _, errno := range errnos {
		list = append(list, kernel.Fault{Kind: kernel.Refused, Errno: errno})
	}
	for kind := kernel.Unanswered; kind <= kernel.Newer; kind++ {
		list = append(list, kernel.Fault{Kind: kind})
	}
	return list
}

// spoilt is a namespace, its table, and the keeper of it, whose client meets faults.
type spoilt struct {
	t      *testing.T
	ns     string
	clean  *kernel.Client // for the test itself
	client *kernel.Client // of the keepers
	host   Host           // of the keepers; nil: none
	keeper *Keeper
	hook   func(kernel.Request) kernel.Fault // nil: all goes well
	asked  map[bool]int                      // requests so far, by whether they write
}

func newSpoilt(t *testing.T) *spoilt {
	s := &spoilt{t: t, ns: lab.Namespace(t), asked: map[bool]int{}}
	s.clean, s.client = s.open(nil), s.open(func(r kernel.Request) (f kernel.Fault) {
		if s.hook != nil {
			f = s.hook(r)
		}
		s.asked[r.Write]++
		return f
	})
	s.keeper = NewKeeper(s.client, s.host, NewStore("", Place{}), Memory{})
	return s
}

func (s *spoilt) open(fault func(kernel.Request) kernel.Fault) *kernel.Client {
	s.t.Helper()
	c, err := kernel.Open(s.t.Context(), kernel.Options{
		Namespace: lab.NamespacePath(s.ns), LoadModule: true, Deadline: 50 * time.Millisecond, Fault: fault,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	return c
}

// begin makes the table what is given, and the keeper a new one, with no requests so far.
func (s *spoilt) begin(table kernel.Table, memory Memory) {
	s.t.Helper()
	clearTable(s.t, s.clean)
	setUp(s.t, s.clean, table)
	s.keeper = NewKeeper(s.client, s.host, NewStore("", Place{}), memory)
	s.hook = nil
	clear(s.asked)
}

// befall lets one fault befall the request with a number, from 0, of those that write, or read, from now on.
func (s *spoilt) befall(write bool, number int, fault kernel.Fault) {
	clear(s.asked)
	s.hook = func(r kernel.Request) kernel.Fault {
		if r.Write == write && s.asked[write] == number {
			return fault
		}
		return kernel.Fault{}
	}
}

// pass makes a pass and returns everything that went wrong.
func (s *spoilt) pass(desired *spec.Desired) (*Report, []error) {
	r, err := s.keeper.Pass(s.t.Context(), desired, Options{})
	if err != nil {
		return r, append(r.Errs, err)
	}
	return r, r.Errs
}

// gets makes passes under what the hook does, and then without it: each error names its object, and in the end the table
// is the wanted one. It returns how many errors there were.
func (s *spoilt) gets(desired *spec.Desired, passes int, what string) (failed int) {
	s.t.Helper()
	for range passes {
		_, errs := s.pass(desired)
		failed += len(errs)
		for _, err := range errs {
			checkNamed(s.t, what, err)
		}
	}
	s.converges(desired, what)
	return failed
}

// converges makes passes that meet no faults: the first of them leaves nothing undone, but for what has to drain.
func (s *spoilt) converges(desired *spec.Desired, after string) {
	s.t.Helper()
	s.hook = nil
	for range 2 {
		if _, errs := s.pass(desired); len(errs) > 0 {
			s.t.Errorf("after %s: %v", after, errs)
		}
	}
	if r, errs := s.pass(desired); len(errs) > 0 {
		s.t.Errorf("after %s: %v", after, errs)
	} else if !r.Plan.Empty() {
		s.t.Errorf("after %s: there is still to do:\n%s", after, lines(r.Plan))
	}
	want, got := WantedTable(desired), mustObserve(s.t, s.clean)
	if d := cmp.Diff(settled(want), settled(got), cmpOptions); d != "" {
		s.t.Errorf("after %s: the table is not the wanted one (-want +got):\n%s", after, d)
	}
}

var thresholds = regexp.MustCompile(` -[xy] \d+`) // which ipvsadm does not save

// checkSaved compares what ipvsadm saves with what is declared.
func (s *spoilt) checkSaved(desired *spec.Desired) {
	s.t.Helper()
	want := slices.Sorted(strings.Lines(thresholds.ReplaceAllString(WantedTable(desired).String(), "")))
	got := slices.Sorted(strings.Lines(lab.Exec(s.t, s.ns, "ipvsadm", "-Sn")))
	if d := cmp.Diff(want, got); d != "" {
		s.t.Errorf("ipvsadm -Sn (-want +got):\n%s", d)
	}
}

// named checks that an error names the object of an operation.
func named(t *testing.T, err error, op kernel.Op) {
	t.Helper()
	text := err.Error()
	if !strings.Contains(text, op.Key.String()) || op.DestKey != (kernel.DestKey{}) && !strings.Contains(text, op.DestKey.String()) {
		t.Errorf("%v does not name its object: %v", op, text)
	}
}

// object is what an error can be about.
var object = regexp.MustCompile(`^(read|add|edit|delete|set|start|stop) .*` +
	`((tcp|udp) [0-9a-f.:\[\]]+:\d+|fwmark \d+|the IPVS table|the timeouts of connections|the sync daemons?)`)

// checkNamed checks that an error says what it is about.
func checkNamed(t *testing.T, what string, err error) {
	t.Helper()
	if !object.MatchString(err.Error()) {
		t.Errorf("%s: it names no object: %v", what, err)
	}
}
