// Package probe finds out which backends are well, and says so as a value, Health.
//
// A check of a kind (tcp, http, exec) gives a Result; State, a pure state machine, makes of the results of one backend
// whether it is up and how much of its weight it may have; the engine makes the checks when they are due, one for all
// backends that are checked in the same way. Nothing here knows of the kernel, and the desired state is never changed:
// the reconciler lays Health over it.
//
// A kind is a file with a Checker and a function that converts the args of a pulse to it, such as tcpKind, and a line in
// the table kinds. Pkg/spec says which args there are; each that the kind has goes into the writing of the function, so
// that a check which is edited is another one.
package probe
