package main

import "testing"

func TestCheckedOf(t *testing.T) {
	d := desiredOf(t, `[services.web]
host = "10.0.0.1"
port = 80
[services.web.backends]
a.host = "10.1.0.1"
b = { host = "10.1.0.2", pulse = { type = "none" } }
[services.dns]
host = "10.0.0.1"
port = 53
protocol = "udp"
backends.a.host = "10.1.0.1"
`)
	if n := checkedOf(d); n != 1 {
		t.Errorf("%d backends are checked, want 1", n)
	}
	if n := checkedOf(nil); n != 0 {
		t.Errorf("of nothing: %d", n)
	}
}
