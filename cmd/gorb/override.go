package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/pflag"

	"github.com/gorb-io/gorb/pkg/httpapi"
	"github.com/gorb-io/gorb/pkg/spec"
)

// overrideVerbs are what can be done with overrides.
var overrideVerbs = []string{"list", "set", "patch", "hide", "clear"}

func overrideCommand() *command {
	return &command{
		name:    "override",
		args:    strings.Join(overrideVerbs, "|") + " [SERVICE[/BACKEND]] [KEY=VALUE...]",
		summary: "change a service or backend at run time, over what the sources say",
		text: `Asks the gorb that runs, which takes root or the group gorb; with --server, one on another
host, which takes a token with role write. An override is on disk before this ends, and
outlives a restart.

  list [OBJECT...]            what there is, and whether it has an effect
  set OBJECT KEY=VALUE...     these are all fields that the object has; others have their
                              defaults. What is not there is made. A set of a service
                              leaves its backends as they are, unless it names any
  patch OBJECT KEY=VALUE...   these fields change and the others stay; null takes away what
                              the sources say of one
  hide OBJECT                 the object is gone, whatever the sources declare
  clear OBJECT...             the override ends, and the sources count again

OBJECT is SERVICE or SERVICE/BACKEND. KEY is that of the file, and VALUE as TOML writes it,
or a bare word such as dr or 10.0.0.1. Tables take dotted keys. With --file the object
comes as JSON instead. The gorb that is asked looks up a name in host, once.

There is at most one override of an object that lasts: a set or hide replaces the one before,
a patch is merged into it. With --ttl it is another one, which lies over that and ends by
itself; clear --ending ends it early. What is written without --ttl meanwhile counts at
once. One that does not go with the sources is stored and does not count, which is an
error here; it counts once it does. What is likely a mistake, and what the kernel does not
have at once, is said beside it.`,
		examples: []string{
			"gorb override patch web/a weight=50 --ttl 1h --reason 'slow disk'",
			"gorb override set web/b host=10.1.0.9 port=8080 weight=10",
			"gorb override patch web method=wlc pulse.type=http pulse.args.path=/health",
			"gorb override patch web/a weight=null",
			"gorb override hide web/a --reason 'being rebuilt'",
			"gorb override set web --file - < web.json",
			"gorb override list",
			"gorb override clear web/a web/b",
			"gorb override clear --ending web/a",
			"gorb override --server https://lb1.example:4672 patch web/a weight=0 --ttl 15m",
		},
		flags: func(p *program, fs *pflag.FlagSet) func(context.Context, []string) error {
			o := &overriding{program: p}
			o.declare(fs)
			fs.StringVar(&o.reason, "reason", "", "what the override is for")
			fs.StringVar(&o.by, "by", "", "whose it is (default the user's name, that of before sudo)")
			fs.DurationVar(&o.ttl, "ttl", 0, "how long it lasts, such as 1h30m (default until it is cleared)")
			fs.BoolVar(&o.ending, "ending", false, "with clear: only what ends by itself")
			fs.StringVar(&o.file, "file", "", "read the object in JSON from a file, or - for standard input")
			return func(ctx context.Context, args []string) error { return o.run(ctx, fs, args) }
		},
	}
}

// overriding is one run of the command.
type overriding struct {
	*program
	asking
	reason string
	by     string
	ttl    time.Duration
	ending bool
	file   string
}

// run does what the first word says.
func (o *overriding) run(ctx context.Context, fs *pflag.FlagSet, args []string) error {
	if len(args) == 0 {
		return &usageError{err: fmt.Errorf("override takes one of %s", strings.Join(overrideVerbs, ", "))}
	}
	verb, args := args[0], args[1:]
	if !slices.Contains(overrideVerbs, verb) {
		return &usageError{err: unknown("override", verb, overrideVerbs)}
	}
	for _, name := range misplaced(verb) {
		if fs.Changed(name) {
			return &usageError{err: fmt.Errorf("override %s takes no --%s", verb, name)}
		}
	}
	if fs.Changed("ttl") && o.ttl <= 0 {
		return &usageError{err: fmt.Errorf("--ttl %s: an override lasts for longer than nothing", o.ttl)}
	}
	if len(args) == 0 && verb != "list" {
		return &usageError{err: fmt.Errorf("override %s takes a service, or a backend of one: web, web/a", verb)}
	}
	switch verb {
	case "list":
		return o.list(ctx, args)
	case "clear":
		return o.clear(ctx, args)
	}
	return o.write(ctx, spec.OverrideKind(verb), args[0], args[1:])
}

// misplaced are the flags that say nothing with a verb.
func misplaced(verb string) []string {
	switch verb {
	case "list":
		return []string{"reason", "by", "ttl", "file", "ending"}
	case "clear":
		return []string{"by", "ttl", "file"}
	case "hide":
		return []string{"file", "ending"}
	}
	return []string{"ending"}
}

// write stores an override.
func (o *overriding) write(ctx context.Context, kind spec.OverrideKind, word string, pairs []string) error {
	about, err := objectOf(word)
	if err != nil {
		return err
	}
	change := httpapi.Change{
		Kind: string(kind), Service: about.service, Backend: about.backend, Reason: o.reason, By: cmp.Or(o.by, login()),
	}
	if o.ttl > 0 {
		change.TTL = o.ttl.String()
	}
	switch {
	case kind == spec.Hide && len(pairs) > 0:
		return &usageError{err: fmt.Errorf("override hide takes one object, and got %q", pairs[0])}
	case kind == spec.Hide:
	default:
		if change.Body, err = o.body(ctx, pairs); err != nil {
			return err
		}
	}
	var stored httpapi.OverrideWritten
	if err := o.do(ctx, "POST", "/overrides?wait=500ms", change, &stored); err != nil {
		return inWords(err, "override "+about.String())
	}
	line := strings.TrimSpace(fmt.Sprintf("%s %s %s", stored.Kind, about, compacted(stored.Body)))
	if !stored.Until.IsZero() {
		line += " until " + stored.Until.Format(time.RFC3339)
	}
	return errors.Join(o.say(&o.asking, stored, line), o.effect(stored))
}

// pending tells of what the kernel does not have yet.
func (o *overriding) pending(came httpapi.InKernel) {
	if came.Pending == "" {
		return
	}
	until := ""
	if !came.PendingUntil.IsZero() {
		until = "; it waits until " + came.PendingUntil.Format(time.RFC3339) + " at the longest"
	}
	fmt.Fprintf(o.stderr, "note: the kernel does not have all of it yet: %s%s\n", line(came.Pending), until)
}

// effect tells of an override that has none, or not all of it, or likely not what was meant; one that does not go with the
// sources is an error.
func (o *overriding) effect(stored httpapi.OverrideWritten) error {
	for _, w := range stored.Warnings {
		fmt.Fprintf(o.stderr, "warning: %s: %s\n", line(w.Path), line(w.Message))
	}
	o.pending(stored.InKernel)
	switch stored.State {
	case httpapi.SetAside:
		return fmt.Errorf("it is stored, and %s%s", effects[stored.State], stored.Error)
	case httpapi.Dangling, httpapi.Idle:
		fmt.Fprintf(o.stderr, "warning: %s\n", effects[stored.State])
	}
	return nil
}

// login is the name of the user, or "" where he has none.
func login() string {
	if name := os.Getenv("SUDO_USER"); name != "" {
		return name
	}
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return u.Username
}

// clear ends overrides, all that can be.
func (o *overriding) clear(ctx context.Context, words []string) error {
	objects, err := objectsOf(words)
	if err != nil {
		return err
	}
	cleared := []httpapi.Override{}
	var errs []error
	for _, about := range objects {
		var was httpapi.ClearedOverride
		query := url.Values{"wait": {"500ms"}, "reason": {o.reason}, "ending": {strconv.FormatBool(o.ending)}}
		if err := o.do(ctx, "DELETE", "/overrides"+about.path()+"?"+query.Encode(), nil, &was); err != nil {
			errs = append(errs, err)
			continue
		}
		o.pending(was.InKernel)
		if beneath := was.Beneath; beneath != nil {
			was.Beneath = nil
			cleared = append(cleared, *beneath)
		}
		cleared = append(cleared, was.Override)
	}
	if o.json {
		return errors.Join(append(errs, printJSON(o.stdout, httpapi.OverrideList{Overrides: cleared}))...)
	}
	for _, was := range cleared {
		ending := ""
		if !was.Until.IsZero() {
			ending = "ending "
		}
		fmt.Fprintf(o.stdout, "cleared: %s%s %s\n", ending, was.Kind, was.Object())
	}
	return errors.Join(errs...)
}

// list prints overrides: those of the objects, and of the backends of the services among them; or all.
func (o *overriding) list(ctx context.Context, words []string) error {
	var all httpapi.OverrideList
	if err := o.do(ctx, "GET", "/overrides", nil, &all); err != nil {
		return err
	}
	objects, err := objectsOf(words)
	if err != nil {
		return err
	}
	if len(objects) > 0 {
		all.Overrides = slices.DeleteFunc(all.Overrides, func(v httpapi.Override) bool {
			return !slices.ContainsFunc(objects, func(about objectName) bool {
				return v.Service == about.service && (about.backend == "" || v.Backend == about.backend)
			})
		})
	}
	if o.json {
		return printJSON(o.stdout, all)
	}
	return printOverrides(o.stdout, all.Overrides)
}

// effects is what is said of overrides that have none.
var effects = map[httpapi.OverrideState]string{
	httpapi.SetAside: "does not count: ",
	httpapi.Dangling: "dangling: its object is gone; it counts again when that returns",
	httpapi.Idle:     "idle: what it hides is not there",
}

func printOverrides(w io.Writer, list []httpapi.Override) error {
	out := bufio.NewWriter(w)
	if len(list) == 0 {
		fmt.Fprintln(out, "there are no overrides")
		return out.Flush()
	}
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "OBJECT\tKIND\tUNTIL\tBY\tREASON\tWHAT")
	for _, o := range list {
		until := "-"
		if !o.Until.IsZero() {
			until = o.Until.Format(time.RFC3339)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n",
			o.Object(), o.Kind, until, cell(cmp.Or(o.By, "-")), cell(cmp.Or(o.Reason, "-")), cmp.Or(compacted(o.Body), "-"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	head, rows, _ := strings.Cut(text.String(), "\n")
	fmt.Fprintln(out, head)
	for i, row := range strings.SplitAfter(rows, "\n")[:len(list)] {
		fmt.Fprint(out, row)
		if effect := effects[list[i].State]; effect != "" {
			fmt.Fprintf(out, "  %s%s\n", effect, strings.ReplaceAll(list[i].Error, "\n", "\n  "))
		}
		if refused := list[i].Refused; refused != "" {
			fmt.Fprintf(out, "  the kernel refuses it: %s\n", line(refused))
		}
	}
	return out.Flush()
}
