package spec

import (
	"math"
	"testing"
	"time"
)

func TestNearest(t *testing.T) {
	words := []string{"host", "port", "protocol", "method", "flags", "persistent", "rr", "wrr"}
	for word, want := range map[string]string{
		"hots": "host", "Host": "host", "HOST": "host", "prot": "port", "protcol": "protocol", "metod": "method",
		"persistence": "persistent", "r": "rr", "rrr": "rr", "wr": "rr", "x": "", "": "", "timeout": "", "color": "",
	} {
		if got, _ := nearest(word, words); got != want {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

func TestFlagNames(t *testing.T) {
	tests := []struct {
		flags  Flags
		method string
		want   string
	}{
		{0, "sh", ""},
		{Flag1 | Flag2, "sh", "sh-fallback|sh-port"},
		{Flag1 | Flag2, "mh", "mh-fallback|mh-port"},
		{Flag1 | Flag2 | Flag3, "wrr", "flag-1|flag-2|flag-3"},
		{Flag3 | OnePacket, "sh", "flag-3|ops"},
	}
	for _, tt := range tests {
		if got := tt.flags.Names(tt.method); got != tt.want {
			t.Errorf("%d.Names(%s) = %q, want %q", tt.flags, tt.method, got, tt.want)
		}
		if got, misfit := parseFlags(tt.want, tt.method); got != tt.flags || len(misfit) > 0 {
			t.Errorf("parseFlags(%q) = %d, misfit %v", tt.want, got, misfit)
		}
	}
	if got := (Flag1 | OnePacket).String(); got != "flag-1|ops" {
		t.Errorf("String() = %q", got)
	}
}

func TestDurations(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"5s": 5 * time.Second, "1m30s": 90 * time.Second, "500ms": 500 * time.Millisecond, " 5S ": 5 * time.Second,
		"10min": 10 * time.Minute, "2hours": 2 * time.Hour, "3SEC": 3 * time.Second, "+5sec": 5 * time.Second,
		"0": 0, "-4m": -4 * time.Minute,
		"99999999999min": math.MaxInt64 / time.Minute * time.Minute, "5124096hours": math.MaxInt64 / time.Hour * time.Hour,
	} {
		if got, ok := parseDuration(s); !ok || got != want {
			t.Errorf("parseDuration(%q) = %v, %t, want %v", s, got, ok, want)
		}
	}
	for _, s := range []string{"", "5", "5 sec", "1second", "1 week", "s", "1e3s"} {
		if got, ok := parseDuration(s); ok {
			t.Errorf("parseDuration(%q) = %v", s, got)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0s", time.Second: "1s", 5 * time.Minute: "5m", 90 * time.Second: "1m30s", 2 * time.Hour: "2h",
		time.Hour + time.Second: "1h0m1s", 10 * time.Hour: "10h", 30 * time.Second: "30s", time.Millisecond: "1ms",
	} {
		if got := formatDuration(d); got != want {
			t.Errorf("formatDuration(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestNames(t *testing.T) {
	for _, name := range []string{"a", "web-1", "web.example:80", "_", "...", "a@b", "1"} {
		if !isName(name) {
			t.Errorf("%q is a name", name)
		}
	}
	for _, name := range []string{"", ".", "..", "a b", "a/b", "é", "a\n", string(make([]byte, 129))} {
		if isName(name) {
			t.Errorf("%q is no name", name)
		}
	}
}
