package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/pflag"

	"github.com/gorb-io/gorb/pkg/httpapi"
)

func explainCommand() *command {
	return &command{
		name:    "explain",
		args:    "SERVICE[/BACKEND]",
		summary: "say where each value of a service or backend comes from",
		text: `Asks the gorb that runs, and prints each field with its value and who set it: a file with
its line, a URL, a key in Consul with the number of its last change, an override with who
wrote it and why, or 'default', gorb's own. In parentheses is the table where the value
is not the object's own, as in (defaults.service). Beneath a field, after 'over', are the
values that it hid, the highest layer first. Of what is held (see 'gorb help accept') it
says that, and the fields that it keeps.`,
		examples: []string{"gorb explain web/a", "gorb explain web", "gorb explain --json web | jq '.fields[].from.source'"},
		flags: func(p *program, fs *pflag.FlagSet) func(context.Context, []string) error {
			var a asking
			a.declare(fs)
			return func(ctx context.Context, args []string) error {
				word, err := onlyArg("explain", args, "a service, or a backend of one: web, web/a", "service or backend")
				if err != nil {
					return err
				}
				o, err := objectOf(word)
				if err != nil {
					return err
				}
				var e httpapi.Explanation
				if err := a.do(ctx, "GET", "/explain"+o.path(), nil, &e); err != nil {
					return err
				}
				if a.json {
					return printJSON(p.stdout, e)
				}
				return printExplanation(p.stdout, o, e)
			}
		},
	}
}

func printExplanation(w io.Writer, o objectName, e httpapi.Explanation) error {
	out := bufio.NewWriter(w)
	fmt.Fprintln(out, o)
	if e.HeldFor != "" {
		fmt.Fprintf(out, "  held: %s leaves it out, and these are the fields that it had\n", line(e.HeldFor))
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, f := range e.Fields {
		fmt.Fprintf(table, "  %s\t%s\t%s\n", f.Path, orNone(f.Value), placeText(f.From))
		for _, g := range f.Hid {
			fmt.Fprintf(table, "    over\t%s\t%s\n", orNone(g.Value), placeText(g.From))
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	return out.Flush()
}

// orNone is a value, or that there is none.
func orNone(value string) string {
	if value == "" {
		return "(none)"
	}
	return line(value)
}

// placeText is a place in words: "gorb.toml:14 (defaults.service)".
func placeText(p httpapi.Place) string {
	text := line(p.Source)
	if p.Line > 0 {
		text = fmt.Sprintf("%s:%d", text, p.Line)
	}
	if p.In != "" {
		text += " (" + p.In + ")"
	}
	o := p.Override
	if o == nil {
		return text
	}
	text += ", " + o.At.Format(time.RFC3339)
	if o.By != "" {
		text += " by " + line(o.By)
	}
	if !o.Until.IsZero() {
		text += ", until " + o.Until.Format(time.RFC3339)
	}
	if o.Reason != "" {
		text += ": " + line(o.Reason)
	}
	return text
}
