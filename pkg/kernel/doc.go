// Package kernel provides the IPVS table of a Linux network namespace: its vocabulary in the kernel's own words
// (Service, Dest, Scheduler, Forward), the operations that change it (Op), a Client that speaks netlink, and a Fake
// that answers as the kernel does, on any system.
//
// Contract: values are normalised at this boundary, so that above it == means "nothing to do". The kernel's own
// flag HASHED is never seen, a persistence timeout is zero unless the service is persistent, and "no netmask" is the
// full one of the family. Only client_linux.go and what it needs is tied to Linux.
package kernel
