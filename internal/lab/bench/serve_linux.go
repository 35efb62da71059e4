package main

import "net"

// answer is what the server says to everybody.
const answer = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"

// serve is all backends: it answers whoever says something.
func serve() error {
	l, err := net.Listen("tcp4", ":8080")
	if err != nil {
		return err
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			if n, _ := c.Read(make([]byte, 4096)); n > 0 {
				_, _ = c.Write([]byte(answer))
			}
		}()
	}
}
