package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// Prober is asked how backends are, and makes checks of them.
type Prober interface {
	// Checks is how the checks are as a whole; nil: nobody makes any.
	Checks() *HealthTotals
	// Health calls each with every declared service, or with those of the names that are declared, by name, and ends with
	// its first error. It begins only once it can say how backends are.
	Health(ctx context.Context, names []string, each func(ServiceHealth) error) error
	// Probe makes a check that somebody asks for. It counts for nothing.
	Probe(ctx context.Context, service, backend string) (*Probed, error)
}

// hangAfter is from where on the engine of the checks hangs: a busy machine is slower than usual, but not so slow.
const hangAfter = 10 * time.Second

// hanging says that no backend is judged any more; "" where they are, or nobody makes checks.
func hanging(h *HealthTotals) string {
	if h == nil || time.Duration(h.Engine.HangsMS)*time.Millisecond < hangAfter {
		return ""
	}
	return fmt.Sprintf("the checks hang: nothing has been judged for %d s", h.Engine.HangsMS/1000)
}

type healthIn struct {
	Services []string `query:"service,explode" doc:"Of these services alone, as far as they are declared."`
}

// stream is an answer that is written as it comes.
type stream struct {
	Body func(huma.Context)
}

func (a *api) health(ctx context.Context, _ *caller, in *healthIn) (*stream, error) {
	return &stream{func(h huma.Context) {
		_, w := humago.Unwrap(h)
		a.streamHealth(ctx, w, in.Services)
	}}, nil
}

// streamHealth answers how backends are, a service to a line, as they come: 200,000 backends are some 75 MB of text, and
// neither that nor what it is made of is ever in memory whole.
func (a *api) streamHealth(ctx context.Context, w http.ResponseWriter, names []string) {
	var engine *Engine
	if c := a.daemon.Checks(); c != nil {
		engine = &c.Engine
	}
	list := listing{w: w, out: bufio.NewWriterSize(w, 64<<10), engine: engine}
	err := a.daemon.Health(ctx, names, list.add)
	switch {
	case err != nil && list.begun:
		panic(http.ErrAbortHandler) // the connection is cut off, so that nobody takes a part for the whole
	case err != nil:
		f := Fail(http.StatusServiceUnavailable, "how backends are cannot be said now: "+err.Error())
		fail(w, f)
	default:
		list.end()
	}
}

// listing writes a Health piece by piece.
type listing struct {
	w      http.ResponseWriter
	out    *bufio.Writer
	engine *Engine
	begun  bool
}

func (l *listing) add(s ServiceHealth) error {
	if err := l.next(); err != nil {
		return err
	}
	return l.value(s)
}

// next writes what goes before a service.
func (l *listing) next() error {
	if l.begun {
		_, err := l.out.WriteString(",\n")
		return err
	}
	l.begun = true
	l.w.Header().Set("Content-Type", "application/json")
	l.w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = l.out.WriteString(`{"engine": `) // there is room for it
	if err := l.value(l.engine); err != nil {
		return err
	}
	_, err := l.out.WriteString(", \"services\": [\n")
	return err
}

func (l *listing) value(v any) error {
	text, err := json.Marshal(v)
	if err == nil {
		_, err = l.out.Write(text)
	}
	return err
}

// end writes what goes after the services.
func (l *listing) end() {
	if !l.begun { // there is none
		_ = l.next()
	}
	_, _ = l.out.WriteString("\n]}\n")
	_ = l.out.Flush() // a client that has gone needs no answer
}
