//go:build !linux

package kernel

import "context"

// Host is what surrounds the IPVS table of a network namespace of Linux; here none can be had.
type Host struct {
	// Announced is never called.
	Announced func([]Address, []error)
}

// OpenHost returns an error that says so.
func OpenHost(*Client) (*Host, error) { return nil, errNotLinux }

// Observe returns an error.
func (*Host) Observe(context.Context, HostQuery) (HostState, error) { return HostState{}, errNotLinux }

// Apply returns an error for each operation.
func (*Host) Apply(_ context.Context, ops []HostOp) []error {
	errs := make([]error, len(ops))
	for i, op := range ops {
		errs[i] = &HostError{op, errNotLinux}
	}
	return errs
}

// Watch returns an error.
func (*Host) Watch(context.Context, chan<- struct{}) error { return errNotLinux }

// Close does nothing.
func (*Host) Close() error { return nil }
