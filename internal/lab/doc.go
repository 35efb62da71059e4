// Package lab gives tests a Linux kernel with IPVS.
//
// [Run] is the way in: it runs a test function where IPVS is. Where this process is root on a kernel
// that has it, that is a private set of namespaces on this machine; anywhere else on amd64 it is
// user-mode Linux, a Linux kernel that runs as an ordinary process, without privileges, over the
// machine's own file system. Either way the function runs as root in a second process, in which this
// test binary runs the same test once more, so a test reads as if nothing happened:
//
//	func TestTable(t *testing.T) {
//		lab.Run(t, func(t *testing.T) {
//			ns := lab.Namespace(t)
//			lab.Exec(t, ns, "ipvsadm", "-A", "-t", "10.0.0.1:80", "-s", "rr")
//		})
//	}
//
// What stands before Run in such a test runs twice, outside and inside. Each network namespace has an
// IPVS table of its own, so tests that make theirs with [Namespace] or [NewNet] share one boot.
//
// Inside, /run and TMPDIR are empty and vanish at the end. Under user-mode Linux everything else is
// read-only but the module's own directory (for -update); on a machine with IPVS it is the machine's
// own file system, so write to TMPDIR only. There is one processor, a system call costs some 100 µs,
// starting a program some 30 ms, and the clock is that of the machine.
//
// [Consul] and [Nginx] run real servers for tests, on this machine's own kernel and without privileges; [ConsulIn] does so
// in a namespace.
//
// `make deps` fetches user-mode Linux and the tools. Where no kernel can be had, Run skips the test and
// says so loudly; with GORB_REQUIRE_KERNEL=1 it fails instead. GORB_LAB_MEM is the memory of a
// user-mode kernel (default 1G).
package lab
