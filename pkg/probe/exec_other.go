//go:build !linux

package probe

import "context"

// groups reports whether what a program started can be ended with it.
const groups = false

// Check makes no check.
func (c *execCheck) Check(ctx context.Context, t *Trace) Result {
	a := begin(ctx, t)
	return a.end(&localError{errNoExec})
}
