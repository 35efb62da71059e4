package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gorb-io/gorb/pkg/kernel"
)

// poll is the time between two looks at what a daemon has done. They cost it time: one service is read.
const poll = 20 * time.Millisecond

// A daemon is a program that keeps a table and runs on.
type daemon struct {
	*stage
	cmd   *exec.Cmd
	log   *os.File   // what it says
	ended chan error // takes how it ended
}

// launch starts a program in a process group of its own. It is to be ended, if only because it did not start.
func (s *stage) launch(args ...string) (*daemon, error) {
	log, err := os.CreateTemp(s.dir, filepath.Base(args[0])+"-*.log")
	if err != nil {
		return nil, err
	}
	d := &daemon{stage: s, cmd: exec.Command(args[0], args[1:]...), log: log, ended: make(chan error, 1)}
	d.cmd.Stdout, d.cmd.Stderr = log, log
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := d.cmd.Start(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	go func() { d.ended <- d.cmd.Wait() }()
	return d, nil
}

// await waits until the table is t, and returns when it was. Only when the last service is as it should be, the others
// are looked at.
func (d *daemon) await(ctx context.Context, t table) (time.Time, error) {
	key := d.table.key(d.table.services - 1)
	for deadline := time.Now().Add(patience(d.table)); ; time.Sleep(poll) {
		observed, err := d.client.Observe(ctx, key)
		if err != nil {
			return time.Time{}, err
		}
		now := time.Now()
		wrong := errors.New("its last service is not")
		if d.lastDone(observed, key, t) {
			if wrong = d.verify(ctx, t); wrong == nil {
				return now, nil
			}
		}
		if now.Before(deadline) && len(d.ended) == 0 {
			continue
		}
		log, err := os.ReadFile(d.log.Name())
		return now, errors.Join(fmt.Errorf("%s: the table is not as configured: %w; it said:\n%s", d.cmd.Args[0], wrong, last(string(log))), err)
	}
}

// lastDone reports whether the last service is as it should be in t.
func (d *daemon) lastDone(observed kernel.Table, key kernel.ServiceKey, t table) bool {
	service, there := observed[key]
	if t.services < d.table.services {
		return !there
	}
	for _, dest := range service.Dests {
		if dest.Addr == t.backend(t.services-1, t.backends-1) {
			return int(dest.Weight) == t.last && len(service.Dests) == t.backends
		}
	}
	return false
}

// kill ends a daemon, not by asking: keepalived would take its table apart.
func (d *daemon) kill() error {
	err := syscall.Kill(-d.cmd.Process.Pid, syscall.SIGKILL)
	<-d.ended
	return errors.Join(err, d.log.Close())
}
