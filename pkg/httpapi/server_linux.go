package httpapi

import "syscall"

// openFiles is how many files may be open at once: as Go raised it when the program began, to what is allowed at most.
func openFiles() uint64 {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return limit.Cur
}
