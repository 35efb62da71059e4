//go:build !linux

package reconcile

import "errors"

// Lock is held by whoever keeps a table.
type Lock struct{}

// Acquire fails: there is no IPVS table to keep on this system.
func Acquire(Place, string) (*Lock, error) {
	return nil, errors.New("gorb keeps IPVS tables on Linux only")
}

// Release gives the lock back.
func (*Lock) Release() error { return nil }
