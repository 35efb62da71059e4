package lab

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// Apart runs f on a thread that nothing else uses, then or later: f may change what belongs to the thread, as
// capabilities and mounts do, and need not put it back.
func Apart(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		done <- f()
	}()
	return <-done
}

// Without runs f on a thread that lacks a capability, such as unix.CAP_NET_ADMIN.
func Without(capability uint, f func() error) error {
	return Apart(func() error {
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		if err := unix.Capget(&header, &data[0]); err != nil {
			return err
		}
		data[0].Effective &^= 1 << capability
		if err := unix.Capset(&header, &data[0]); err != nil {
			return err
		}
		return f()
	})
}
