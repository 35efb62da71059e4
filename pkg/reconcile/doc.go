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
// are lowered. Weight 0 for what is down comes first of all, then sysctls, timeouts and what stops; daemons start, and
// interfaces go, last. What fails on the host holds back nothing in the table, but for a service that moves to an address
// which cannot be put there: it stays where it was. So does what moves and cannot be remembered.
//
// # Health
//
// How backends are is a value beside the configuration (Overlay), which it never changes. What the engine of pkg/probe says
// wakes the loop, and the pass is about the services that it says something of: one reading and one writing for a backend
// that went down. A backend that is down goes to weight 0 before anything else is done, and nothing holds that back.
//
// Make before break counts health. Where nothing that stays of a service is up, what it gives up by declaration keeps its
// weight: until all that stays has answered and some of it is up, or, if all of it is down, until the drain time is over.
// Backends that are kept so are checked on, under names of their own, because their old one may be another backend's by now.
// Since when it waits is remembered with ownership, so that a restart does not begin anew.
//
// Without an engine (plan and apply beside no daemon) declared weights count, but what the kernel has at 0 and ought to be
// checked stays there: it may be down.
//
// # Who waits
//
// A configuration has a serial number. Reconciler.Await returns when passes have followed it, with what was done for some
// services, what failed or was held back there, and what is still to come: what is not in the kernel as it was declared,
// the outcome says why. What somebody has read of a service counts until Reconciler.Written is another.
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
