// Package kernel provides the IPVS table of a Linux network namespace: its vocabulary in the kernel's own words
// (Service, Dest, Scheduler, Forward), the operations that change it (Op), a Client that speaks netlink, and a Fake
// that answers as the kernel does, on any system.
//
// Contract: values are normalised at this boundary, so that above it == means "nothing to do". The kernel's own
// flag HASHED is never seen, a persistence timeout is zero unless the service is persistent, "no netmask" is the full
// one of the family, and only a tunnel has the attributes of one. What the kernel says and this package has no word for
// is no error: it shows in VirtualService.Unknown or RealServer.Unknown, and such an object is not to be edited.
//
// The Client has four layers, each in files of its own. The codec (attributes.go, fields.go, translate.go, daemon.go)
// has one table for each kind of object, which maps the numbers of attributes to fields in both directions; wire.go
// frames messages. A transport carries datagrams (socket_linux.go), with faults for tests between it and the rest
// (faults.go). A link is one conversation over it (link_linux.go, read_linux.go). The Client gives links to whoever
// needs one (client_linux.go), sees that IPVS is still what it was (family_linux.go), and writes (apply_linux.go),
// reads (observe_linux.go) and sets (settings_linux.go, sync_linux.go) over them. Only the files named _linux are tied
// to Linux.
package kernel
