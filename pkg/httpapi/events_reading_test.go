package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// hubOf runs a hub until the test ends, or until it is told to.
func hubOf(t *testing.T, limits EventLimits) (*Hub, func()) {
	t.Helper()
	h := NewHub(limits)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	end := func() { cancel(); <-ended; ended <- nil }
	t.Cleanup(end)
	return h, end
}

// reading is a client in the middle of the events.
type reading struct {
	t   *testing.T
	in  *bufio.Scanner
	end func()
}

// read asks for events and returns when they have begun.
func read(t *testing.T, c *http.Client, url, after string) *reading {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if after != "" {
		r.Header.Set("Last-Event-ID", after)
	}
	answer, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); answer.Body.Close() })
	if answer.StatusCode != 200 || answer.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s, %s", answer.Status, answer.Header)
	}
	in := &reading{t, bufio.NewScanner(answer.Body), cancel}
	if first := in.next(); first["retry"] == "" || first["id"] == "" {
		t.Fatalf("it begins with %v", first)
	}
	return in
}

// next returns the fields of what comes next; none at the end.
func (r *reading) next() map[string]string {
	fields := map[string]string{}
	for r.in.Scan() {
		if r.in.Text() == "" {
			break
		}
		name, value, _ := strings.Cut(r.in.Text(), ": ")
		fields[name] = value
	}
	return fields
}

// nextOf takes the data of the next event, which must be of a type, and returns its ID.
func (r *reading) nextOf(kind EventType, data any) string {
	r.t.Helper()
	fields := r.next()
	if fields["event"] != string(kind) {
		r.t.Fatalf("%v, and not of type %s", fields, kind)
	}
	if err := json.Unmarshal([]byte(fields["data"]), data); err != nil {
		r.t.Fatal(err)
	}
	return fields["id"]
}
