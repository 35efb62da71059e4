package reconcile

import (
	"errors"
	"syscall"

	"github.com/gorb-io/gorb/pkg/kernel"
)

// stale reports whether an error says that the table is not what was read: another wrote to it since, or the dump was
// torn, because a dump is no snapshot; or that it is not known any more what it is, because the kernel's answer was
// lost. Reading the service again tells.
func stale(op kernel.Op, err error) bool {
	if errors.Is(err, kernel.ErrUncertain) {
		return true
	}
	switch op.Kind {
	case kernel.AddService:
		return errors.Is(err, syscall.EEXIST)
	case kernel.AddDest:
		return errors.Is(err, syscall.EEXIST) || errors.Is(err, syscall.ESRCH)
	case kernel.EditDest:
		return errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ESRCH)
	case kernel.EditService:
		return errors.Is(err, syscall.ESRCH)
	default:
		return false
	}
}

// staleHost reports whether an error says that the host is not what was read, or not known any more.
func staleHost(op kernel.HostOp, err error) bool {
	return errors.Is(err, kernel.ErrUncertain) || makes(op) && errors.Is(err, syscall.EEXIST)
}

// stales is what turned out to be other than it was read.
type stales struct {
	services map[kernel.ServiceKey]bool
	query    kernel.HostQuery
}

func (s *stales) ofHost() bool { return asks(s.query) }

// includes reports whether an operation is decided about anew.
func (s *stales) includes(res Result) bool {
	if res.Err == nil {
		return false
	}
	if res.Host == nil {
		return s.services[res.Op.Key]
	}
	switch res.Host.Kind {
	case kernel.StartSync, kernel.StopSync:
		return s.query.Sync
	case kernel.SetTimeouts:
		return s.query.Timeouts
	case kernel.SetSysctl:
		return len(s.query.Sysctls) > 0
	default:
		return s.query.Addresses
	}
}

// find looks through the results for what has to be read again.
func (s *stales) find(plan *Plan, results []Result) {
	names := map[string]bool{} // a service that moves is read again at both addresses
	for i := range results {
		switch res := &results[i]; {
		case res.Err == nil:
		case res.Host != nil && staleHost(*res.Host, res.Err):
			s.findHost(*res.Host)
		case res.Host == nil && stale(res.Op, res.Err):
			s.services[res.Op.Key] = true
			names[plan.called(res.Op.Key)] = true
		}
	}
	if len(names) == 0 && !s.ofHost() {
		return
	}
	for i := range results {
		switch res := &results[i]; {
		case !errors.Is(res.Err, ErrHeld):
		case res.Host != nil:
			s.findHost(*res.Host)
		case s.ofHost() || names[plan.called(res.Op.Key)]:
			s.services[res.Op.Key] = true
		}
	}
}

// findHost has the part of the host read again that an operation changes.
func (s *stales) findHost(op kernel.HostOp) {
	switch op.Kind {
	case kernel.StartSync, kernel.StopSync:
		s.query.Sync = true
	case kernel.SetTimeouts:
		s.query.Timeouts = true
	case kernel.SetSysctl:
		s.query.Sysctls = append(s.query.Sysctls, op.Name)
	default:
		s.query.Addresses = true
	}
}
