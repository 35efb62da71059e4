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
		args:    "[FILE...]",
		summary: "say what is wrong with a configuration",
		text: `Reads the files, each a layer over the one before, and prints every problem with
its place. It touches nothing, asks no kernel and resolves no name, and needs no
root, so that it says the same in a pipeline and on the director.`,
		examples: []string{
			"gorb check gorb.toml && echo ready to merge",
			"gorb check base.toml site.toml",
			"gorb check --json - < gorb.toml",
		},
		flags: func(p *program, fs *pflag.FlagSet) func(context.Context, []string) error {
			var f files
			f.declare(fs)
			asJSON := fs.Bool("json", false, "print JSON")
			return func(ctx context.Context, args []string) error {
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
