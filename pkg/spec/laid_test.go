package spec

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestLayeringLaws: what is laid again as overrides and documents come and go is what is laid from the ground.
func TestLayeringLaws(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		docs := []*Document{mustParse(underneath), mustParse("[services.web]\nport = 81\n"), mustParse(underneath + "[ipvs.sync.master]\ninterface = 'eth1'\n")}
		doc := docs[0]
		own := rapid.SampledFrom([]netip.Addr{netip.MustParseAddr("10.0.0.9"), {}}).Draw(r, "own")
		finish := func(d *Desired) (*Desired, error) {
			if !own.IsValid() || len(d.NeedHost()) == 0 {
				return d, nil
			}
			return d.WithHost(own)
		}
		var g Layering
		var list []Override
		for range rapid.IntRange(1, 12).Draw(r, "steps") {
			switch rapid.IntRange(0, 9).Draw(r, "step") {
			case 0:
				doc = rapid.SampledFrom(docs).Draw(r, "document")
			case 1, 2:
				if len(list) > 0 {
					i := rapid.IntRange(0, len(list)-1).Draw(r, "clear")
					list = slices.Delete(slices.Clone(list), i, i+1)
				}
			default:
				more := anyOverrides(r)
				for _, o := range more[:min(len(more), 2)] {
					if rapid.Bool().Draw(r, "ends") {
						o.Until = time.Unix(2e9, 0)
					}
					list = slices.DeleteFunc(slices.Clone(list), func(p Override) bool { return p.Key() == o.Key() })
					list = append(list, o)
				}
				slices.SortStableFunc(list, func(a, b Override) int {
					return OverrideKey{Ends: a.Ends()}.Compare(OverrideKey{Ends: b.Ends()})
				})
			}
			layers := []Layer{{Document: doc, Sound: docs[0]}}
			got, want := g.Lay(layers, list, finish), Lay(layers, list, finish)
			sameLayered(r, want, got)
		}
	})
}

func sameLayered(t *rapid.T, want, got Layered) {
	t.Helper()
	if (want.Desired == nil) != (got.Desired == nil) {
		t.Fatalf("want %v, got %v", want, got)
	}
	type rest struct {
		problems       Problems
		rejected, away map[int]Problems
		dangling, idle []int
	}
	some := func(m map[int]Problems) map[int]Problems {
		if len(m) == 0 {
			return nil
		}
		return m
	}
	of := func(l Layered) rest {
		return rest{l.Problems, some(l.Rejected), some(l.Invalid), l.Dangling, l.Idle}
	}
	if diff := cmp.Diff(of(want), of(got), cmp.AllowUnexported(rest{})); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	if want.Desired == nil {
		return
	}
	a, b := want.Desired, got.Desired
	if diff := cmp.Diff(a.Services, b.Services, sameValues); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	told := func(problems Problems) (list []string) {
		for _, p := range problems {
			list = append(list, p.Path+": "+p.Message)
		}
		slices.Sort(list)
		return list
	}
	if diff := cmp.Diff(told(a.Warnings), told(b.Warnings)); diff != "" {
		t.Fatalf("warnings (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(told(a.WarningsOn("6.1.0")), told(b.WarningsOn("6.1.0"))); diff != "" {
		t.Fatalf("warnings on a kernel (-want +got):\n%s", diff)
	}
	for i := range a.Services {
		was, _ := a.Explain(a.Services[i].Name, "")
		is, _ := b.Explain(a.Services[i].Name, "")
		if diff := cmp.Diff(was, is); diff != "" {
			t.Fatalf("explained (-want +got):\n%s", diff)
		}
	}
}

// TestLayingAgainIsQuick: what is right for a Layering to go on from, it goes on from.
func TestLayingAgainIsQuick(t *testing.T) {
	doc := mustParse(underneath)
	layers := []Layer{{Document: doc, Sound: doc}}
	patch := func(backend, body string) Override {
		return Override{Kind: Patch, Service: "web", Backend: backend, Body: []byte(body)}
	}
	ending := patch("a", `{"weight": 2}`)
	ending.Until = time.Unix(2e9, 0)
	bad := Override{Kind: Patch, Service: "mail", Body: []byte(`{"port": null}`)}
	for _, tt := range []struct {
		name        string
		before, now []Override
		quick       bool
	}{
		{"a weight", nil, []Override{patch("a", `{"weight": 1}`)}, true},
		{"beneath one that ends", []Override{ending}, []Override{patch("a", `{"weight": 1}`), ending}, true},
		{"cleared", []Override{patch("a", `{"weight": 1}`)}, nil, true},
		{"another port", nil, []Override{patch("", `{"port": 8080}`)}, true},
		{"hidden", nil, []Override{{Kind: Hide, Service: "web"}}, true},
		{"beside one that is set aside", []Override{bad}, []Override{bad, patch("a", `{"weight": 1}`)}, true},
		{"an object beside one that is set aside", []Override{bad}, []Override{bad, {Kind: Hide, Service: "web"}}, false},
		{"wrong", nil, []Override{bad}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var g Layering
			g.Lay(layers, tt.before, nil)
			before := g.last
			if before == nil {
				t.Fatal("nothing is kept")
			}
			next := before.again(tt.now)
			if (next != nil) != tt.quick {
				t.Errorf("quick: %t, want %t", next != nil, tt.quick)
			}
		})
	}
}

// BenchmarkLayAgain changes one weight of 200,000 backends, beside 5,000 overrides.
func BenchmarkLayAgain(b *testing.B) {
	doc := largestDocument(b)
	layers := []Layer{{Document: doc, Sound: doc}}
	patch := func(n, weight int) Override {
		return Override{Kind: Patch, Service: fmt.Sprintf("s%d", n), Backend: "b3", Body: fmt.Appendf(nil, `{"weight": %d}`, weight)}
	}
	var overrides []Override
	for i := range 5000 {
		overrides = append(overrides, patch(i, 5))
	}
	var g Layering
	g.Lay(layers, overrides, nil)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		overrides = append(overrides[1:], patch((n+5000)%10_000, n%100))
		if g.Lay(layers, overrides, nil).Desired == nil || g.last == nil {
			b.Fatal("not laid")
		}
	}
}
