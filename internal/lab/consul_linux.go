package lab

import (
	"os/exec"
	"testing"
)

// ConsulIn starts an agent as Consul does, in a network namespace, at an IP address of that and on the usual ports. The
// namespace that the test runs in must reach it.
func ConsulIn(t testing.TB, ns, address string, more ...string) *ConsulAgent {
	t.Helper()
	c := newConsul(t)
	c.command = func(args []string) *exec.Cmd { return Command(t, ns, c.path, args...) }
	c.address = address + ":8500"
	c.args = append(consulArgs(c.data(), address), more...)
	c.Start()
	return c
}
