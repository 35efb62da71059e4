package httpapi

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

func TestServeDebug(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serveDebug(ctx, l, zerolog.Nop()) }()
	own, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, tt := range []struct {
		path, host string
		code       int
	}{
		{"/debug/pprof/", "", 200},
		{"/debug/pprof/", "localhost", 200},
		{"/debug/pprof/", "LOCALHOST:6060", 200},
		{"/debug/pprof/", "[::1]:6060", 200},
		{"/debug/pprof/", "[::1]", 200},
		{"/debug/pprof/", own, 200},
		{"/debug/pprof/", "evil.example", 421},
		{"/debug/pprof/", "127.0.0.1.evil.example:6060", 421},
		{"/debug/pprof/goroutine?debug=1", "", 200},
		{"/debug/pprof/profile?seconds=1", "", 200},
		{"/debug/pprof/none", "", 404},
		{"/debug/pprof/cmdline", "", 404},
		{"/", "", 404},
	} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+l.Addr().String()+tt.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = tt.host
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != tt.code || len(body) == 0 {
			t.Errorf("%s with Host %q: %s, %d bytes, %v", tt.path, tt.host, answer.Status, len(body), err)
		}
	}

	// A long profile does not hold up the end.
	begun := make(chan error, 1)
	go func() {
		answer, err := client.Get("http://" + l.Addr().String() + "/debug/pprof/trace?seconds=3600")
		if err == nil {
			_, err = io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
		}
		begun <- err
	}()
	time.Sleep(20 * time.Millisecond) // whether it has begun makes no difference to what is right
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	<-begun // it was cut off, or had ended with what there was
}

// TestServeDebugTriesAgain has the address be somebody else's for a while.
func TestServeDebugTriesAgain(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	var log bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- ServeDebug(ctx, other.Addr().String(), zerolog.New(&log)) }()
		time.Sleep(time.Hour)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, `"err":"address already in use","message":"profiles cannot be read; it is tried again"`) {
		t.Error(text)
	}
	if err := ServeDebug(t.Context(), "", zerolog.Nop()); err != nil {
		t.Error(err)
	}
}

// TestNoProfilesInTheAPI asks where everybody may ask.
func TestNoProfilesInTheAPI(t *testing.T) {
	if w := exchange(routes(&fakeDaemon{}), "GET", "/debug/pprof/", ""); w.Code != 404 {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
}
