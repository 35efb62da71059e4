package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gorb-io/gorb/internal/lab"
	"github.com/gorb-io/gorb/pkg/kernel"
)

// patience is how long one step on a table may take.
func patience(t table) time.Duration {
	return 30*time.Second + time.Duration(t.objects())*7*time.Millisecond
}

// A stage is where the programs are measured.
type stage struct {
	dir    string         // for files
	gorb   string         // the program
	self   string         // this program
	client *kernel.Client // of the network namespace of the program that is measured
	table  table          // its size is that of what the programs work on
	settle time.Duration

	results *results
	// counting: nil is to measure time; else system calls are counted, which makes the times meaningless.
	counting func(method) bool
	calls    map[method]int
}

// openStage finds the programs.
func openStage(gorb string, t table, settle time.Duration) (*stage, error) {
	var errs []error
	for _, program := range []string{gorb, "ipvsadm", "keepalived", "strace"} {
		if _, err := exec.LookPath(program); err != nil {
			errs = append(errs, fmt.Errorf("there is no %s here (make deps fetches what this machine lacks)", program))
		}
	}
	self, err := os.Executable()
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return nil, err
	}
	return &stage{dir: dir, gorb: gorb, self: self, table: t, settle: settle, results: newResults(t)}, nil
}

func (s *stage) close() error { return os.RemoveAll(s.dir) }

// measured measures a program, or several tasks of it, in a network namespace of its own. The kernel keeps what is
// deleted for some minutes (dest_trash), and looks through all of that for each backend that is added
// (ip_vs_trash_get_dest): whoever comes second on one table is slower by far.
func (s *stage) measured(ctx context.Context, measure func(context.Context) error) (err error) {
	const ns = "bench"
	if err := lab.AddNamespace(ns); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, lab.DeleteNamespace(ns))
		time.Sleep(10 * s.settle)
	}()
	s.client, err = kernel.Open(ctx, kernel.Options{Namespace: lab.NamespacePath(ns), LoadModule: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.client.Close()) }()
	return lab.Do(ns, func() error { return measure(ctx) })
}

// write writes a file and returns its path.
func (s *stage) write(name, text string) (string, error) {
	path := filepath.Join(s.dir, name)
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// took notes what a method took, or its system calls.
func (s *stage) took(m method, counts time.Duration, r ran) {
	if s.counting != nil {
		s.calls[m] = r.calls
		return
	}
	fmt.Fprintf(os.Stderr, "%s, %s: %s ms\n", m.task, m.name, number(inMilliseconds(counts), ""))
	s.results.times[m] = append(s.results.times[m], counts)
	s.results.walls[m] = append(s.results.walls[m], r.wall)
}

// ran is how a program ran.
type ran struct {
	out   []byte // its standard output
	wall  time.Duration
	calls int // system calls, where they are counted
}

// run runs a program to its end, with a file as its standard input if there is one. Where system calls are counted, all
// of it counts.
func (s *stage) run(ctx context.Context, input, program string, args ...string) (ran, error) {
	if s.counting == nil {
		return s.execute(ctx, input, program, args...)
	}
	r, err := s.execute(ctx, input, "strace", append([]string{"-c", "-f", "-o", s.summary(), program}, args...)...)
	if err == nil {
		r.calls, err = readCalls(s.summary())
	}
	return r, err
}

// execute is run without counting.
func (s *stage) execute(ctx context.Context, input, program string, args ...string) (ran, error) {
	ctx, cancel := context.WithTimeout(ctx, patience(s.table))
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if input != "" {
		f, err := os.Open(input)
		if err != nil {
			return ran{}, err
		}
		defer f.Close()
		cmd.Stdin = f
	}
	start := time.Now()
	err := cmd.Run()
	r := ran{out: out.Bytes(), wall: time.Since(start)}
	if err != nil {
		return r, fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, last(errOut.String()))
	}
	return r, nil
}

// summary is the file for what strace counted.
func (s *stage) summary() string { return filepath.Join(s.dir, "calls") }

// readCalls reads the number of system calls in a summary of strace.
func readCalls(file string) (int, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	return parseStrace(string(text))
}

// last returns the last lines of what a program printed.
func last(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}

// verify fails unless the kernel's table is this one, as ipvsadm prints it: a fast failure is no fast result. (Not as
// /proc/net/ip_vs has it, which leaves out services while another namespace has some: ip_vs_info_seq_next counts those of
// all namespaces, and ip_vs_info_array, from where a reading goes on, those of one.)
func (s *stage) verify(ctx context.Context, t table) error {
	r, err := s.execute(ctx, "", "ipvsadm", "-Sn")
	if err != nil {
		return err
	}
	return difference(t.rows(), rowsOf(string(r.out)))
}

// finished verifies the table after a step, and gives the kernel time to settle.
func (s *stage) finished(ctx context.Context, what string, t table) error {
	if err := s.verify(ctx, t); err != nil {
		return fmt.Errorf("after %s: %w", what, err)
	}
	time.Sleep(s.settle)
	return nil
}
