package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorb-io/gorb/pkg/httpapi"
)

// follower reads the events of an apiWorld.
type follower struct {
	w      *apiWorld
	answer *http.Response
	in     *bufio.Scanner
	last   string // ID
}

// follow begins to read events, after an ID or from now on, with the header of a client.
func (w *apiWorld) follow(query, after string, header http.Header) *follower {
	w.t.Helper()
	header = header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Set("Last-Event-ID", after)
	f := &follower{w: w, answer: w.request("GET", "/events"+query, "", header)}
	if f.answer.StatusCode != http.StatusOK {
		w.t.Fatalf("the events: %s", f.answer.Status)
	}
	w.t.Cleanup(func() { _ = f.answer.Body.Close() })
	f.in = bufio.NewScanner(f.answer.Body)
	return f
}

// next is the next event: its type, and what its data says; "" at the end.
func (f *follower) next() (kind, data string) {
	for f.in.Scan() {
		name, value, _ := strings.Cut(f.in.Text(), ": ")
		switch name {
		case "id":
			f.last = value
		case "event":
			kind = value
		case "data":
			data = value
		case "":
			if kind != "" {
				return kind, data
			}
		}
	}
	return "", ""
}

// until reads to the event of a type whose data has all of the texts.
func (f *follower) until(kind httpapi.EventType, texts ...string) {
	f.w.t.Helper()
	var seen strings.Builder
	late := time.AfterFunc(patience, func() { _ = f.answer.Body.Close() })
	defer late.Stop()
next:
	for {
		is, data := f.next()
		if is == "" {
			f.w.t.Fatalf("no %s event with %q; there were\n%s", kind, texts, seen.String())
		}
		fmt.Fprintln(&seen, is, data)
		if is != string(kind) {
			continue
		}
		for _, text := range texts {
			if !strings.Contains(data, text) {
				continue next
			}
		}
		return
	}
}

// over waits until the events end.
func (f *follower) over() {
	f.w.t.Helper()
	late := time.AfterFunc(patience, func() { f.w.t.Error("the events go on"); _ = f.answer.Body.Close() })
	defer late.Stop()
	for kind := "-"; kind != ""; {
		kind, _ = f.next()
	}
}

const justWeb = `
[services.web]
host = "10.0.0.1"
port = 80
[services.web.backends.a]
host = "10.1.0.1"
pulse = { type = "none" }
`

// TestEventsOfADaemon plays a story to somebody who reads the events.
func TestEventsOfADaemon(t *testing.T) {
	w := newAPIWorld(t, justWeb)
	f := w.follow("", "", nil)
	w.want(200, "PATCH", "/service/web/a?ttl=6s&reason=slow", `{"weight": 7}`, nil)
	f.until(httpapi.EventOverride, `"change":"patch","service":"web","backend":"a","by":"anybody at 127.0.0.1","reason":"slow"`)
	f.until(httpapi.EventService, `"service":"web","change":"changed"`)
	f.until(httpapi.EventTable, `"cause":"configuration","services":["web"],"touched":1,"operations":["-e -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 7"]`)
	f.until(httpapi.EventOverride, `"change":"ended","service":"web","backend":"a"`)
	w.want(200, "DELETE", "/service/web/a", "", nil)
	f.until(httpapi.EventOverride, `"change":"hide","service":"web","backend":"a"`)
	w.want(200, "DELETE", "/overrides", "", nil)
	f.until(httpapi.EventOverride, `"change":"cleared","service":"web","backend":"a","by":"anybody at 127.0.0.1"`)
	w.declare(justWeb + "[services.mail]\nhost = \"10.0.0.1\"\nport = 25\n")
	f.until(httpapi.EventService, `"service":"mail","change":"declared"`)
	w.declare("port = 7\n")
	f.until(httpapi.EventSource, `"source":"`+w.file+`","state":"failing"`)
	w.declare(justWeb)
	f.until(httpapi.EventService, `"service":"mail","change":"gone"`)

	// Who comes back misses nothing, and hears of what a restart has lost.
	w.want(200, "PATCH", "/service/web/a", `{"weight": 8}`, nil)
	f.until(httpapi.EventTable, "-w 8")
	back := w.follow("?type=override", f.last, nil)
	w.want(200, "DELETE", "/overrides/web/a", "", nil)
	if kind, data := back.next(); kind != string(httpapi.EventOverride) || !strings.Contains(data, `"change":"cleared"`) {
		t.Errorf("who comes back hears of %s %s", kind, data)
	}
	w.end()
	f.over()
	w.start()
	w.follow("", f.last, nil).until(httpapi.EventGap, "some events are lost")
}

// TestEventsAreNotForEver revokes a token.
func TestEventsAreNotForEver(t *testing.T) {
	token, hash := httpapi.NewToken()
	config := "[[api.tokens]]\nname = \"more\"\nrole = \"read\"\nhash = \"sha256:" + strings.Repeat("0", 64) + "\"\n"
	entry := "[[api.tokens]]\nname = \"ci\"\nrole = \"read\"\nhash = \"" + hash + "\"\n"
	w := newAPIWorld(t, config+entry)
	bearer := http.Header{"Authorization": {"Bearer " + token}}
	f := w.follow("", "", bearer)
	w.declare(config)
	f.over()
	answer := w.request("GET", "/events", "", bearer)
	if answer.Body.Close(); answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("a token that is revoked reads events: %s", answer.Status)
	}
}

// TestStatusOfTheAPI says where it listens.
func TestStatusOfTheAPI(t *testing.T) {
	w := newAPIWorld(t, "")
	var status httpapi.Status
	w.want(200, "GET", "/status", "", &status)
	if want := strings.TrimPrefix(w.url, "http://"); status.API == nil || *status.API != (httpapi.Listening{Listen: want}) {
		got, _ := json.Marshal(status.API)
		t.Errorf("%s, and it listens at %s", got, want)
	}
}
