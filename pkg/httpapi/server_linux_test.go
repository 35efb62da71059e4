package httpapi

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/rs/zerolog"
)

// endless is a listener that somebody connects to again and again.
type endless struct {
	pipes
	taken atomic.Int64
}

func (e *endless) Accept() (net.Conn, error) {
	select {
	case <-e.closed:
		return nil, net.ErrClosed
	default:
	}
	e.taken.Add(1)
	_, server := net.Pipe()
	return server, nil
}

func (*endless) Addr() net.Addr { return &net.TCPAddr{} }

// TestConnectionsLeaveFilesToChecks has somebody open as many connections as he can where few files may be open.
func TestConnectionsLeaveFilesToChecks(t *testing.T) {
	for files, want := range map[uint64]int{
		0: 1, 256: 32, 1024: 128, 4096: 512, 16_383: 512, 16_384: 12_288, 20_000: 15_000, 24_000: 16_384, 524_288: 16_384,
	} {
		if got := mostConns(files); got != want {
			t.Errorf("of %d files: %d, want %d", files, got, want)
		}
	}
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	const files, want = 1024, 128
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: files, Max: was.Max}); err != nil {
		t.Skip(err)
	}
	defer func() { _ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was) }()
	if got := NewHub(EventLimits{}).limits.Readers; got != want/4*3 {
		t.Errorf("%d may read events", got)
	}
	synctest.Test(t, func(t *testing.T) {
		l := &endless{pipes: pipes{closed: make(chan struct{})}}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- Serve(ctx, l, http.NotFoundHandler(), nil, zerolog.Nop()) }()
		synctest.Wait()
		if got := l.taken.Load(); got != want {
			t.Errorf("%d are served", got)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
