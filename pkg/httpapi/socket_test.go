package httpapi

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// TestReadersLeaveTheSocketToCommands has more readers of events at the socket than there are connections, none of whom ends
// his: commands are answered all the same, and so are readers over TCP.
func TestReadersLeaveTheSocketToCommands(t *testing.T) {
	f, _ := fake(t)
	h, endReaders := hubOf(t, EventLimits{Readers: 1})
	api := New(f, Options{Access: open(), Log: zerolog.Nop(), Events: h})
	path := filepath.Join(t.TempDir(), "gorb.sock")
	local, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	l := Peers(listen(t, path))
	go func() { ended <- Serve(ctx, l, api, nil, zerolog.Nop()) }()
	go func() { ended <- Serve(ctx, local, api, nil, zerolog.Nop()) }()
	c := NewClient(path)
	defer func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		endReaders()
	}()
	const patience = 30 * time.Second // less than an idle connection has
	reader := func(network, address string) int {
		t.Helper()
		conn, err := net.Dial(network, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(patience))
		if _, err := fmt.Fprintf(conn, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode
	}
	got := map[int]int{}
	for range socketConns + 10 {
		got[reader("unix", path)]++
	}
	if most := socketConns / 4 * 3; got[200] != most || got[503] != socketConns+10-most {
		t.Errorf("answers: %v", got)
	}
	asking, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	if err := c.Do(asking, "GET", "/status", nil, new(Status)); err != nil {
		t.Errorf("beside them: %v", err)
	}
	if first, second := reader("tcp", local.Addr().String()), reader("tcp", local.Addr().String()); first != 200 || second != 503 {
		t.Errorf("over TCP: %d, then %d", first, second)
	}
}
