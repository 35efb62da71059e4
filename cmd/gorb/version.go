package main

import (
	"context"
	"fmt"
	"runtime"

	"github.com/spf13/pflag"
)

func versionCommand() *command {
	return &command{
		name:     "version",
		summary:  "print gorb's version",
		examples: []string{"gorb version"},
		flags: func(p *program, _ *pflag.FlagSet) func(context.Context, []string) error {
			return func(_ context.Context, args []string) error {
				if err := noArgs("version", args); err != nil {
					return err
				}
				fmt.Fprintf(p.stdout, "gorb %s (%s %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
				return nil
			}
		},
	}
}

// noArgs refuses arguments.
func noArgs(name string, args []string) error {
	if len(args) > 0 {
		return &usageError{err: fmt.Errorf("%s takes no arguments, and got %q", name, args[0])}
	}
	return nil
}
