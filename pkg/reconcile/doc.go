// Package reconcile makes the kernel's IPVS table what the operators declared, and what surrounds it: sysctls, timeouts,
// synchronisation daemons, virtual addresses. It decides with pure functions and acts at one small edge:
//
//	Decide(Input)          what should be, what may be touched, what drains             (pure)
//	Diff(Wanted, observed) the operations that lead there, in a safe order              (pure)
//	Pass                   observe, decide, remember, apply
//	Reconciler.Run         when to make a pass
//
// # Order
//
// The phases of a pass are in diff.go. What gives a service capacity comes before what takes it away. An address brings
// traffic, so it is put on its interface when a service there has a backend with weight, and is taken away before weights
// are lowered. Sysctls, timeouts and what stops come first of all; daemons start, and interfaces go, last. What
// fails on the host holds back nothing in the table, but for a service that moves to an address which cannot be put
// there: it stays where it was. So does what moves and cannot be remembered.
//
// # What is gorb's
//
// IPVS has no owner tags, so ownership is gorb's own durable memory (Store): the services that it created, or that its
// configuration has named since; and the addresses, interfaces and daemons that it put on the host. It is written before
// anything is done, so that a crash in between leaves something remembered that does not exist, never something that
// exists and is forgotten. What is neither declared nor remembered is somebody else's and is never touched. An address
// that is on the host already, on whatever interface, is not gorb's even if it is declared.
//
// What an edit would reset without a word is left alone: a service, or one backend of it. All else in the service goes
// on.
//
// # How a backend leaves
//
// It goes to weight 0, is read again, and is deleted once it has no connection or when its drain time is over. What counts
// as a connection depends on the protocol. For TCP and SCTP it is an active one; but one whose handshake is under way is
// still counted as inactive, so that inactive ones delay the deletion for handshakeGrace. For UDP, and for marks, which
// may carry it, the kernel counts every connection as inactive, so those count.
package reconcile
