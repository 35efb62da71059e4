package kernel

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gorb-io/gorb/internal/lab"
	"golang.org/x/sys/unix"
)

// testWatchHost changes addresses and interfaces from outside.
func testWatchHost(t *testing.T) {
	ns := lab.Namespace(t)
	ipBatch(t, ns, "link add eth1 up type veth peer name eth2\naddr add 10.0.0.1/32 dev eth1\naddr add fd00::1/128 dev eth1 nodad")
	h := openHost(t, ns)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	changed, ended := make(chan struct{}, 1), make(chan error, 1)
	go func() { ended <- h.Watch(ctx, changed) }()
	hears := func(what string) {
		t.Helper()
		select {
		case <-changed:
		case err := <-ended:
			t.Fatalf("%s: it ended with %v", what, err)
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: not heard", what)
		}
	}
	// quiet waits until the kernel has said everything about the last change.
	quiet := func() {
		for {
			select {
			case <-changed:
			case <-time.After(200 * time.Millisecond):
				return
			}
		}
	}
	hears("the beginning")
	for _, change := range []string{
		"addr del 10.0.0.1/32 dev eth1", "addr del fd00::1/128 dev eth1", "addr add 10.0.0.2/24 dev lo",
		"link set eth1 down", "link del eth1", "link add gorb0 type dummy",
	} {
		quiet()
		lab.Exec(t, ns, "ip", strings.Fields(change)...)
		hears(change)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
}

// TestHear injects what a socket answers.
func TestHear(t *testing.T) {
	gone := errors.New("gone")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, tt := range []struct {
		name    string
		answers []error
		want    int // signals
		err     error
	}{
		{"messages", []error{nil, nil, gone}, 3, gone},
		{"an overrun", []error{unix.ENOBUFS, unix.EINTR, gone}, 3, gone},
		{"the end", []error{nil, context.Canceled}, 2, nil},
	} {
		changed := make(chan struct{}, 10)
		i := 0
		err := hear(ctx, changed, func() error {
			defer func() { i++ }()
			if tt.answers[i] == context.Canceled {
				cancel()
			}
			return tt.answers[i]
		})
		if !errors.Is(err, tt.err) || len(changed) != tt.want {
			t.Errorf("%s: %d signals and %v, want %d and %v", tt.name, len(changed), err, tt.want, tt.err)
		}
	}
}
