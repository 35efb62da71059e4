package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// keepalived is a keepalived that runs, with nothing but its checker (-C), which logs what it does to syslog, as is its
// default.
type keepalived struct {
	*daemon
	config string
}

// pidFiles are the files that keepalived keeps process numbers in.
var pidFiles = [2]string{"keepalived.pid", "checkers.pid"}

// launchKeepalived starts a keepalived, behind what is to start it.
func (s *stage) launchKeepalived(config string, behind ...string) (*keepalived, error) {
	for _, name := range pidFiles { // or it would find the numbers of other processes there
		if err := os.Remove(filepath.Join(s.dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	d, err := s.launch(append(behind, "keepalived", "-C", "-n", "-f", config,
		"-p", filepath.Join(s.dir, pidFiles[0]), "-c", filepath.Join(s.dir, pidFiles[1]))...)
	return &keepalived{daemon: d, config: config}, err
}

// measureKeepalived measures keepalived from its start, or from the signal, to the moment when the table is complete. No
// backend has a checker, so all that it does is read its configuration, write the table, and log.
func (s *stage) measureKeepalived(ctx context.Context) (err error) {
	t := s.table
	t.weight, t.last = 100, 100
	syslog, err := startSyslogd()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, syslog.close()) }()
	k, err := s.startKeepalived(ctx, t)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.kill()) }()
	t.weight, t.last = 200, 200
	if err := k.reload(ctx, t, keepalivedReload); err != nil {
		return err
	}
	t.last = 300
	if err := k.reload(ctx, t, keepalivedChange); err != nil {
		return err
	}
	// With nothing configured it would end, and not have the time to take a large table apart.
	one := table{services: 1, backends: 1, weight: 200, last: 200}
	return k.reload(ctx, one, keepalivedRemove)
}

// counts reports whether the system calls of a method are counted.
func (s *stage) counts(m method) bool { return s.counting != nil && s.counting(m) }

// startKeepalived starts keepalived and waits for its table.
func (s *stage) startKeepalived(ctx context.Context, t table) (*keepalived, error) {
	config, err := s.write("keepalived.conf", t.keepalived(checks{}))
	if err != nil {
		return nil, err
	}
	var behind []string
	if s.counts(keepalivedStart) { // the tracer is not the parent, and takes signals, so that it can leave
		behind = []string{"strace", "-D", "-I", "2", "-c", "-f", "-o", s.summary()}
	}
	start := time.Now()
	k, err := s.launchKeepalived(config, behind...)
	if err != nil {
		return nil, err
	}
	if err := k.started(ctx, t, start); err != nil {
		return nil, errors.Join(err, k.kill())
	}
	return k, nil
}

// started waits for the table of a keepalived that has just been started.
func (k *keepalived) started(ctx context.Context, t table, start time.Time) error {
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
		if r.calls, err = awaitCalls(k.summary()); err != nil {
			return err
		}
	}
	k.took(keepalivedStart, r.wall, r)
	return k.finished(ctx, keepalivedStart.name, t)
}

// reload has keepalived read a configuration of the table t, and waits until the kernel's is that.
func (k *keepalived) reload(ctx context.Context, t table, m method) error {
	if err := os.WriteFile(k.config, []byte(t.keepalived(checks{})), 0o600); err != nil {
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
	return k.finished(ctx, m.name, t)
}
