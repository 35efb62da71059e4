package httpapi

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// eventFilter is what a reader wants to hear of.
type eventFilter struct {
	types    []EventType // none: all
	services []string    // none: all
}

// wants reports whether an event is asked for. One that has too many services to name them all is for everybody who asks
// for some.
func (f *eventFilter) wants(e *frame) bool {
	if len(f.types) > 0 && !slices.Contains(f.types, e.kind) {
		return false
	}
	return len(f.services) == 0 || e.more || slices.ContainsFunc(e.services, func(s string) bool {
		return slices.Contains(f.services, s)
	})
}

// mostNamed is how many services a reader may name.
const mostNamed = 100

// newEventFilter reads ?type=a,b and ?service=x, each once or more.
func newEventFilter(query url.Values) (eventFilter, error) {
	var f eventFilter
	bad := func(name, message string) (eventFilter, error) {
		return f, &Failure{
			Code: http.StatusUnprocessableEntity, Message: unusable,
			Problems: []Problem{{Path: "query." + name, Message: message}},
		}
	}
	for name := range query {
		if name != "type" && name != "service" && name != "last_event_id" {
			return bad(name, "unknown; known are last_event_id, service, type")
		}
	}
	for _, value := range query["type"] {
		for name := range strings.SplitSeq(value, ",") {
			t := EventType(strings.TrimSpace(name))
			if !slices.Contains(eventTypes, t) {
				return bad("type", strconv.Quote(name)+" is no type of event; the types are "+typeNames())
			}
			if !slices.Contains(f.types, t) {
				f.types = append(f.types, t)
			}
		}
	}
	if f.services = query["service"]; len(f.services) > mostNamed {
		return bad("service", "over "+strconv.Itoa(mostNamed)+" services are named; ask for all")
	}
	return f, nil
}

func typeNames() string {
	names := make([]string, 0, len(eventTypes))
	for _, t := range eventTypes {
		names = append(names, string(t))
	}
	return strings.Join(names, ", ")
}

// resume finds where a reader goes on, after the event whose ID it gives, and what it is told first. Without an ID that is
// the newest. Of events that are lost, here or with an earlier run, it is told, and gets what there is.
func (h *Hub) resume(id string) (at uint64, gap *GapEvent) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	newest := h.newest.Load()
	if id == "" {
		return newest, nil
	}
	run, number, _ := strings.Cut(id, "-")
	n, err := strconv.ParseUint(number, 10, 64)
	switch {
	case err != nil || run != h.run || n > newest:
		return h.oldest - 1, &GapEvent{Message: gapMessage}
	case n+1 < h.oldest:
		return h.oldest - 1, &GapEvent{Lost: h.oldest - 1 - n, Message: gapMessage}
	}
	return n, nil
}
