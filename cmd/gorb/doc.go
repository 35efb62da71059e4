// Command gorb keeps a Linux IPVS table equal to what its operators declared. `gorb help` says how.
//
// Every command is one file; main.go finds it and gives it its flags, and the wiring of the daemon is in run.go.
package main
