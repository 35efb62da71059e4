// Package reconcile makes the kernel's IPVS table what the operators declared. It decides with pure functions and acts
// at one small edge:
//
//	Decide(Input)          what the table should be, what may be touched, what drains   (pure)
//	Diff(Wanted, observed) the operations that lead there, in a safe order              (pure)
//	Pass                   observe, decide, remember, apply
//	Reconciler.Run         when to make a pass
//
// # What is gorb's
//
// IPVS has no owner tags, so ownership is gorb's own durable memory (Store): the services that it created, or that its
// configuration has named since. It is written before the kernel is, so that a crash in between leaves a service
// remembered that does not exist, never one that exists and is forgotten. A service that is neither declared nor
// remembered is somebody else's and is never touched.
//
// # How a backend leaves
//
// It goes to weight 0, is read again, and is deleted once it has no connection or when its drain time is over. What
// counts as a connection depends on the protocol. For TCP and SCTP it is an active one; but one whose handshake is under
// way is still counted as inactive, so that inactive ones delay the deletion for handshakeGrace. For UDP, and for marks,
// which may carry it, the kernel counts every connection as inactive, so those count.
package reconcile
