package httpapi

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gorb-io/gorb/pkg/reconcile"
	"github.com/gorb-io/gorb/pkg/sources"
)

// Living is what is asked about whether gorb lives, and is ready. Every method may be called at any time, from anywhere.
type Living interface {
	Status() sources.Status
	Passes() reconcile.Passes
	Checks() *HealthTotals // nil: nobody makes any
	// Busy is for how long the loop that keeps the table has been at one thing; 0: it waits for something to do.
	Busy() time.Duration
}

// stuckAfter is from where on the loop that keeps the table does not go on any more. A pass over 200,000 backends on a slow
// machine takes a fraction of it.
const stuckAfter = 2 * time.Minute

// Condition is what GET /livez and GET /readyz answer where JSON is asked for.
type Condition struct {
	OK      bool     `json:"ok"`
	Reasons []string `json:"reasons"` // why not
}

// examined is one thing that is looked at, and what is wrong with it.
type examined struct {
	name    string
	reasons []string
}

func examineLoop(l Living) examined {
	e := examined{name: "loop"}
	if busy := l.Busy(); busy >= stuckAfter {
		e.reasons = []string{fmt.Sprintf("the loop that keeps the table has been at one thing for %s", busy.Truncate(time.Second))}
	}
	return e
}

func examineTable(l Living) examined { return examined{"table", notReady(l.Status(), l.Passes())} }

func examineChecks(l Living) examined {
	e := examined{name: "checks"}
	if why := hanging(l.Checks()); why != "" {
		e.reasons = []string{why}
	}
	return e
}

// NewLivez returns the handler of GET /livez: 200 as long as gorb goes on with its work, so that what gets 503 is helped by a
// restart. A source that is away, or a kernel that refuses, is no such thing.
func NewLivez(l Living) http.Handler {
	return condition{"livez", l, []func(Living) examined{examineLoop}}
}

// NewReadyz returns the handler of GET /readyz: 200 if gorb keeps what all its sources declare and judges backends, and 503
// with the reasons if not. One bad service is no reason.
func NewReadyz(l Living) http.Handler {
	return condition{"readyz", l, readiness}
}

// NotReady says why a gorb is not ready, as GET /readyz does; nothing: it is.
func NotReady(l Living) []string {
	var reasons []string
	for _, examine := range readiness {
		reasons = append(reasons, examine(l).reasons...)
	}
	return reasons
}

// readiness is what has to be well for a gorb to be ready.
var readiness = []func(Living) examined{examineTable, examineChecks, examineLoop}

// condition answers in the form of Kubernetes: "ok", or with ?verbose a line for each thing that was looked at. What is wrong
// is told in any case, a reason a line, and as a Condition to who accepts JSON alone.
type condition struct {
	name     string
	living   Living
	examines []func(Living) examined
}

func (c condition) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	is := Condition{OK: true, Reasons: []string{}}
	var all strings.Builder
	for _, examine := range c.examines {
		e := examine(c.living)
		is.Reasons = append(is.Reasons, e.reasons...)
		fmt.Fprintln(&all, cmp.Or(e.line(), "[+]"+e.name+" ok"))
	}
	is.OK = len(is.Reasons) == 0
	code := http.StatusOK
	if !is.OK {
		code = http.StatusServiceUnavailable
	}
	if strings.HasPrefix(r.Header.Get("Accept"), "application/json") {
		write(w, code, is)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, c.text(is, all.String(), r.URL.Query().Has("verbose"))) // a client that has gone needs no answer
}

// line says what is wrong; "": nothing is.
func (e examined) line() string {
	if len(e.reasons) == 0 {
		return ""
	}
	return "[-]" + e.name + " failed: " + strings.Join(e.reasons, "; ")
}

func (c condition) text(is Condition, all string, verbose bool) string {
	switch {
	case verbose && is.OK:
		return all + c.name + " check passed\n"
	case verbose:
		return all + c.name + " check failed\n"
	case is.OK:
		return "ok\n"
	}
	return strings.Join(is.Reasons, "\n") + "\n"
}
