package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/spf13/pflag"

	"github.com/gorb-io/gorb/pkg/httpapi"
	"github.com/gorb-io/gorb/pkg/probe"
	"github.com/gorb-io/gorb/pkg/spec"
)

func probeCommand() *command {
	return &command{
		name:    "probe",
		args:    "SERVICE/BACKEND [SOURCE...]",
		summary: "check a backend now, and say what that saw",
		text: `Makes one check of a backend as its pulse says, and prints what it did, each step with the
time since it began, and what came of it. It counts for nothing: the weight of the backend
stays what it is.

Where a gorb runs it is asked, so that the check is made from where its own are made and
with its rights, and overrides are in it. With SOURCE, or --offline, or where none runs,
the sources are read and the check is made here: a program runs as who runs this, and
args.mark needs CAP_NET_ADMIN. With --server another host's gorb makes it there.

The exit code is 0 if the backend is well, and 1 if it is not or could not be checked.`,
		examples: []string{
			"gorb probe web/a",
			"gorb probe web/a gorb.toml",
			"gorb probe --server https://lb1.example:4672 web/a",
			"gorb probe --json web/a | jq -r .error",
		},
		flags: func(p *program, fs *pflag.FlagSet) func(context.Context, []string) error {
			pr := &prober{program: p}
			fs.StringVar(&pr.files.format, "format", "", "format of files and URLs, toml, json or yaml (default by their ending, or Content-Type; toml for -)")
			fs.BoolVar(&pr.offline, "offline", false, "ask no gorb that runs")
			pr.at.declare(fs, "", configuredSocket)
			asJSON := fs.Bool("json", false, "print JSON")
			return func(ctx context.Context, args []string) error {
				probed, err := pr.probe(ctx, args)
				if err != nil {
					return err
				}
				if *asJSON {
					err = printJSON(p.stdout, probed)
				} else {
					err = printProbed(p.stdout, probed)
				}
				if err == nil && probed.Outcome != httpapi.ProbedOK {
					err = errSaid
				}
				return err
			}
		},
	}
}

// prober has one check made.
type prober struct {
	*program
	files   files
	at      askedPlace
	offline bool
}

// probe asks the gorb that runs, or else makes the check here.
func (p *prober) probe(ctx context.Context, args []string) (*httpapi.Probed, error) {
	if len(args) == 0 {
		return nil, &usageError{err: errors.New("probe takes a backend: web/a")}
	}
	if err := p.at.check(); err != nil {
		return nil, err
	}
	o, err := objectOf(args[0])
	names := args[1:]
	switch {
	case err != nil || o.backend == "":
		return nil, &usageError{err: fmt.Errorf("%q is no backend: SERVICE/BACKEND", args[0])}
	case (p.at.socket != "" || p.at.server != "") && (p.offline || len(names) > 0):
		return nil, &usageError{err: errors.New("--socket and --server name a gorb to ask, and with --offline or SOURCE none is asked")}
	case !p.offline && len(names) == 0:
		if probed, err := p.ask(ctx, o); probed != nil || err != nil {
			return probed, err
		}
	}
	desired, err := p.load(ctx, &p.files, names)
	if err != nil {
		return nil, err
	}
	w, err := watchOf(desired, o)
	if err != nil {
		return nil, err
	}
	result, trace := w.Once(ctx)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return newProbed(w, result, trace), nil
}

// ask has the gorb that runs make the check. Nil without an error: there is none, and none was named.
func (p *prober) ask(ctx context.Context, o objectName) (*httpapi.Probed, error) {
	a := asking{askedPlace: p.at, patience: workPatience}
	named := a.socket != "" || a.server != ""
	if !named {
		a.socket = usualSocket(ctx)
		if _, err := os.Stat(a.socket); err != nil {
			return nil, nil // nobody listens there
		}
	}
	probed := new(httpapi.Probed)
	err := a.do(ctx, http.MethodPost, "/probe"+o.path(), nil, probed)
	switch {
	case errors.Is(err, httpapi.ErrNoDaemon) && !named:
		return nil, nil
	case err != nil:
		return nil, err
	}
	return probed, nil
}

// checkedOnce is how a backend is checked, and that as it may be shown.
type checkedOnce struct {
	probe.Watch
	shown string
}

// watchOf is how a backend is checked.
func watchOf(d *spec.Desired, o objectName) (*checkedOnce, error) {
	s, b, err := d.Backend(o.service, o.backend)
	if err != nil {
		return nil, httpapi.Fail(http.StatusNotFound, err.Error())
	}
	alone := *s
	alone.Backends = []spec.Backend{*b}
	watches := new(probe.Kinds).Watches(&alone)
	if len(watches) == 0 {
		return nil, httpapi.Fail(http.StatusConflict, fmt.Sprintf("%s is not checked: its pulse is of type %s", o, s.PulseOf(b).Type))
	}
	shown := *b
	shown.Pulse = s.PulseOf(b).WithoutSecrets()
	alone.Backends = []spec.Backend{shown}
	return &checkedOnce{watches[0], new(probe.Kinds).Watches(&alone)[0].Target.Args}, nil
}

// newProbed is what came of a check. Its last step is left out where that is what came of it.
func newProbed(w *checkedOnce, r probe.Result, t *probe.Trace) *httpapi.Probed {
	p := &httpapi.Probed{
		Service: w.Ref.Service, Backend: w.Ref.Backend, Type: w.Target.Kind, Check: w.shown,
		Outcome: httpapi.ProbedUnmade, Error: r.Text, Took: milliseconds(r.Took), Steps: []httpapi.Step{},
	}
	switch r.Outcome {
	case probe.OK:
		p.Outcome = httpapi.ProbedOK
	case probe.Failed:
		p.Outcome = httpapi.ProbedFailed
	}
	if t == nil {
		return p
	}
	for i, s := range t.Steps {
		if i < len(t.Steps)-1 || s.Text != r.Text {
			p.Steps = append(p.Steps, httpapi.Step{At: milliseconds(s.At), Text: s.Text})
		}
	}
	return p
}

func printProbed(w io.Writer, p *httpapi.Probed) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "%s: %s %s\n", objectName{p.Service, p.Backend}, p.Type, p.Check)
	for _, s := range p.Steps {
		fmt.Fprintf(out, "%10.3f ms  %s\n", s.At, line(s.Text))
	}
	switch p.Outcome {
	case httpapi.ProbedOK:
		fmt.Fprintf(out, "ok after %.3f ms\n", p.Took)
	case httpapi.ProbedFailed:
		fmt.Fprintf(out, "failed after %.3f ms: %s\n", p.Took, line(p.Error))
	default:
		fmt.Fprintf(out, "the check could not be made: %s\n", line(p.Error))
	}
	return out.Flush()
}
