package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// A report is what a bench tells: as JSON to programs and from the inside, as a table to people.
type report struct {
	System   string  `json:"system"` // the kernel and the versions of the programs
	Services int     `json:"services"`
	Backends int     `json:"backends"`  // of each service
	DecodeMS float64 `json:"decode_ms"` // of gorb, from files to checked documents
	Rows     []row   `json:"rows"`
	// Of health checks: so many backends, each checked so often.
	Checked  int        `json:"checked"`
	Interval string     `json:"interval"`
	Checks   []checking `json:"checks"`
}

// A row is what one method took. 0 is what was not measured, or cannot be.
type row struct {
	Task   task    `json:"task"`
	Method string  `json:"method"`
	MS     float64 `json:"ms"` // what counts
	Micros float64 `json:"microseconds_per_object"`
	Calls  float64 `json:"calls_per_object"`
	WallMS float64 `json:"wall_ms"` // of the program, from its start to its end
	// How many times as fast as this method gorb is, and how many times its writes alone.
	Ratio       float64 `json:"ratio"`
	WritesRatio float64 `json:"writes_ratio"`
}

// print writes the report as a table in Markdown.
func (r report) print(w io.Writer) {
	fmt.Fprintf(w, "%s.\n\n", r.System)
	fmt.Fprintf(w, "| %d services of %d backends | | ms | µs an object | calls an object | wall ms | gorb is | its writes are |\n",
		r.Services, r.Backends)
	fmt.Fprint(w, "|---|---|--:|--:|--:|--:|--:|--:|\n")
	var last task
	for _, row := range r.Rows {
		title := row.Task
		if title == last {
			title = ""
		}
		last = row.Task
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", title, row.Method,
			number(row.MS, ""), number(row.Micros, ""), number(row.Calls, ""), number(row.WallMS, ""),
			number(row.Ratio, "×"), number(row.WritesRatio, "×"))
	}
	fmt.Fprintf(w, "\ngorb decodes and checks its configuration of the table, %d objects of TOML, in %s ms.\n",
		r.Services*(1+r.Backends), number(r.DecodeMS, ""))
	if len(r.Checks) > 0 {
		r.printChecks(w)
	}
}

// number gives a number with three digits that count, or all before the point, and its unit; nothing for 0.
func number(f float64, unit string) string {
	switch {
	case f == 0:
		return ""
	case f >= 100:
		return fmt.Sprintf("%.0f%s", f, unit)
	case f >= 10:
		return fmt.Sprintf("%.1f%s", f, unit)
	}
	return fmt.Sprintf("%.2f%s", f, unit)
}

// A divider passes on what a machine prints, line by line, but for the report: the machine has one output for both.
type divider struct {
	progress io.Writer
	line     []byte // what there is of the next
	report   []byte // the line with the report
}

func (d *divider) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		before, after, ended := bytes.Cut(rest, []byte("\n"))
		d.line = append(d.line, before...)
		rest = after
		if !ended {
			break
		}
		if err := d.take(d.line); err != nil {
			return 0, err
		}
		d.line = nil
	}
	return len(p), nil
}

// take takes a whole line. The report is an object of JSON, and nothing else begins as one does.
func (d *divider) take(line []byte) error {
	if bytes.HasPrefix(line, []byte("{")) {
		d.report = line
		return nil
	}
	_, err := fmt.Fprintf(d.progress, "%s\n", line)
	return err
}

// result returns the report, once everything is written.
func (d *divider) result() (report, error) {
	var r report
	if d.report == nil {
		return r, errors.New("it ended without a report")
	}
	if err := json.Unmarshal(d.report, &r); err != nil {
		return r, fmt.Errorf("the report: %w", err)
	}
	return r, nil
}
