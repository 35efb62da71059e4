package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/pflag"

	"github.com/gorb-io/gorb/pkg/spec"
)

func checkCommand() *command {
	return &command{
		name:    "check",
		args:    "[SOURCE...]",
		summary: "say what is wrong with a configuration",
		text: `Reads the sources, each a layer over the one before, with what they include and declare,
and prints every problem with its place. A SOURCE is a file, a directory, an http or https
URL, or consul://HOST:PORT/PATH; URLs and Consul are asked once. It touches nothing, asks
no kernel, resolves no name of a service and needs no root, so that it says the same in a
pipeline and on the director. It knows nothing of overrides.

With --partial it checks each source by itself, as one layer of a whole that is not here:
what it leaves out is not missing, and what it declares under [[sources]] is not read.`,
		examples: []string{
			"gorb check gorb.toml && echo ready to merge",
			"gorb check base.toml site.toml",
			"gorb check --partial site.toml",
			"gorb check --json - < gorb.toml",
		},
		flags: func(p *program, fs *pflag.FlagSet) func(context.Context, []string) error {
			var f files
			f.declare(fs)
			partial := fs.Bool("partial", false, "check each source by itself, as a layer over what is not here")
			asJSON := fs.Bool("json", false, "print JSON")
			return func(ctx context.Context, args []string) error {
				if *partial {
					return p.checkPartial(ctx, &f, args, *asJSON)
				}
				desired, err := p.load(ctx, &f, args)
				if *asJSON {
					return p.checkJSON(desired, err)
				}
				if err != nil {
					return err
				}
				p.warn(desired.Warnings)
				services, backends := count(desired)
				fmt.Fprintf(p.stdout, "ok: %s, %s\n", plural(services, "service"), plural(backends, "backend"))
				return nil
			}
		},
	}
}

// checkPartial says what is wrong with each source by itself.
func (p *program) checkPartial(ctx context.Context, f *files, names []string, asJSON bool) error {
	if len(names) == 0 {
		names = []string{defaultFile}
	}
	once, err := p.once(f)
	if err != nil {
		return err
	}
	once.Alone = true
	_, err = once.Read(ctx, names)
	if asJSON {
		return p.checkJSON(nil, err)
	}
	if err == nil {
		fmt.Fprintf(p.stdout, "ok: %s, each by itself\n", plural(len(names), "layer"))
	}
	return err
}

// count returns the numbers of services and backends.
func count(d *spec.Desired) (services, backends int) {
	for _, s := range d.Services {
		backends += len(s.Backends)
	}
	return len(d.Services), backends
}

// checkJSON prints what check found; the error of a bad configuration is then said.
func (p *program) checkJSON(d *spec.Desired, err error) error {
	problems, isProblems := problemsOf(err)
	if err != nil && !isProblems {
		return err
	}
	out := checkResult{OK: err == nil, Problems: problemList(problems), Warnings: []problemJSON{}}
	if d != nil {
		out.Services, out.Backends = count(d)
		out.Warnings = problemList(d.Warnings)
	}
	if jerr := printJSON(p.stdout, out); jerr != nil {
		return jerr
	}
	if err != nil {
		return errSaid
	}
	return nil
}

// checkResult is the JSON of check.
type checkResult struct {
	OK       bool          `json:"ok"`
	Services int           `json:"services"`
	Backends int           `json:"backends"`
	Problems []problemJSON `json:"problems"`
	Warnings []problemJSON `json:"warnings"`
}

// problemJSON is a spec.Problem in JSON.
type problemJSON struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Path    string `json:"path,omitempty"`
	Message string `json:"message"`
}

func problemList(problems spec.Problems) []problemJSON {
	list := make([]problemJSON, 0, len(problems))
	for _, q := range problems {
		list = append(list, problemJSON{q.Source, q.Line, q.Path, q.Message})
	}
	return list
}

// printJSON prints a value for programs.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// plural returns a number of things in words.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
