package httpapi

import (
	"context"
	"fmt"
	"sync"
	"testing"
)

// TestManyChangeOne has many change one backend at once: none of them is told that others are quicker.
func TestManyChangeOne(t *testing.T) {
	f := over(t, web)
	h := routes(f)
	var clients sync.WaitGroup
	for i := range 64 {
		clients.Go(func() {
			for j := range 5 {
				body := fmt.Sprintf(`{"weight":%d}`, 200+5*i+j)
				if w := exchange(h, "PATCH", "/service/web/a", body); w.Code != 200 {
					t.Errorf("%s: %d %s", body, w.Code, w.Body)
				}
			}
		})
	}
	clients.Wait()
	if n := len(f.Audit(0, 1000)); n != 64*5 {
		t.Errorf("%d changes are in the audit", n)
	}
}

// TestTurns: whoever has a turn has it alone, who does not need one waits only for those, and nothing is kept.
func TestTurns(t *testing.T) {
	var turns turns
	free, err := turns.take(t.Context(), "web", false)
	if err != nil || len(turns.of) != 0 {
		t.Fatalf("%v, %d turns", err, len(turns.of))
	}
	defer free()
	back, err := turns.take(t.Context(), "web", true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := turns.take(t.Context(), "mail", false); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := turns.take(ended, "web", false); err == nil {
		t.Error("two have the turn")
	}
	back()
	back()
	again, err := turns.take(t.Context(), "web", true)
	if err != nil {
		t.Fatal(err)
	}
	if again(); len(turns.of) != 0 {
		t.Errorf("%d turns are kept", len(turns.of))
	}
}
