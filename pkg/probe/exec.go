package probe

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"

	"github.com/gorb-io/gorb/pkg/spec"
)

// An Exec runs a program, whose exit status 0 says that the backend is well. The last line of what the program says,
// on either output, is in the result.
//
// The program has nothing to read, the root as its directory, and an environment of
//
//	PATH           that of gorb
//	GORB_SERVICE   the service's name
//	GORB_BACKEND   the backend's name
//	GORB_HOST      the address to check
//	GORB_PORT      the port to check
//	GORB_SOURCE    the address to leave from, if there is one
//	GORB_MARK      the mark of the packets, a number, if there is one
//	GORB_TIMEOUT   how long it has, in seconds, "4.5"
//
// and nothing else of gorb's, which may hold credentials. It and whatever it started in its process group is killed
// when the time is over, and what is left of the group when the program ends. What left the group goes on, and what it
// says is not waited for. How many run at once is for the engine to limit.
type Exec struct {
	Program          string // an absolute path, or a name that is looked for in PATH at each check
	Args             []string
	Addr             netip.AddrPort
	Source           netip.Addr // the zero value: as the routing says
	Mark             uint32     // 0: none
	Service, Backend string
}

type execCheck struct {
	decl  Exec
	env   []string      // all but GORB_TIMEOUT, and PATH
	stuck <-chan ending // gives the end of a program that did not end when it was killed; nil: there is none
}

var errNoExec = errors.New("exec: only Linux has it")

// NewExec prepares a check. The program is not looked for.
func NewExec(e Exec) (Checker, error) {
	if !groups {
		return nil, errNoExec
	}
	if e.Program == "" || strings.Contains(e.Program, "/") && !filepath.IsAbs(e.Program) {
		return nil, fmt.Errorf("program %q: its path must be absolute", e.Program)
	}
	for _, text := range append([]string{e.Program, e.Service, e.Backend}, e.Args...) {
		if strings.ContainsRune(text, 0) {
			return nil, fmt.Errorf("program %q: an argument or a name has a byte 0", e.Program)
		}
	}
	addr := e.Addr.Addr().Unmap()
	env := []string{
		"GORB_SERVICE=" + e.Service,
		"GORB_BACKEND=" + e.Backend,
		"GORB_HOST=" + addr.String(),
		fmt.Sprintf("GORB_PORT=%d", e.Addr.Port()),
	}
	if e.Source.IsValid() {
		env = append(env, "GORB_SOURCE="+e.Source.String())
	}
	if e.Mark != 0 {
		env = append(env, fmt.Sprintf("GORB_MARK=%d", e.Mark))
	}
	return &execCheck{decl: e, env: env}, nil
}

// execKind is a program of the operator's.
func execKind(_ *Kinds, a *spec.Args, w *writing) recipe {
	w.list("command", a.Command)
	return recipe{named: true, make: func(s spot) (Checker, error) {
		program := a.Command[0]
		if strings.Contains(program, "/") {
			var err error
			if program, err = filepath.Abs(program); err != nil { // it runs in another directory
				return nil, err
			}
		}
		return NewExec(Exec{
			Program: program, Args: a.Command[1:], Addr: s.addr, Source: a.Source, Mark: a.Mark,
			Service: s.ref.Service, Backend: s.ref.Backend,
		})
	}}
}

// ending is how a program ended.
type ending struct {
	inTime bool // by itself
	err    error
}

// tail keeps the end of what a program says.
type tail struct{ b []byte }

const maxTail = 1 << 10

// Write takes in more.
func (t *tail) Write(p []byte) (int, error) {
	n := len(p)
	if len(p) > maxTail {
		p = p[len(p)-maxTail:]
	}
	if over := len(t.b) + len(p) - maxTail; over > 0 {
		t.b = t.b[:copy(t.b, t.b[over:])]
	}
	t.b = append(t.b, p...)
	return n, nil
}

// line is the last line that says something, with a colon and a blank before it; "" if none does.
func (t *tail) line() string {
	text := strings.TrimSpace(string(t.b))
	text = strings.TrimSpace(text[strings.LastIndexByte(text, '\n')+1:])
	if text == "" {
		return ""
	}
	return ": " + said(text)
}
