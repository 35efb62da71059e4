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

// ObserveStats returns an error.
func (*Client) ObserveStats(context.Context, ...ServiceKey) (Table, Statistics, error) {
	return nil, nil, errNotLinux
}

// Info returns an error.
func (*Client) Info(context.Context) (Info, error) { return Info{}, errNotLinux }

// Timeouts returns an error.
func (*Client) Timeouts(context.Context) (Timeouts, error) { return Timeouts{}, errNotLinux }

// SetTimeouts returns an error.
func (*Client) SetTimeouts(context.Context, Timeouts) error { return errNotLinux }

// SyncDaemons returns an error.
func (*Client) SyncDaemons(context.Context) ([]SyncDaemon, error) { return nil, errNotLinux }

// StartSync returns an error.
func (*Client) StartSync(context.Context, SyncDaemon) error { return errNotLinux }

// StopSync returns an error.
func (*Client) StopSync(context.Context, Role) error { return errNotLinux }

// Close does nothing.
func (*Client) Close() error { return nil }

// Release returns "": it is that of Linux.
func Release() string { return "" }
