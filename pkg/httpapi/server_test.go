package httpapi

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

// breaking is a listener that breaks once it has taken its connection; nil: at once.
type breaking struct {
	pipes
	conn net.Conn
}

var errBroken = errors.New("it is broken")

func (b *breaking) Accept() (net.Conn, error) {
	if c := b.conn; c != nil {
		b.conn = nil
		return c, nil
	}
	return nil, errBroken
}

// TestServerThatEndsByItselfLeavesNothing has listeners break, after which somebody serves again and again.
func TestServerThatEndsByItselfLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		serve := func(conn net.Conn) {
			t.Helper()
			l := &breaking{pipes{closed: make(chan struct{})}, conn}
			if err := Serve(ctx, l, http.NotFoundHandler(), nil, zerolog.Nop()); !errors.Is(err, errBroken) {
				t.Errorf("it ends with %v", err)
			}
		}
		client, server := net.Pipe()
		begun := time.Now()
		serve(server)
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, io.EOF) || time.Since(begun) > lastWords {
			t.Errorf("the connection is there for %s: %v", time.Since(begun), err)
		}
		const often = 100
		before := runtime.NumGoroutine()
		for range often {
			serve(nil)
		}
		synctest.Wait()
		if more := runtime.NumGoroutine() - before; more > often/2 {
			t.Errorf("after %d of them there are %d goroutines more", often, more)
		}
	})
}
