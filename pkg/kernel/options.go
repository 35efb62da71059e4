package kernel

import "time"

// Options says how to reach the kernel. The zero value is the process's own network namespace, no loading of modules,
// and the default deadline.
type Options struct {
	// Namespace is the path of a network namespace, such as /run/netns/blue; "" is the process's own.
	Namespace string
	// LoadModule lets Open load the module ip_vs where the kernel lacks it, by the kernel or by `modprobe ip_vs`.
	// Commands that only read leave it off.
	LoadModule bool
	// Deadline is how long one request may take (default 5s). After that it is given up, done or not.
	Deadline time.Duration
	// Fault is for tests: it is asked about every request to IPVS whether it shall go well. It is never asked about two at
	// once.
	Fault func(r Request) Fault
}

// defaultDeadline is generous: the slowest request, an edit that changes the scheduler, waits for one RCU grace
// period.
const defaultDeadline = 5 * time.Second
