package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/rs/zerolog"
)

// logLevels are those of --log-level.
var logLevels = []string{"debug", "info", "warn", "error"}

// newLogger returns the daemon's logger: lines for people on a terminal, JSON otherwise, unless format says which.
func newLogger(w io.Writer, level, format string) (zerolog.Logger, error) {
	l, err := zerolog.ParseLevel(level)
	if err != nil || !slices.Contains(logLevels, level) {
		return zerolog.Logger{}, fmt.Errorf("--log-level %s: it is debug, info, warn or error", level)
	}
	switch format {
	case "json":
	case "console":
		w = console(bare(w))
	case "auto":
		if isTerminal(bare(w)) {
			w = console(bare(w))
		}
	default:
		return zerolog.Logger{}, fmt.Errorf("--log-format %s: it is console, json or auto", format)
	}
	return zerolog.New(w).Level(l).With().Timestamp().Logger(), nil
}

// console returns a writer that makes lines for people. Its colours are control characters, and there are no others: values
// are quoted where they have any.
func console(w io.Writer) io.Writer {
	return zerolog.ConsoleWriter{
		Out: w, TimeFormat: time.TimeOnly, NoColor: !isTerminal(w) || os.Getenv("NO_COLOR") != "", FormatPrepare: plainEvent,
	}
}

// plainEvent takes control characters out of what a ConsoleWriter does not quote: the message, and lists.
func plainEvent(event map[string]any) error {
	for key, value := range event {
		switch value := value.(type) {
		case string:
			if key == zerolog.MessageFieldName {
				event[key] = line(plainText(value))
			}
		case []any:
			for i := range value {
				if text, ok := value[i].(string); ok {
					value[i] = plainText(text)
				}
			}
		}
	}
	return nil
}

// bare is the writer itself, which may be a terminal.
func bare(w io.Writer) io.Writer {
	if p, ok := w.(*harmless); ok {
		return p.out
	}
	return w
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}
