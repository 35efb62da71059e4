// Command demo shows gorb at work on a real kernel, for people to read:
//
//	go run ./internal/lab/demo [consul]
//
// It builds gorb and makes a network of a client, a director and web servers (see package lab for where). Then it keeps
// examples/quickstart.toml with gorb, edits it, and clears the kernel's table behind gorb's back. With consul it starts a
// Consul server, from which gorb takes its backends, changes them there and by an override, and kills it. It exits with 1
// if anything that should happen does not.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gorb-io/gorb/internal/lab"
)

// limit is the time that the whole demo has, and is far more than it takes.
const limit = 2 * time.Minute

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it took over %s", limit))
	defer cancel()
	var err error
	switch inside := lab.Inside(); {
	case inside && len(args) == 1:
		err = play(args[0])
	case inside && len(args) == 2 && args[1] == "consul":
		err = playConsul(args[0])
	case !inside && (len(args) == 0 || len(args) == 1 && args[0] == "consul"):
		err = outside(ctx, args...)
	default:
		fmt.Fprintln(os.Stderr, "usage: demo [consul]")
		return 2
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		return 1
	}
	return 0
}

// outside builds gorb and runs this program again where the kernel has IPVS, with the same arguments.
func outside(ctx context.Context, args ...string) error {
	dir, err := os.MkdirTemp("", "gorb-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	gorb := filepath.Join(dir, "gorb")
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-trimpath", "-o", gorb, "./cmd/gorb")
	build.Dir = lab.Root()
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build gorb: %w\n%s", err, out)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	start := time.Now()
	fmt.Println("Starting a kernel that has IPVS ...")
	status, err := lab.Boot(ctx, os.Stdout, append([]string{self, gorb}, args...)...)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return err
	}
	if status != 0 {
		return errors.New("FAILED: something did not happen that should; see above")
	}
	fmt.Printf("That was all, in %.0f seconds.\n", time.Since(start).Seconds())
	return nil
}
