package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// parseStrace returns the number of system calls in a summary of `strace -c`.
func parseStrace(summary string) (int, error) {
	for line := range strings.Lines(summary) {
		// % time, seconds, usecs/call, calls, errors if there were any, and the name
		words := strings.Fields(line)
		if len(words) < 5 || words[len(words)-1] != "total" {
			continue
		}
		n, err := strconv.Atoi(words[3])
		if err != nil {
			return 0, fmt.Errorf("strace's summary: %q: no number of calls", strings.TrimSpace(line))
		}
		return n, nil
	}
	return 0, fmt.Errorf("strace's summary has no total: %q", summary)
}

// applied is what `gorb apply --json` says that matters here.
type applied struct {
	Errors   []string
	DecodeMS float64 `json:"decode_ms"`
	ReadMS   float64 `json:"read_ms"`
	WriteMS  float64 `json:"write_ms"`
	PassMS   float64 `json:"pass_ms"` // the two, and what is between them
}

func parseApplied(text []byte) (applied, error) {
	var a applied
	if err := json.Unmarshal(text, &a); err != nil {
		return a, fmt.Errorf("gorb apply --json: %w", err)
	}
	if len(a.Errors) > 0 {
		return a, fmt.Errorf("gorb apply: %s", strings.Join(a.Errors, "\n"))
	}
	if a.ReadMS == 0 {
		return a, errors.New("gorb apply --json: it does not say how long reading took")
	}
	return a, nil
}

// parseStat returns the processor time that /proc/PID/stat tells of: its fields 14 and 15, in hundredths of a second
// (proc_pid_stat(5)). The second is a name in parentheses, with anything in it.
func parseStat(stat string) (time.Duration, error) {
	rest := strings.Fields(stat[strings.LastIndex(stat, ")")+1:])
	if len(rest) < 13 {
		return 0, fmt.Errorf("%q has too few fields", stat)
	}
	user, err := strconv.Atoi(rest[11])
	if err != nil {
		return 0, err
	}
	system, err := strconv.Atoi(rest[12])
	return time.Duration(user+system) * 10 * time.Millisecond, err
}

// parseSNMP returns a counter of /proc/net/snmp: each protocol has a line of names and one of values.
func parseSNMP(text, protocol, name string) (int, error) {
	var names []string
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] != protocol {
			continue
		}
		if names == nil {
			names = words
			continue
		}
		if i := slices.Index(names, name); i > 0 && i < len(words) {
			return strconv.Atoi(words[i])
		}
	}
	return 0, fmt.Errorf("there is no %s %s", protocol, name)
}

// parseSize returns the kB of a line of a file like /proc/PID/status.
func parseSize(text, name string) (int, error) {
	for line := range strings.Lines(text) {
		if words := strings.Fields(line); len(words) == 3 && words[0] == name && words[2] == "kB" {
			return strconv.Atoi(words[1])
		}
	}
	return 0, fmt.Errorf("there is no %s", name)
}

// milliseconds returns a duration of so many milliseconds.
func milliseconds(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

var versionPattern = regexp.MustCompile(`v?\d+(\.\d+)+`)

// parseVersion returns the first thing that looks like a version in what a program says of itself.
func parseVersion(text string) string {
	if v := versionPattern.FindString(text); v != "" {
		return strings.TrimPrefix(v, "v")
	}
	return "of unknown version"
}

// parseShowDepends returns the modules that `modprobe --show-depends` would load, each once, in its order.
func parseShowDepends(out string) []string {
	var files []string
	for line := range strings.Lines(out) {
		words := strings.Fields(line) // "builtin NAME" is in the kernel
		if len(words) >= 2 && words[0] == "insmod" && !slices.Contains(files, words[1]) {
			files = append(files, words[1])
		}
	}
	return files
}
