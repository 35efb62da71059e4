package main

import (
	"net"
	"strings"
	"testing"
)

// TestSocketComesLater has another listen on the socket when gorb starts: gorb keeps its table, and takes the socket when that
// has ended.
func TestSocketComesLater(t *testing.T) {
	w := newAPIWorld(t, "")
	w.end()
	other, err := net.Listen("unix", w.socket())
	if err != nil {
		t.Fatal(err)
	}
	w.start()
	w.want(200, "GET", "/service", "", nil)
	w.eventually(func() bool { return strings.Contains(w.log.String(), "it is tried again") })
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	ask := overSocket(w.socket())
	w.eventually(func() bool {
		answer, err := ask.Get("http://gorb/status")
		return err == nil && answer.Body.Close() == nil && answer.StatusCode == 200
	})
	ask.CloseIdleConnections()
	if n := strings.Count(w.log.String(), "gorb cannot be asked"); n != 1 {
		t.Errorf("it is said %d times", n)
	}
}
