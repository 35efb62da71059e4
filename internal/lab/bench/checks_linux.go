package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// measureChecks measures what checks cost gorb and keepalived, on the same backends: all of them are one server, in the
// same network namespace, whose own part does not count.
func (s *stage) measureChecks(ctx context.Context, o options) ([]checking, error) {
	t, rounds := o.checked, 2
	if o.runs == 1 {
		rounds = 1
	}
	if t.services == 0 {
		return nil, nil
	}
	t.weight, t.last = 100, 100
	s.table = t
	var idle map[string]checking // without checks
	var all []checking
	programs := []struct {
		name   string
		launch func(checks) (*daemon, error)
	}{{"gorb run", s.gorbRun}, {"keepalived -C", s.keepalivedRun}}
	for _, c := range kinds(o.every) {
		least := make(map[string]checking)
		for i := range rounds * len(programs) {
			p := programs[i%len(programs)]
			got, err := s.measureChecking(ctx, c, p.launch)
			if err != nil {
				return nil, fmt.Errorf("%s, checks of kind %q: %w", p.name, c.kind, err)
			}
			fmt.Fprintf(os.Stderr, "%s, checks of kind %q: %s µs each, %s MB\n", p.name, c.kind, number(got.Micros, ""), number(got.MemoryMB, ""))
			if was, again := least[p.name]; !again || got.Micros < was.Micros {
				least[p.name] = got
			}
		}
		if c == (checks{}) {
			idle = least
			continue
		}
		for _, p := range programs {
			got := least[p.name]
			got.Kind, got.Method = c.kind, p.name
			got.MemoryKB = max(0, got.MemoryMB-idle[p.name].MemoryMB) * 1000 / float64(t.services*t.backends)
			all = append(all, got)
		}
	}
	compare(all)
	return all, nil
}

// measureChecking measures a program in a namespace of its own.
func (s *stage) measureChecking(ctx context.Context, c checks, launch func(checks) (*daemon, error)) (got checking, err error) {
	err = s.measured(ctx, func(ctx context.Context) error {
		got, err = s.check(ctx, c, launch)
		return err
	})
	return got, err
}

// kinds are the checks that are measured, and first of all none.
func kinds(every time.Duration) []checks {
	all := []checks{{}}
	for _, kind := range checkedKinds {
		all = append(all, checks{kind: kind, every: every})
	}
	return all
}

// gorbRun starts a gorb that runs on.
func (s *stage) gorbRun(c checks) (*daemon, error) {
	state := filepath.Join(s.dir, "run")
	if err := errors.Join(os.RemoveAll(state), os.Mkdir(state, 0o700)); err != nil {
		return nil, err
	}
	file, err := s.write("gorb.toml", s.table.toml(state, c))
	if err != nil {
		return nil, err
	}
	return s.launch(s.gorb, "run", file)
}

// keepalivedRun starts a keepalived that runs on.
func (s *stage) keepalivedRun(c checks) (*daemon, error) {
	file, err := s.write("keepalived.conf", s.table.keepalived(c))
	if err != nil {
		return nil, err
	}
	k, err := s.launchKeepalived(file)
	if err != nil {
		return nil, err
	}
	return k.daemon, nil
}

// check measures a program that checks.
func (s *stage) check(ctx context.Context, c checks, launch func(checks) (*daemon, error)) (got checking, err error) {
	if err := ownBackends(); err != nil {
		return got, err
	}
	server, err := s.launch(s.self, "-do=serve")
	if err != nil {
		return got, err
	}
	defer func() { err = errors.Join(err, server.kill()) }()
	if err := s.awaitServer(); err != nil {
		return got, err
	}
	syslog, err := startSyslogd()
	if err != nil {
		return got, err
	}
	defer func() { err = errors.Join(err, syslog.close()) }()
	d, err := launch(c)
	if err != nil {
		return got, err
	}
	defer func() { err = errors.Join(err, d.kill()) }()
	if _, err := d.await(ctx, s.table); err != nil {
		return got, err
	}
	time.Sleep(max(rest, c.every/10)) // the first checks of gorb come at once, those of keepalived within the interval
	if c != (checks{}) {
		if err := d.count(c.every, &got); err != nil {
			return got, err
		}
	}
	if got.MemoryMB, err = d.memory(); err != nil {
		return got, err
	}
	if c != (checks{}) {
		err = d.traceChecks(c.every, &got)
	}
	return got, errors.Join(err, s.verify(ctx, s.table))
}

// awaitServer waits until the server answers: a backend that is down at first comes back slowly.
func (s *stage) awaitServer() error {
	addr := s.table.backend(0, 0).String()
	for deadline := time.Now().Add(patience(s.table)); ; time.Sleep(poll) {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			return c.Close()
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the server of the backends does not start: %w", err)
		}
	}
}

// rest is how long a daemon is left alone at least before it is measured.
const rest = 500 * time.Millisecond

// ownBackends gives this network namespace all addresses of backends.
func ownBackends() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return netlink.RouteReplace(&netlink.Route{
		LinkIndex: lo.Attrs().Index, Table: unix.RT_TABLE_LOCAL, Type: unix.RTN_LOCAL, Scope: netlink.SCOPE_HOST,
		Dst: &net.IPNet{IP: net.IPv4(10, 0, 0, 0), Mask: net.CIDRMask(8, 32)},
	})
}

// count measures processor time over an interval.
func (d *daemon) count(every time.Duration, got *checking) error {
	before, err := d.usage()
	if err != nil {
		return err
	}
	time.Sleep(every)
	after, err := d.usage()
	if err != nil {
		return err
	}
	if got.Checks = after.opens - before.opens; got.Checks == 0 {
		return errors.New("it checked nothing")
	}
	got.Micros = float64((after.processor - before.processor).Microseconds()) / float64(got.Checks)
	return nil
}

// traceChecks counts system calls over half an interval, or over as many halves as it takes until there was a check: those
// of few backends may all be in one half.
func (d *daemon) traceChecks(every time.Duration, got *checking) error {
	a, err := attach(d.summary(), d.cmd.Process.Pid)
	if err != nil {
		return err
	}
	before, err := opens()
	after := before
	for deadline := time.Now().Add(2 * every); err == nil && after == before && time.Now().Before(deadline); {
		time.Sleep(every / 2)
		after, err = opens()
	}
	calls, err2 := a.detach()
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	if after == before {
		return errors.New("it checked nothing while it was traced")
	}
	got.Calls = float64(calls) / float64(after-before)
	return nil
}

// usage is what the processes of a daemon have used so far.
type usage struct {
	processor time.Duration
	opens     int // connections that were begun in its network namespace
}

func (d *daemon) usage() (u usage, err error) {
	if u.opens, err = opens(); err != nil {
		return u, err
	}
	pids, err := family(d.cmd.Process.Pid)
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return u, err
		}
		spent, err := parseStat(string(text))
		if err != nil {
			return u, fmt.Errorf("/proc/%d/stat: %w", pid, err)
		}
		u.processor += spent
	}
	return u, err
}

// memory returns how much memory the processes of a daemon have, in MB.
func (d *daemon) memory() (mb float64, err error) {
	pids, err := family(d.cmd.Process.Pid)
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			return 0, err
		}
		kb, err := parseSize(string(text), "Pss:")
		if err != nil {
			return 0, fmt.Errorf("/proc/%d/smaps_rollup: %w", pid, err)
		}
		mb += float64(kb) * 1024 / 1e6
	}
	return mb, err
}

// opens returns how many connections of TCP were begun in this network namespace.
func opens() (int, error) {
	const file = "/proc/thread-self/net/snmp"
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	n, err := parseSNMP(string(text), "Tcp:", "ActiveOpens")
	if err != nil {
		return 0, fmt.Errorf("%s: %w", file, err)
	}
	return n, nil
}
