// Command uml runs a command where the kernel has IPVS, with the tools that the tests use, and exits
// with its status:
//
//	go run ./internal/lab/uml ipvsadm -Ln
//	go run ./internal/lab/uml sh -c 'ip netns add a; ip -n a addr'
//
// See package lab for what the command finds there.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/gorb-io/gorb/internal/lab"
)

func main() { os.Exit(run(os.Args[1:])) }

func run(command []string) int {
	if len(command) == 0 {
		fmt.Fprintln(os.Stderr, "usage: uml COMMAND [ARG...]")
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	status, err := lab.Boot(ctx, os.Stdout, command...)
	if err != nil {
		fmt.Fprintln(os.Stderr, "uml:", err)
		return 125
	}
	return status
}
