package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/gorb-io/gorb/pkg/reconcile"
	"github.com/gorb-io/gorb/pkg/spec"
)

func exportCommand() *command {
	return &command{
		name:    "export",
		summary: "print the kernel's table as a configuration",
		text: `Prints a configuration that 'gorb check' accepts and for which 'gorb plan' finds
nothing to do: it is how one begins where there is a table already. It has services and
backends, and nothing of what is around them. Services that a configuration cannot say are left out and named. Every
service has pulse = { type = "none" }, because the kernel knows of no checks.`,
		examples: []string{"gorb export > gorb.toml", "gorb export --format json > director1.json"},
		flags: func(p *program, fs *pflag.FlagSet) func(context.Context, []string) error {
			format := fs.String("format", "toml", "toml or json")
			stateDir := fs.String("state-dir", "/var/lib/gorb", "where gorb remembers what it called its services")
			return func(ctx context.Context, args []string) error {
				if err := noArgs("export", args); err != nil {
					return err
				}
				f := spec.Format(strings.ToLower(*format))
				if f != spec.TOML && f != spec.JSON {
					return &usageError{err: fmt.Errorf("--format %s: it is toml or json", *format)}
				}
				return p.export(ctx, f, *stateDir)
			}
		},
	}
}

func (p *program) export(ctx context.Context, f spec.Format, stateDir string) error {
	table, err := observed(ctx)
	if err != nil {
		return err
	}
	memory, _ := remembered(stateDir) // without it the names are made up
	services, left := reconcile.Export(table, memory)
	comment := []string{fmt.Sprintf("The IPVS table, %s, as gorb would declare it.", plural(len(services), "service"))}
	for _, l := range left {
		comment = append(comment, fmt.Sprintf("Left out: %s: %s.", l.Object(), l.Reason))
		if f != spec.TOML {
			fmt.Fprintf(p.stderr, "left out: %s: %s\n", l.Object(), l.Reason)
		}
	}
	data, err := spec.Encode(services, f, strings.Join(comment, "\n"))
	if err != nil {
		return err
	}
	_, err = p.stdout.Write(data)
	return err
}
