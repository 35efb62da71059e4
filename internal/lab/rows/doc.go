// Package rows makes random commands of ipvsadm(8) for tests, of every kind that it takes, and says what each makes. Two
// things that it takes are left out: IPv4-mapped addresses, such as ::ffff:10.0.0.1, which gorb never writes, and the
// scheduler twos, which the lab's kernel lacks.
//
// It knows nothing of gorb: what it says is in the kernel's numbers (include/uapi/linux/ip_vs.h), so that a mistake
// which gorb makes both ways cannot hide.
package rows
