package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/pflag"

	"github.com/gorb-io/gorb/pkg/httpapi"
)

func reloadCommand() *command {
	return &command{
		name:    "reload",
		args:    "[SOURCE...]",
		summary: "have the gorb that runs read its sources again, now",
		text: `Does what SIGHUP does: every source is read again at once, and so is the kernel's table.
With SOURCE that one alone is read; it is called by its name, or without one as it was
given to 'gorb run' or as its url. What files say then counts at once, however much it
removes; what a URL or Consul would remove is held as ever (see 'gorb help accept'). It
does not wait for the result: the log tells of it.`,
		examples: []string{"gorb reload", "gorb reload /etc/gorb/gorb.toml", "gorb reload consul://127.0.0.1:8500/gorb/prod/"},
		flags: func(p *program, fs *pflag.FlagSet) func(context.Context, []string) error {
			var a asking
			a.declare(fs)
			why := reasonFlag(fs)
			return func(ctx context.Context, args []string) error {
				if err := a.do(ctx, "POST", "/reload"+because(*why), httpapi.ReloadRequest{Sources: args}, nil); err != nil {
					return err
				}
				what := "everything"
				if len(args) > 0 {
					what = strings.Join(args, ", ")
				}
				return p.say(&a, map[string]any{"reloading": args}, "reading "+what+" again")
			}
		},
	}
}

func acceptCommand() *command {
	return &command{
		name:    "accept",
		args:    "SOURCE",
		summary: "let a source remove what gorb holds back because it is so much",
		text: `When a URL or Consul leaves out most of what it alone declared (over max_removal, 50%, and
at least max_removal_floor, 5; or all of it), gorb does not believe it at once: those
services and backends are held as they were, and the log names them. They go when the
source has left them out for a while (hold, a minute or more), or when somebody who knows
that it is meant says so with this command. SOURCE is its name, or its url without one.
It is an error if nothing of the source is held.`,
		examples: []string{"gorb accept consul://127.0.0.1:8500/gorb/prod/", "gorb accept https://config.example/gorb.json --reason 'the old cluster is gone'"},
		flags: func(p *program, fs *pflag.FlagSet) func(context.Context, []string) error {
			a := asking{patience: workPatience}
			a.declare(fs)
			why := reasonFlag(fs)
			return func(ctx context.Context, args []string) error {
				name, err := onlyArg("accept", args, "the name of a source", "source")
				if err != nil {
					return err
				}
				if err := a.do(ctx, "POST", "/sources/"+httpapi.Segment(name)+"/accept"+because(*why), nil, nil); err != nil {
					return err
				}
				return p.say(&a, map[string]any{"accepted": name}, "accepted: what "+name+" removes goes now")
			}
		},
	}
}

// reasonFlag declares --reason of what is written into no override.
func reasonFlag(fs *pflag.FlagSet) *string {
	return fs.String("reason", "", "what it is for, which the audit keeps")
}

// because is a query that gives a reason; "": there is none.
func because(reason string) string {
	if reason == "" {
		return ""
	}
	return "?" + url.Values{"reason": {reason}}.Encode()
}

// say prints what was done, as JSON or as a line.
func (p *program) say(a *asking, value any, line string) error {
	if a.json {
		return printJSON(p.stdout, value)
	}
	_, err := fmt.Fprintln(p.stdout, line)
	return err
}
