package httpapi

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestEventRing compares the ring with a list of everything.
func TestEventRing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := EventLimits{Events: rapid.IntRange(1, 20).Draw(t, "events"), Bytes: rapid.IntRange(1, 2000).Draw(t, "bytes")}
		h := NewHub(limits)
		var all []string
		for range rapid.IntRange(0, 50).Draw(t, "published") {
			name := rapid.StringOfN(rapid.RuneFrom([]rune("ab\n\"é")), 0, 300, -1).Draw(t, "name")
			h.Publish(&ServiceEvent{Stamp: Stamp{time.Unix(1, 0).UTC()}, Service: name, Change: ServiceDeclared})
			body, err := json.Marshal(&ServiceEvent{Stamp: Stamp{time.Unix(1, 0).UTC()}, Service: name, Change: ServiceDeclared})
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, fmt.Sprintf("id: %s\nevent: service\ndata: %s\n\n", h.id(uint64(len(all)+1)), body))
		}
		kept, size := 0, 0
		for kept < len(all) && kept < limits.Events {
			if size += len(all[len(all)-1-kept]); size > limits.Bytes && kept > 0 {
				break
			}
			kept++
		}
		at := rapid.IntRange(0, len(all)).Draw(t, "at")
		text, end, ok := h.collect(nil, uint64(at), &eventFilter{})
		if ok != (len(all)-at <= kept) {
			t.Fatalf("after %d of %d, of which %d are kept: %t", at, len(all), kept, ok)
		}
		if ok && (string(text) != strings.Join(all[at:], "") || end != uint64(len(all))) {
			t.Fatalf("after %d of %d: to %d, %s", at, len(all), end, text)
		}
	})
}

func TestEventsAreShort(t *testing.T) {
	h := NewHub(EventLimits{})
	long := make([]string, 10_000)
	for i := range long {
		long[i] = strings.Repeat("é", 10_000)
	}
	h.Publish(&TableEvent{Services: long, Operations: long, Errors: long})
	h.Publish(&RemovalEvent{Names: long, Count: 20_000})
	h.Publish(&OverrideEvent{Reason: long[0], By: long[0]})
	for _, f := range h.ring[1:4] {
		if len(f.text) > 400<<10 {
			t.Errorf("a %s event has %d bytes", f.kind, len(f.text))
		}
	}
	if !h.ring[1].more || !strings.Contains(string(h.ring[1].text), `"touched":10000`) {
		t.Error("there is no word of the others")
	}
	if f := (eventFilter{services: []string{"any"}}); !f.wants(&h.ring[1]) {
		t.Error("what names some services alone is not for who asks for others")
	}
	(*Hub)(nil).Publish(&ReadyEvent{}) // nobody hears it
}
