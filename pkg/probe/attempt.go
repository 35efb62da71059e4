package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"
)

// attempt is one check while it is being made.
type attempt struct {
	ctx   context.Context
	trace *Trace
	start time.Time
}

func begin(ctx context.Context, t *Trace) attempt {
	return attempt{ctx: ctx, trace: t, start: time.Now()}
}

// step takes down what has been done. What is dear to find out is asked for only if traced.
func (a *attempt) step(format string, args ...any) {
	if a.trace != nil {
		a.trace.Steps = append(a.trace.Steps, Step{At: time.Since(a.start), Text: fmt.Sprintf(format, args...)})
	}
}

func (a *attempt) traced() bool { return a.trace != nil }

// localError is why a check could not be made. It says nothing of the backend.
type localError struct{ err error }

func (e *localError) Error() string { return e.err.Error() }
func (e *localError) Unwrap() error { return e.err }

// stageError is what went wrong on the way, and where.
type stageError struct {
	stage string // "connect", "TLS"
	err   error
}

func (e *stageError) Error() string { return e.stage + ": " + e.err.Error() }
func (e *stageError) Unwrap() error { return e.err }

// verdict is a failure that is already in words.
type verdict string

func (v verdict) Error() string { return string(v) }

func failed(format string, args ...any) error { return verdict(fmt.Sprintf(format, args...)) }

// end is the result: OK for nil.
func (a *attempt) end(err error) Result {
	took := time.Since(a.start)
	r := Result{Outcome: OK, At: a.start.Add(took), Took: took}
	if err == nil {
		return r
	}
	r.Outcome, r.Text = Failed, printed(a.words(err), maxText)
	var local *localError
	switch {
	case errors.As(err, &local):
		r.Outcome = Unmade
	case late(err) && errors.Is(a.ctx.Err(), context.Canceled):
		r.Outcome, r.Text = Unmade, "the check was stopped"
	}
	a.step("%s", r.Text)
	return r
}

// late reports whether an error comes of the end of the check's time, and not of the other side.
func late(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// words says an error as an operator would, in a line.
func (a *attempt) words(err error) string {
	switch e := err.(type) {
	case verdict:
		return string(e)
	case *stageError:
		return e.stage + ": " + a.words(e.err)
	case *localError:
		return said(located(e).Error())
	}
	var errno syscall.Errno
	switch {
	case late(err):
		return "no answer within " + a.patience()
	case errors.As(err, &errno):
		return errno.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed"
	}
	return said(err.Error())
}

// located says which file is meant as operators do, without the system call that it was meant for.
func located(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("%s: %w", e.Path, e.Err)
	}
	return err
}

// timeoutKey is that of the declared timeout, a time.Duration, in the context of a check.
type timeoutKey struct{}

// declare takes down the timeout of a check as it is declared. The deadline is from when the check was to begin: what is
// left of it is less, and a number that nobody has written.
func declare(ctx context.Context, timeout time.Duration) context.Context {
	return context.WithValue(ctx, timeoutKey{}, timeout)
}

// patience is how long the check had, as it is declared.
func (a *attempt) patience() string {
	if d, ok := a.ctx.Value(timeoutKey{}).(time.Duration); ok {
		return d.String()
	}
	return "its time"
}

const (
	// maxSaid is how much of what somebody else said is repeated, in characters.
	maxSaid = 160
	// maxText is how long the text of a result may be.
	maxText = 200
)

// said is what somebody else said, fit for a line of a log: short, and without anything that a terminal obeys.
func said(text string) string { return printed(text, maxSaid) }

// printed is as much of a text as is printed in so many characters. Of a run of characters that are none to print, as
// programs say that are no scripts, the first stands for all, unless there are just two: a line may end with them.
func printed(text string, most int) string {
	var b strings.Builder
	for n := 0; text != ""; {
		_, size := utf8.DecodeRuneInString(text)
		piece := text[:size]
		run := unprintable(text)
		switch {
		case run > 2*size: // \x00\x00\x00
			piece, size = escaped(piece)+"…", run
		case run > 0:
			piece = escaped(piece)
		}
		if n += utf8.RuneCountInString(piece); n > most {
			b.WriteString("…")
			break
		}
		b.WriteString(piece)
		text = text[size:]
	}
	return b.String()
}

// unprintable is how many bytes a text begins with that are not to be printed.
func unprintable(text string) int {
	n := 0
	for n < len(text) {
		r, size := utf8.DecodeRuneInString(text[n:])
		if unicode.IsPrint(r) && !(r == utf8.RuneError && size == 1) {
			break
		}
		n += size
	}
	return n
}

func escaped(piece string) string {
	quoted := strconv.Quote(piece)
	return quoted[1 : len(quoted)-1]
}

// quote is the beginning of what a server said, in quotes.
func quote(b []byte) string {
	const most = 40
	text, more := string(b), ""
	if len(b) > most {
		text, more = string(b[:most]), "…"
	}
	return `"` + said(strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text)) + `"` + more
}
