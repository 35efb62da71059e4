// Command bench measures gorb beside ipvsadm(8) and keepalived(8), on one kernel that has IPVS and in one boot of it,
// and prints the results as a table in Markdown:
//
//	go run ./internal/lab/bench            # where the tests run: user-mode Linux, or this machine's own kernel
//	go run ./internal/lab/bench -qemu      # Debian's kernel under qemu-system-x86_64 (tools/deps qemu)
//	go run ./internal/lab/bench -json      # for programs
//
// Each program creates a table of 1,000 services of 20 backends, changes all weights, changes one, reads all, and deletes
// all. gorb and keepalived check 2,000 backends. After each step the kernel's table is compared with what it should be. Every time is the shortest of three runs,
// or of fewer where runs are long; the programs take turns. System calls are counted by strace(1) in further runs, the
// times of which do not count. docs/performance.md says what the figures mean.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gorb-io/gorb/internal/lab"
)

// limit is the time that all of it has, on a machine that is busy with other things.
const limit = 20 * time.Minute

// settle is the time that the kernel has between two steps for what it frees later.
const settle = 100 * time.Millisecond

func main() {
	if os.Getpid() == 1 {
		os.Exit(initialise(os.Args[1:]))
	}
	os.Exit(run(os.Args[1:]))
}

// options are what is measured.
type options struct {
	runs    int // of everything on table
	table   table
	checked table         // this one has health checks
	every   time.Duration // so often
}

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it took over %s", limit))
	defer cancel()

	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	qemu := flags.Bool("qemu", false, "measure under Debian's kernel in qemu-system-x86_64")
	services := flags.Int("services", 1000, "how many services")
	backends := flags.Int("backends", 20, "how many backends each")
	runs := flags.Int("runs", 3, "how many times each measure is taken; 0: only checks are measured")
	checked := flags.Int("checked", 100, "how many services of 20 backends have health checks, for what these cost; 0: none")
	every := flags.Duration("interval", 20*time.Second, "how often each backend is checked")
	gorb := flags.String("gorb", "", "inside: the gorb to measure")
	asJSON := flags.Bool("json", false, "print JSON")
	what := flags.String("do", "", "inside: read or change, and print the nanoseconds it took; or serve")
	config := flags.String("config", "", "inside: the configuration for -do")
	calls := flags.String("calls", "", "inside: the file to count the system calls of -do in")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil || flags.NArg() > 0 || *services < 1 || *backends < 1 || *runs < 0 || *checked < 0 || *every < time.Second {
		fmt.Fprintln(os.Stderr, "bench: -services and -backends are at least 1, -interval at least 1s, and there are no arguments")
		return 2
	}
	o := options{
		runs: *runs, table: table{services: *services, backends: *backends},
		every: *every, checked: table{services: *checked, backends: 20},
	}
	var err error
	switch {
	case *what != "":
		err = do(ctx, *what, *config, *calls, o.table)
	case *gorb != "":
		err = reportInside(ctx, *gorb, o)
	default:
		err = reportOutside(ctx, *qemu, *asJSON, args)
	}
	if ctx.Err() != nil {
		err = errors.Join(context.Cause(ctx), err)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

// reportInside measures and prints the report as JSON, in one line.
func reportInside(ctx context.Context, gorb string, o options) error {
	r, err := inside(ctx, gorb, o, settle)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// reportOutside measures where the kernel has IPVS and prints the report.
func reportOutside(ctx context.Context, qemu, asJSON bool, args []string) error {
	r, err := outside(ctx, qemu, args)
	if err != nil {
		return err
	}
	if !asJSON {
		r.print(os.Stdout)
		return nil
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	return out.Encode(r)
}

// outside builds gorb and this program, runs the latter where the kernel has IPVS, and returns its report.
func outside(ctx context.Context, qemu bool, args []string) (report, error) {
	dir, err := os.MkdirTemp("", "gorb-bench-")
	if err != nil {
		return report{}, err
	}
	defer os.RemoveAll(dir)
	gorb, bench := filepath.Join(dir, "gorb"), filepath.Join(dir, "bench")
	for path, pkg := range map[string]string{gorb: "./cmd/gorb", bench: "./internal/lab/bench"} {
		build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-trimpath", "-o", path, pkg)
		build.Dir = lab.Root()
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return report{}, fmt.Errorf("build %s: %w\n%s", pkg, err, out)
		}
	}
	var status int
	out := divider{progress: os.Stderr}
	if qemu {
		status, err = bootQemu(ctx, &out, dir, args)
	} else {
		status, err = lab.Boot(ctx, &out, append([]string{bench, "-gorb=" + gorb}, args...)...)
	}
	switch {
	case err != nil:
		return report{}, err
	case status != 0:
		return report{}, errors.New("it failed inside; see above")
	}
	return out.result()
}
