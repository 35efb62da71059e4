package kernel

import (
	"errors"
	"fmt"
)

// ErrUncertain indicates a request whose answer was lost: it may have been done. Read the table to see.
var ErrUncertain = errors.New("the kernel's answer was lost, so it may have been done")

// lostError is the failure of a request that was sent and not answered.
type lostError struct{ cause error }

func (e *lostError) Error() string { return fmt.Sprintf("%v: %v", ErrUncertain, e.cause) }

// Unwrap returns ErrUncertain and the cause.
func (e *lostError) Unwrap() []error { return []error{ErrUncertain, e.cause} }

// ofRead returns the failure of a read: when its answer is lost, nothing else is uncertain.
func ofRead(err error) error {
	if e, ok := errors.AsType[*lostError](err); ok {
		return fmt.Errorf("the kernel's answer was lost: %w", e.cause)
	}
	return err
}
