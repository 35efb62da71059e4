package httpapi

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

// pipes is a listener whose connections are in memory, so that a bubble's clock is theirs.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error   { close(p.closed); return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{} }

// TestWhoIsSlowLosesTheConnection has clients that send or read nothing more, which must not keep what others need.
func TestWhoIsSlowLosesTheConnection(t *testing.T) {
	for name, tt := range map[string]struct {
		says  string
		reads bool          // the answer
		in    time.Duration // when the connection must have ended
	}{
		"nothing":             {"", false, 5 * time.Second},
		"half a header":       {"GET / HTTP/1.1\r\nHost: x\r\nX-", false, 5 * time.Second},
		"half a body":         {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{", false, 30 * time.Second},
		"and does not read":   {"GET /long HTTP/1.1\r\nHost: x\r\n\r\n", false, writeTime},
		"and asks no further": {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", true, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				l := pipes{make(chan net.Conn), make(chan struct{})}
				ended := make(chan error, 1)
				go func() {
					ended <- Serve(ctx, l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						_, _ = io.Copy(io.Discard, r.Body)
						if r.URL.Path == "/long" {
							_, _ = io.WriteString(w, strings.Repeat("x", 1<<20))
						}
					}), nil, zerolog.Nop())
				}()
				client, server := net.Pipe()
				l.conns <- server
				if _, err := io.WriteString(client, tt.says); err != nil {
					t.Fatal(err)
				}
				if tt.reads {
					if _, err := client.Read(make([]byte, 4096)); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(tt.in + time.Second)
				_ = client.SetReadDeadline(time.Now().Add(time.Second))
				if _, err := io.Copy(io.Discard, client); err != nil {
					t.Errorf("it is still there: %v", err)
				}
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestAClientDoesNotWaitForEver has somebody listen who never answers, and one who stops within the answer.
func TestAClientDoesNotWaitForEver(t *testing.T) {
	const begun = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"
	const long, hangs = time.Hour, "it hangs, or has too much to do"
	for name, tt := range map[string]struct {
		method, says   string
		patience, most time.Duration
		want           string
	}{
		"at once":      {"GET", "", long, 50 * time.Millisecond, hangs},
		"within":       {"GET", begun, long, 60 * time.Millisecond, hangs},
		"is impatient": {"GET", "", 40 * time.Millisecond, long, hangs},
		"does":         {"POST", "", 40 * time.Millisecond, long, hangs + ", and may still do what it was asked"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			l, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					defer conn.Close()
					_, _ = conn.Read(make([]byte, 4096)) // an answer before the request is another mistake
					_, _ = conn.Write([]byte(tt.says))   // what the client makes of it is what is tested
				}
			}()
			// In so short a time a busy machine may not even connect: it has more, until it does.
			for times := time.Duration(1); ; times *= 10 {
				patience, most := min(tt.patience*times, long), min(tt.most*times, long)
				c := NewClient(path).Within(patience)
				c.http.Timeout = most
				err = c.Do(t.Context(), tt.method, "/status", nil, nil)
				want := fmt.Sprintf("%s: gorb (pid %d) does not answer within %s; %s", path, os.Getpid(), min(patience, most), tt.want)
				switch {
				case err != nil && err.Error() == want:
					return
				case times >= 100:
					t.Fatalf("%v; want %s", err, want)
				}
			}
		})
	}
}
