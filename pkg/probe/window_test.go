package probe

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A window counts as a list of answers does, whatever its size is and however that changes; and no copy of it changes.
func TestWindowIsAList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SampledFrom([]int{1, 2, 63, 64, 65, 100, 127, 128, 129, 191, 192, 193, 500, 1000, maxWindow})
		size := sizes.Draw(t, "size")
		var w, kept window
		var list, then []bool
		thenSize := size
		for range rapid.IntRange(1, 12).Draw(t, "runs") {
			if rapid.IntRange(0, 3).Draw(t, "resized") == 0 {
				size = sizes.Draw(t, "size")
			}
			if rapid.Bool().Draw(t, "kept") {
				kept, then, thenSize = w, slices.Clone(list), size
			}
			ok := rapid.Bool().Draw(t, "ok")
			for range rapid.SampledFrom([]int{1, 2, 3, 60, 64, 70, 130, 300}).Draw(t, "times") {
				w = w.push(ok, size)
				list = append(list, ok)
				list = list[max(0, len(list)-size):]
				checkShare(t, w, list, size)
			}
			checkShare(t, w, list, sizes.Draw(t, "seen"))
			checkShare(t, kept, then, thenSize)
		}
	})
}

func checkShare(t *rapid.T, w window, list []bool, size int) {
	t.Helper()
	list = list[max(0, len(list)-size):]
	want := 0
	for _, ok := range list {
		if ok {
			want++
		}
	}
	if good, of := w.share(size); good != want || of != len(list) {
		t.Fatalf("share is %d of %d, want %d of %d", good, of, want, len(list))
	}
}

// A backend that is well, or whose window is 100, needs no room beside its State.
func TestWindowRoom(t *testing.T) {
	var w window
	for range 3 * maxWindow {
		w = w.push(true, maxWindow)
	}
	if w.older != nil {
		t.Errorf("%d words of a window without a failure", len(w.older))
	}
	for i := range 3 * maxWindow {
		w = w.push(i%2 == 0, maxWindow)
	}
	if len(w.older) > maxWindow/64+1 {
		t.Errorf("%d words of a window of %d", len(w.older), maxWindow)
	}
	for i := range 1000 {
		w = w.push(i%2 == 0, 100)
	}
	if len(w.older) > 1 {
		t.Errorf("%d words of a window of 100", len(w.older))
	}
}
