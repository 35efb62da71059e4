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

// poll is the time between two looks at what keepalived has done. They cost it time: one service is read.
const poll = 20 * time.Millisecond

// keepalived is a keepalived that runs, with nothing but its checker (-C), of which no backend has one: so all that it
// does is read its configuration, write the table, and log what it does to syslog, as is its default.
type keepalived struct {
	*stage
	config string
	cmd    *exec.Cmd
	log    *os.File   // what it says on its standard output
	ended  chan error // takes how it ended
}

// pidFiles are the files that keepalived keeps process numbers in.
var pidFiles = [2]string{"keepalived.pid", "checkers.pid"}

// measureKeepalived measures keepalived from its start, or from the signal, to the moment when the table is complete.
func (s *stage) measureKeepalived(ctx context.Context) (err error) {
	t := s.table
	t.weight, t.last = 100, 100
	config, err := s.write("keepalived.conf", t.keepalived())
	if err != nil {
		return err
	}
	k := &keepalived{stage: s, config: config}
	if k.log, err = os.Create(filepath.Join(s.dir, "keepalived.log")); err != nil {
		return err
	}
	defer k.log.Close()
	syslog, err := startSyslogd()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, syslog.close()) }()
	if err := k.start(ctx, t); err != nil {
		return errors.Join(err, k.kill())
	}
	t.weight, t.last = 200, 200
	if err := k.reload(ctx, t, keepalivedReload); err != nil {
		return errors.Join(err, k.kill())
	}
	t.last = 300
	if err := k.reload(ctx, t, keepalivedChange); err != nil {
		return errors.Join(err, k.kill())
	}
	// With nothing configured it would end, and not have the time to take a large table apart.
	one := table{services: 1, backends: 1, weight: 200, last: 200}
	err = k.reload(ctx, one, keepalivedRemove)
	return errors.Join(err, k.kill())
}

// counts reports whether the system calls of a method are counted.
func (k *keepalived) counts(m method) bool { return k.counting != nil && k.counting(m) }

// start starts keepalived and waits for its table.
func (k *keepalived) start(ctx context.Context, t table) error {
	args := []string{
		"keepalived", "-C", "-n", "-f", k.config,
		"-p", filepath.Join(k.dir, pidFiles[0]), "-c", filepath.Join(k.dir, pidFiles[1]),
	}
	summary := k.summary()
	if k.counts(keepalivedStart) { // the tracer is not the parent, and takes signals, so that it can leave
		args = append([]string{"strace", "-D", "-I", "2", "-c", "-f", "-o", summary}, args...)
	}
	k.cmd = exec.Command(args[0], args[1:]...)
	k.cmd.Stdout, k.cmd.Stderr = k.log, k.log
	k.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	start := time.Now()
	if err := k.cmd.Start(); err != nil {
		return err
	}
	k.ended = make(chan error, 1)
	go func() { k.ended <- k.cmd.Wait() }()
	done, err := k.await(ctx, t)
	if err != nil {
		return err
	}
	r := ran{wall: done.Sub(start)}
	if k.counts(keepalivedStart) {
		tracer, err := tracerOf(k.cmd.Process.Pid)
		if err != nil {
			return err
		}
		if err := syscall.Kill(tracer, syscall.SIGINT); err != nil {
			return err
		}
		if r.calls, err = awaitCalls(summary); err != nil {
			return err
		}
	}
	k.took(keepalivedStart, r.wall, r)
	return k.finished(keepalivedStart.name, t)
}

// reload has keepalived read a configuration of the table t, and waits until the kernel's is that.
func (k *keepalived) reload(ctx context.Context, t table, m method) error {
	if err := os.WriteFile(k.config, []byte(t.keepalived()), 0o600); err != nil {
		return err
	}
	var a *attached
	if k.counts(m) {
		var err error
		if a, err = attach(k.summary(), k.cmd.Process.Pid); err != nil {
			return err
		}
	}
	start := time.Now()
	if err := k.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		return err
	}
	done, err := k.await(ctx, t)
	if err != nil {
		return err
	}
	r := ran{wall: done.Sub(start)}
	if a != nil {
		var err error
		if r.calls, err = a.detach(); err != nil {
			return err
		}
	}
	k.took(m, r.wall, r)
	return k.finished(m.name, t)
}

// await waits until the table is t, and returns when it was. Only when the last service is as it should be, the others
// are looked at.
func (k *keepalived) await(ctx context.Context, t table) (time.Time, error) {
	key := k.table.key(k.table.services - 1)
	for deadline := time.Now().Add(patience(k.table)); ; time.Sleep(poll) {
		observed, err := k.client.Observe(ctx, key)
		if err != nil {
			return time.Time{}, err
		}
		now := time.Now()
		wrong := errors.New("its last service is not")
		if k.lastDone(observed, key, t) {
			if wrong = k.verify(t); wrong == nil {
				return now, nil
			}
		}
		if now.Before(deadline) && len(k.ended) == 0 {
			continue
		}
		log, err := os.ReadFile(k.log.Name())
		return now, errors.Join(fmt.Errorf("keepalived: the table is not as configured: %w; it said:\n%s", wrong, last(string(log))), err)
	}
}

// lastDone reports whether the last service is as it should be in t.
func (k *keepalived) lastDone(observed kernel.Table, key kernel.ServiceKey, t table) bool {
	service, there := observed[key]
	if t.services < k.table.services {
		return !there
	}
	for _, d := range service.Dests {
		if d.Addr == t.backend(t.services-1, t.backends-1) {
			return int(d.Weight) == t.last && len(service.Dests) == t.backends
		}
	}
	return false
}

// kill ends keepalived, not by asking: it would take its table apart.
func (k *keepalived) kill() error {
	if k.cmd == nil || k.cmd.Process == nil {
		return nil
	}
	errs := []error{syscall.Kill(-k.cmd.Process.Pid, syscall.SIGKILL)}
	<-k.ended
	for _, name := range pidFiles { // or the next one would find the numbers of other processes there
		if err := os.Remove(filepath.Join(k.dir, name)); !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
