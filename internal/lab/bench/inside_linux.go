package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// The sizes at which the system calls of those programs are counted that make some for each object: strace slows each
// call so much that all of the table would take minutes. See extrapolate.
const (
	fewServices  = 2
	moreServices = 8
)

// share is the time after which a program is not measured once more, on a machine where everything is slow.
const share = 90 * time.Second

// inside measures, where the kernel has IPVS, and says on standard error how far it is. The kernel has the time settle
// between two steps, and ten times that after a namespace.
func inside(ctx context.Context, gorb string, o options, settle time.Duration) (r report, err error) {
	s, err := openStage(gorb, o.table, settle)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	system, err := describe()
	if err != nil {
		return r, err
	}
	checked, err := s.measureChecks(ctx, o)
	if err != nil {
		return r, err
	}
	s.table = o.table
	if err := s.repeat(ctx, o.runs); err != nil {
		return r, err
	}
	if o.runs > 0 {
		start := time.Now()
		if err := s.countCalls(ctx); err != nil {
			return r, fmt.Errorf("with strace: %w", err)
		}
		fmt.Fprintf(os.Stderr, "counting system calls took %.0f s\n", time.Since(start).Seconds())
	}
	r = s.results.report(system)
	r.Checked, r.Interval, r.Checks = o.checked.services*o.checked.backends, o.every.String(), checked
	return r, nil
}

// repeat has each program do everything so many times, or until it has had its share.
func (s *stage) repeat(ctx context.Context, runs int) error {
	type program struct {
		name    string
		measure func(context.Context) error
		took    time.Duration
	}
	programs := []program{
		{name: "gorb", measure: s.measureGorb},
		{name: "ipvsadm", measure: s.measureIpvsadm},
		{name: "keepalived", measure: s.measureKeepalived},
	}
	for i := range runs {
		for j := range programs {
			p := &programs[j]
			if p.took > share {
				continue
			}
			start := time.Now()
			if err := s.measured(ctx, p.measure); err != nil {
				return err
			}
			took := time.Since(start)
			p.took += took
			fmt.Fprintf(os.Stderr, "run %d of %s took %.0f s\n", i+1, p.name, took.Seconds())
		}
	}
	return nil
}

// describe says where and with what gorb is compared.
func describe() (string, error) {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "", err
	}
	kind := "Linux " + strings.TrimSpace(string(release))
	if cpu, err := os.ReadFile("/proc/cpuinfo"); err == nil && strings.Contains(string(cpu), "User Mode Linux") {
		kind += " (user-mode Linux)"
	}
	var versions [2]string
	for i, program := range []string{"ipvsadm", "keepalived"} {
		out, err := exec.Command(program, "--version").CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("%s --version: %w\n%s", program, err, out)
		}
		versions[i] = parseVersion(string(out))
	}
	processors := "1 processor"
	if n := runtime.NumCPU(); n > 1 {
		processors = fmt.Sprintf("%d processors", n)
	}
	return fmt.Sprintf("%s, %s, ipvsadm %s, keepalived %s", kind, processors, versions[0], versions[1]), nil
}

// countCalls counts system calls: those of gorb on all of the table, those of the others on small ones. What a reload of
// keepalived makes for one change hardly grows with the table, but varies: it is counted on all of it, and alone.
func (s *stage) countCalls(ctx context.Context) error {
	full := s.table
	every := func(method) bool { return true }
	only := func(m method) bool { return m == keepalivedChange }
	all, err := s.counted(ctx, full, s.measureGorb, every)
	if err != nil {
		return err
	}
	for m, n := range all {
		s.results.calls[m] = float64(n)
	}
	small, larger := full, full
	small.services, larger.services = min(fewServices, full.services), min(moreServices, full.services)
	for _, measure := range []func(context.Context) error{s.measureIpvsadm, s.measureKeepalived} {
		few, err := s.counted(ctx, small, measure, every)
		if err != nil {
			return err
		}
		more, err := s.counted(ctx, larger, measure, every)
		if err != nil {
			return err
		}
		for m := range few {
			s.results.calls[m] = extrapolate(small.objects(), few[m], larger.objects(), more[m], full.objects())
		}
	}
	one, err := s.counted(ctx, full, s.measureKeepalived, only)
	if err != nil {
		return err
	}
	s.results.calls[keepalivedChange] = float64(one[keepalivedChange])
	return nil
}

// counted returns the system calls that a program makes with a table, of those methods that count. It tries three times:
// keepalived does not try again what failed, and strace(1) can make a call of it fail (EINTR).
func (s *stage) counted(ctx context.Context, t table, measure func(context.Context) error, count func(method) bool) (map[method]int, error) {
	for tries := 1; ; tries++ {
		s.table, s.calls, s.counting = t, map[method]int{}, count
		err := s.measured(ctx, measure)
		if err == nil || tries == 3 || ctx.Err() != nil {
			return s.calls, err
		}
		fmt.Fprintf(os.Stderr, "counting system calls failed, and is tried again: %v\n", err)
	}
}
