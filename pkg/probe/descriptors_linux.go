package probe

import (
	"fmt"
	"syscall"
)

// raiseDescriptors raises the soft limit of open files to what is needed, as far as the hard limit allows, and returns
// what it is then. A limit that is high enough is left alone: Go has raised it to the hard limit as the program began, and
// gives programs that are started the old one back, which it no longer does once somebody sets it.
func raiseDescriptors(need uint64) (uint64, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("read the limit of open files: %w", err)
	}
	if limit.Cur >= min(need, limit.Max) {
		return limit.Cur, nil
	}
	raised := syscall.Rlimit{Cur: min(need, limit.Max), Max: limit.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised); err != nil {
		return limit.Cur, fmt.Errorf("raise the limit of open files from %d to %d: %w", limit.Cur, raised.Cur, err)
	}
	return raised.Cur, nil
}
