package main

import (
	"fmt"
	"io"
	"time"
)

// checks is how backends are checked. The zero value is not at all.
type checks struct {
	kind  string // "tcp" or "http"
	every time.Duration
}

// checkedKinds are the kinds of checks that are measured.
var checkedKinds = []string{"tcp", "http"}

// pulse gives the checks as gorb's configuration.
func (c checks) pulse() string {
	if c == (checks{}) {
		return "[defaults.pulse]\ntype = \"none\"\n"
	}
	return fmt.Sprintf("[defaults.pulse]\ntype = %q\ninterval = %q\n", c.kind, c.every)
}

// delayLoop gives the interval as keepalived's configuration of a service.
func (c checks) delayLoop() string {
	if c == (checks{}) {
		return ""
	}
	return fmt.Sprintf("  delay_loop %v\n", c.every.Seconds())
}

// checker gives the checks as keepalived's configuration of a backend.
func (c checks) checker() string {
	switch c.kind {
	case "tcp":
		return "    TCP_CHECK {\n      connect_timeout 5\n    }\n"
	case "http":
		return "    HTTP_GET {\n      url {\n        path /\n        status_code 200\n      }\n      connect_timeout 5\n    }\n"
	}
	return ""
}

// checking is what checks cost a program.
type checking struct {
	Kind     string  `json:"kind"`
	Method   string  `json:"method"`
	Checks   int     `json:"checks"`                         // that were made meanwhile
	Micros   float64 `json:"processor_microseconds_a_check"` // of all its processes
	Calls    float64 `json:"calls_a_check"`
	MemoryMB float64 `json:"memory_mb"`           // of all its processes; what they share is counted once
	MemoryKB float64 `json:"memory_kb_a_backend"` // what the checks add to that
	// How many times as much as gorb it takes.
	Ratio       float64 `json:"ratio"`
	MemoryRatio float64 `json:"memory_ratio"` // a backend
}

// compare notes how others compare with gorb, which is the first of each kind.
func compare(all []checking) {
	var ours checking
	for i := range all {
		c := &all[i]
		if c.Kind != ours.Kind {
			ours = *c
			continue
		}
		c.Ratio, c.MemoryRatio = ratio(c.Micros, ours.Micros), ratio(c.MemoryKB, ours.MemoryKB)
	}
}

// printChecks writes what checks cost as a table in Markdown.
func (r report) printChecks(w io.Writer) {
	fmt.Fprintf(w, "\n| %d backends, each checked every %s | | processor µs a check | calls a check | memory MB | kB a backend | times gorb's processor | times its memory a backend |\n",
		r.Checked, r.Interval)
	fmt.Fprint(w, "|---|---|--:|--:|--:|--:|--:|--:|\n")
	last := ""
	for _, c := range r.Checks {
		title := c.Kind
		if title == last {
			title = ""
		}
		last = c.Kind
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", title, c.Method,
			number(c.Micros, ""), number(c.Calls, ""), number(c.MemoryMB, ""), number(c.MemoryKB, ""),
			number(c.Ratio, "×"), number(c.MemoryRatio, "×"))
	}
}
