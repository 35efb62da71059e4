package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/gorb-io/gorb/pkg/reconcile"
)

// version is set by the Makefile.
var version = "dev"

// The exit codes.
const (
	exitOK      = 0
	exitError   = 1
	exitUsage   = 2
	exitChanges = 3 // plan --exit-code: there is something to do
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks for an orderly end; from then on the next one ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// A program is one run of gorb: where its input comes from and its output goes.
type program struct {
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
}

// run does what the arguments say and returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	out, errs := &harmless{out: stdout}, &harmless{out: stderr}
	defer out.end()
	defer errs.end()
	p := &program{stdin: stdin, stdout: out, stderr: errs}
	stderr = errs
	err := p.dispatch(ctx, args)
	var usage *usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errChanges):
		return exitChanges
	case errors.Is(err, errSaid):
		return exitError
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		fmt.Fprintln(stderr, "gorb: interrupted")
		return exitError
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "gorb: %v\n", err)
		fmt.Fprintf(stderr, "Try 'gorb help%s'.\n", usage.topic())
		return exitUsage
	default:
		fmt.Fprintln(stderr, prefixed(err))
		return exitError
	}
}

// prefixed returns the text of an error as it is shown: with the program's name, unless it begins with a file's, or with
// that of another gorb.
func prefixed(err error) string {
	text := err.Error()
	var held *reconcile.HeldError
	if _, ok := problemsOf(err); ok || errors.As(err, &held) {
		return text
	}
	return "gorb: " + text
}

// errSaid is an error that the output has said already.
var errSaid = errors.New("the output says it")

// errChanges is how plan --exit-code says that there is something to do.
var errChanges = errors.New("there is something to do")

// usageError is a command line that gorb does not understand.
type usageError struct {
	command string // "" where none was given
	err     error
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func (e *usageError) topic() string {
	if e.command == "" {
		return ""
	}
	return " " + e.command
}

// A command is one of gorb's.
type command struct {
	name     string
	args     string   // what may follow, for help
	summary  string   // one line
	text     string   // what else there is to know
	examples []string // the first is for the overview
	// flags declares the command's flags, and returns what runs it once they are parsed.
	flags func(*program, *pflag.FlagSet) func(ctx context.Context, args []string) error
}

// spelled are the commands that other programs have as flags.
var spelled = map[string]string{"-h": "help", "--help": "help", "--version": "version"}

// dispatch finds the command and runs it. Without one, gorb is the daemon.
func (p *program) dispatch(ctx context.Context, args []string) error {
	name := "run"
	if len(args) > 0 {
		first := cmp.Or(spelled[args[0]], args[0])
		switch c := find(first); {
		case c != nil:
			name, args = c.name, args[1:]
		case strings.HasPrefix(first, "-") || strings.ContainsAny(first, "./"):
		default:
			return &usageError{err: unknown("command", first, commandNames())}
		}
	}
	return p.call(ctx, find(name), args)
}

// call parses the flags of a command and runs it.
func (p *program) call(ctx context.Context, c *command, args []string) error {
	fs, do := p.flagSet(c)
	err := fs.Parse(spell(args))
	if errors.Is(err, pflag.ErrHelp) {
		return p.helpFor(c)
	}
	if err != nil {
		return &usageError{c.name, flagError(err)}
	}
	err = do(ctx, fs.Args())
	var usage *usageError
	if errors.As(err, &usage) {
		usage.command = c.name
	}
	return err
}

// flagSet returns the flags of a command, and what runs it.
func (p *program) flagSet(c *command) (*pflag.FlagSet, func(context.Context, []string) error) {
	fs := pflag.NewFlagSet(c.name, pflag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	fs.SortFlags = false
	return fs, c.flags(p, fs)
}
