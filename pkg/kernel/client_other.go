//go:build !linux

package kernel

import (
	"context"
	"errors"
	"runtime"
)

// errNotLinux is the answer of everything in this package that needs Linux.
var errNotLinux = errors.New("IPVS is a part of Linux, and this is " + runtime.GOOS)

// Client is the IPVS table of a network namespace of Linux; here none can be had.
type Client struct{}

// Open returns an error that says so.
func Open(context.Context, Options) (*Client, error) { return nil, errNotLinux }

// Observe returns an error.
func (*Client) Observe(context.Context, ...ServiceKey) (Table, error) { return nil, errNotLinux }

// Apply returns an error for each operation.
func (*Client) Apply(_ context.Context, ops []Op) []error {
	errs := make([]error, len(ops))
	for i, op := range ops {
		errs[i] = &OpError{op, errNotLinux}
	}
	return errs
}

// Close does nothing.
func (*Client) Close() error { return nil }
