package reconcile

import "fmt"

// HeldError says that another process holds what Acquire wanted.
type HeldError struct {
	PID int    // 0 where it cannot be told
	Dir string // the state directory, where that is what is held; "" is the table itself
}

func (e *HeldError) Error() string {
	who := "another gorb"
	if e.PID > 0 {
		who = fmt.Sprintf("gorb (pid %d)", e.PID)
	}
	if e.Dir != "" {
		return fmt.Sprintf("%s, in another network namespace, uses %s: give each its own [gorb] state_dir", who, e.Dir)
	}
	return who + " keeps this table"
}
