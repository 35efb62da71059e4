package main

import (
	"fmt"
	"time"

	"github.com/gorb-io/gorb/pkg/httpapi"
)

// nameCell is a backend by its address, and its name where that is known and says more: "10.1.0.1:80 (a)".
func nameCell(address string, b *httpapi.BackendHealth) string {
	if b == nil || b.Name == "" || b.Name == address {
		return address
	}
	return fmt.Sprintf("%s (%s)", address, b.Name)
}

// stateCell is the state of a backend, and since when: "up 3h", "-".
func (s *status) stateCell(b *httpapi.BackendHealth) string {
	switch {
	case b == nil:
		return ""
	case b.State == httpapi.Unchecked:
		return "-"
	case b.Since.IsZero():
		return string(b.State)
	}
	return string(b.State) + " " + age(s.now.Sub(b.Since))
}

// weightCell is the weight that a backend has, and the declared one where that is another: "0/100".
func weightCell(has string, b *httpapi.BackendHealth) string {
	if b == nil || has == fmt.Sprint(b.Weight) {
		return has
	}
	return fmt.Sprintf("%s/%d", has, b.Weight)
}

// clock is a time of today, or of another day with its date.
func (s *status) clock(t time.Time) string {
	if d := s.now.Sub(t).Abs(); d >= 24*time.Hour {
		return t.Local().Format(time.DateTime)
	}
	return t.Local().Format(time.TimeOnly)
}

// age is a duration in its largest unit: "12s", "5m", "3h", "4d".
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", max(d, 0)/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dd", d/(24*time.Hour))
}

// brief is a duration with tenths of a second where it is short.
func brief(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.1fs", max(d, 0).Seconds())
	}
	return duration(d)
}

// took is how long a check took.
func took(ms float64) string {
	if ms < 1000 {
		return fmt.Sprintf("%.1fms", ms)
	}
	return fmt.Sprintf("%.1fs", ms/1000)
}
