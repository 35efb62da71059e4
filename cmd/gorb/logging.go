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
		w = console(w)
	case "auto":
		if isTerminal(w) {
			w = console(w)
		}
	default:
		return zerolog.Logger{}, fmt.Errorf("--log-format %s: it is console, json or auto", format)
	}
	return zerolog.New(w).Level(l).With().Timestamp().Logger(), nil
}

// console returns a writer that makes lines for people.
func console(w io.Writer) io.Writer {
	return zerolog.ConsoleWriter{Out: w, TimeFormat: time.TimeOnly, NoColor: !isTerminal(w) || os.Getenv("NO_COLOR") != ""}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}
