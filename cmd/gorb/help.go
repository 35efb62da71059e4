package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

func helpCommand() *command {
	return &command{
		name:     "help",
		args:     "[COMMAND]",
		summary:  "say how gorb is used",
		examples: []string{"gorb help plan"},
		flags: func(p *program, _ *pflag.FlagSet) func(context.Context, []string) error {
			return func(_ context.Context, args []string) error {
				switch {
				case len(args) == 0:
					return p.overview()
				case len(args) > 1:
					return &usageError{err: fmt.Errorf("help takes one command, and got %d", len(args))}
				}
				c := find(args[0])
				if c == nil {
					return &usageError{err: unknown("command", args[0], commandNames())}
				}
				return p.helpFor(c)
			}
		},
	}
}

// overview prints what gorb is, its commands, and how one begins.
func (p *program) overview() error {
	var b strings.Builder
	b.WriteString(`gorb keeps a Linux IPVS table equal to what its operators declared.

Usage: gorb COMMAND [FLAGS] [SOURCE...]

Commands:
`)
	for _, c := range commands() {
		fmt.Fprintf(&b, "  %-12s%s\n", c.name, c.summary)
	}
	b.WriteString("\nExamples:\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "  %s\n", c.examples[0])
	}
	b.WriteString(`
A configuration, gorb.toml:
  [services.web]
  host = "10.0.0.1"
  port = 80

  [services.web.backends.a]
  host = "10.1.0.1"
  port = 8080

'gorb help COMMAND' says more of each. SOURCE is a file, '-', a directory or a URL; where several are named, a later one
wins, field by field; without any it is ` + defaultFile + `.
What asks a gorb that runs asks the one on this host, or with --server URL another, with the token in ` + tokenEnv + `.
Exit codes: 0 fine, 1 error, 2 wrong usage, 3 something to do (plan --exit-code).
`)
	_, err := fmt.Fprint(p.stdout, b.String())
	return err
}

// helpFor prints a command's help.
func (p *program) helpFor(c *command) error {
	fs, _ := p.flagSet(c)
	var b strings.Builder
	usage := "gorb " + c.name
	if fs.HasFlags() {
		usage += " [FLAGS]"
	}
	if c.args != "" {
		usage += " " + c.args
	}
	fmt.Fprintf(&b, "%s: %s\n\nUsage: %s\n", c.name, c.summary, usage)
	if c.text != "" {
		fmt.Fprintf(&b, "\n%s\n", c.text)
	}
	if fs.HasFlags() {
		fmt.Fprintf(&b, "\nFlags:\n%s", fs.FlagUsages())
	}
	fmt.Fprintf(&b, "\nExamples:\n  %s\n", strings.Join(c.examples, "\n  "))
	_, err := fmt.Fprint(p.stdout, b.String())
	return err
}
