package probe

import (
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// processor is how much processor time this process has had, in nanoseconds.
func processor(b *testing.B) float64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano() + u.Stime.Nano())
}

// measure makes checks and reports what one of them costs in processor time, the server's part of it included.
func measure(b *testing.B, check func(context.Context) error) {
	b.ReportAllocs()
	begun := processor(b)
	for b.Loop() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		err := check(ctx)
		cancel()
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric((processor(b)-begun)/float64(b.N), "cpu-ns/op")
}

func checks(c Checker, err error) func(context.Context) error {
	return func(ctx context.Context) error {
		if err != nil {
			return err
		}
		if r := c.Check(ctx, nil); r.Outcome != OK {
			return verdict(r.Text)
		}
		return nil
	}
}

// BenchmarkTCP compares a check with one that the server notices.
func BenchmarkTCP(b *testing.B) {
	addr := serve(b, func(net.Conn) {})
	b.Run("check", func(b *testing.B) {
		measure(b, checks(NewTCP(TCP{Addr: addr})))
	})
	b.Run("noticed", func(b *testing.B) {
		d := net.Dialer{KeepAlive: -1}
		measure(b, func(ctx context.Context) error {
			c, err := d.DialContext(ctx, "tcp", addr.String())
			if err != nil {
				return err
			}
			if err := c.(*net.TCPConn).SetLinger(0); err != nil {
				return err
			}
			return c.Close()
		})
	})
}

// BenchmarkHTTP compares a check with one by package net/http.
func BenchmarkHTTP(b *testing.B) {
	addr := serve(b, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1<<10))
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
	})
	b.Run("check", func(b *testing.B) {
		measure(b, checks(NewHTTP(HTTP{Addr: addr})))
	})
	b.Run("net-http", func(b *testing.B) {
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		measure(b, func(ctx context.Context) error {
			r, err := http.NewRequestWithContext(ctx, "GET", "http://"+addr.String(), nil)
			if err != nil {
				return err
			}
			resp, err := client.Do(r)
			if err != nil {
				return err
			}
			return resp.Body.Close()
		})
	})
}

// BenchmarkMemory says what a prepared check costs while it waits.
func BenchmarkMemory(b *testing.B) {
	addr := closed(b)
	for name, prepare := range map[string]func() (Checker, error){
		"tcp":  func() (Checker, error) { return NewTCP(TCP{Addr: addr}) },
		"http": func() (Checker, error) { return NewHTTP(HTTP{Addr: addr, Path: "/health"}) },
	} {
		b.Run(name, func(b *testing.B) {
			var before, after runtime.MemStats
			kept := make([]Checker, b.N)
			runtime.GC()
			runtime.ReadMemStats(&before)
			for i := range kept {
				kept[i], _ = prepare()
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(b.N), "held-B/op")
			runtime.KeepAlive(kept)
		})
	}
}
