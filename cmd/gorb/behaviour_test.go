package main

import (
	"math/rand/v2"
	"net"
	"time"
)

// behaviour is what a server does with a connection.
type behaviour func(net.Conn)

// request waits for the beginning of what a client says, for a moment: it may say nothing.
func request(c net.Conn) {
	_ = c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	_, _ = c.Read(make([]byte, 4<<10))
	_ = c.SetReadDeadline(time.Time{})
}

// hangs says nothing until the client gives up.
func hangs(c net.Conn) {
	buf := make([]byte, 4<<10)
	for {
		if _, err := c.Read(buf); err != nil {
			return
		}
	}
}

func says(text string) behaviour { return saysAnd(text, func(net.Conn) {}) }

func saysAnd(text string, then behaviour) behaviour {
	return func(c net.Conn) {
		request(c)
		_, _ = c.Write([]byte(text))
		then(c)
	}
}

// slowly says something after the client's patience.
func slowly(text string) behaviour {
	return func(c net.Conn) {
		time.Sleep(4 * time.Second)
		_, _ = c.Write([]byte(text))
	}
}

// resets ends a connection by a reset.
func resets(c net.Conn) {
	request(c)
	if under, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = under.NetConn()
	}
	_ = c.(*net.TCPConn).SetLinger(0)
	c.Close()
}

// endless says something, and then 10 GB more, or as much as the client takes.
func (s *servers) endless(text string) behaviour {
	return saysAnd(text, func(c net.Conn) {
		piece := make([]byte, 64<<10)
		for i := range piece {
			piece[i] = byte('a' + rand.IntN(26))
		}
		for sent := int64(0); sent < 10e9; {
			n, err := c.Write(piece)
			sent += int64(n)
			for most := s.most.Load(); sent > most && !s.most.CompareAndSwap(most, sent); most = s.most.Load() {
			}
			if err != nil {
				return
			}
		}
	})
}
