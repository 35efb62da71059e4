package main

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
)

// devLog is where syslog(3) sends its lines.
const devLog = "/dev/log"

// syslogd takes what programs log, as the one that every director has does, and keeps nothing of it.
type syslogd struct {
	conn *net.UnixConn // nil: the machine has its own
	done sync.WaitGroup
}

func startSyslogd() (*syslogd, error) {
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: devLog, Net: "unixgram"})
	if errors.Is(err, syscall.EADDRINUSE) {
		return &syslogd{}, nil
	}
	if err != nil {
		return nil, err
	}
	d := &syslogd{conn: conn}
	d.done.Go(func() {
		line := make([]byte, 4096)
		for {
			if _, err := conn.Read(line); err != nil {
				return
			}
		}
	})
	return d, nil
}

func (d *syslogd) close() error {
	if d.conn == nil {
		return nil
	}
	err := d.conn.Close()
	d.done.Wait()
	if gone := os.Remove(devLog); !errors.Is(gone, os.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	return err
}
