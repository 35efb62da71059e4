package spec

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// laidOf lays overrides over a document.
func laidOf(t *testing.T, text string, overrides ...Override) *Laid {
	t.Helper()
	doc := mustParse(text)
	var g Layering
	if out := g.Lay([]Layer{{Document: doc, Sound: doc}}, overrides, nil); out.Desired == nil || g.Laid() == nil {
		t.Fatalf("nothing to go on from: %v", out.Problems)
	}
	return g.Laid()
}

// override is one of an object such as web/a.
func override(kind OverrideKind, object, body string) Override {
	service, backend, _ := strings.Cut(object, "/")
	return Override{Kind: kind, Service: service, Backend: backend, Body: []byte(body)}
}

const (
	syncing  = "[ipvs.sync.master]\ninterface = 'eth1'\n"
	crossing = "[services.web.backends.six]\nhost = '2001:db8::1'\nmethod = 'tunnel'\n"
)

// TestWithBesideSync: with a sync daemon in the kernel a backend of another family is the matter of the whole.
func TestWithBesideSync(t *testing.T) {
	six := override(Set, "web/seven", `{"host": "2001:db8::7", "method": "tunnel"}`)
	for _, tt := range []struct {
		name, text string
		with       Override
		hard       bool
	}{
		{"comes", underneath + syncing, six, true},
		{"comes, and no daemon is there", underneath, six, false},
		{"goes", underneath + syncing + crossing, override(Hide, "web/six", ""), true},
		{"is beside it", underneath + syncing + crossing, override(Patch, "mail", `{"port": 26}`), false},
		{"none comes", underneath + syncing, override(Patch, "web/a", `{"weight": 1}`), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := laidOf(t, tt.text).With(tt.with)
			if len(r.Problems()) > 0 || r.Hard() != tt.hard {
				t.Errorf("hard %t, want %t; problems %v", r.Hard(), tt.hard, r.Problems())
			}
		})
	}
}

// TestLayingAgainBackendFirst: what came for the backends of a service before the set that makes it is laid over that.
func TestLayingAgainBackendFirst(t *testing.T) {
	doc := mustParse(underneath)
	layers, finished := []Layer{{Document: doc, Sound: doc}}, 0
	finish := func(d *Desired) (*Desired, error) {
		finished = len(d.Services)
		return d, nil
	}
	var g Layering
	g.Lay(layers, nil, finish)
	out := g.Lay(layers, []Override{
		override(Set, "new/a", `{"host": "10.3.0.1"}`), override(Patch, "new/b", `{"weight": 1}`), override(Hide, "new/c", ""),
		override(Set, "new", `{"host": "10.0.0.3", "port": 80}`),
	}, finish)
	if s := out.Desired.Service("new"); finished != 1 || s == nil || len(s.Backends) != 1 {
		t.Errorf("%d services are laid again, and the new one is %+v", finished, s)
	}
	if !slices.Equal(out.Dangling, []int{1}) || !slices.Equal(out.Idle, []int{2}) || len(out.Invalid) > 0 {
		t.Errorf("dangling %v, idle %v, invalid %v", out.Dangling, out.Idle, out.Invalid)
	}
}

// TestLayingAgainSwapped has two services change their addresses with each other: both addresses are taken then, too.
func TestLayingAgainSwapped(t *testing.T) {
	doc := mustParse(underneath + "[services.third]\nhost = '10.0.0.3'\nport = 80\n")
	layers, finished := []Layer{{Document: doc, Sound: doc}}, 0
	finish := func(d *Desired) (*Desired, error) {
		finished = len(d.Services)
		return d, nil
	}
	var g Layering
	g.Lay(layers, nil, finish)
	swap := []Override{
		override(Patch, "mail", `{"host": "10.0.0.1", "port": 80}`), override(Patch, "web", `{"host": "10.0.0.2", "port": 25}`),
	}
	if out := g.Lay(layers, swap, finish); out.Desired == nil || len(out.Invalid) > 0 || finished != 2 {
		t.Fatalf("%d services are laid again: %v", finished, out)
	}
	for _, at := range []string{`{"host": "10.0.0.1", "port": 80}`, `{"host": "10.0.0.2", "port": 25}`} {
		if !g.Laid().With(override(Patch, "third", at)).Hard() {
			t.Errorf("%s is taken, and nobody minds", at)
		}
	}
	if r := g.Laid().With(override(Patch, "third", `{"port": 81}`)); r.Hard() {
		t.Error("what is free is said to be taken")
	}
}

// heavy is the backends of a service, each of which is warned of for its weight, or for its pulse.
func heavy(n int, field string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `%s"b%03d": {"host": "10.1.0.%d", "port": 80, %s}`, strings.Repeat(", ", min(i, 1)), i, i+1, field)
	}
	return fmt.Sprintf(`"backends": {%s}`, b.String())
}

// TestWithWarningsAreBounded: there are no more of them than of those of a document, however many come.
func TestWithWarningsAreBounded(t *testing.T) {
	for _, tt := range []struct {
		name, field       string
		before, add       int
		want, wantOnLinux int // "and 20 more" is one
	}{
		{"weights", `"weight": 70000`, 60, 60, 100, 101},
		{"weights, and there are too many already", `"weight": 70000`, 120, 60, 101, 101},
		{"pulses", `"pulse": {"type": "tcp", "timeout": "2m"}`, 60, 60, 100, 100},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := `{"services": {"a": {"host": "10.0.0.1", "port": 80, ` + heavy(tt.before, tt.field) + `}}}`
			doc, err := Decode("x", JSON, []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			var g Layering
			g.Lay([]Layer{{Document: doc, Sound: doc}}, nil, nil)
			r := g.Laid().With(override(Set, "b", `{"host": "10.0.0.2", "port": 80, `+heavy(tt.add, tt.field)+`}`))
			if r.Hard() || len(r.Problems()) > 0 {
				t.Fatalf("hard %t, problems %v", r.Hard(), r.Problems())
			}
			d := r.Desired()
			if len(d.Warnings) != tt.want || len(d.WarningsOn("6.1.0")) != tt.wantOnLinux {
				t.Errorf("%d warnings, and %d on a kernel; want %d and %d", len(d.Warnings), len(d.WarningsOn("6.1.0")), tt.want, tt.wantOnLinux)
			}
		})
	}
}

// TestLaidBesideMany: beside more than a hundred overrides that are set aside nothing is laid again, as each may be right then.
func TestLaidBesideMany(t *testing.T) {
	doc := mustParse(underneath)
	for n, want := range map[int]bool{maxSetAside: true, maxSetAside + 1: false} {
		var aside []Override
		for i := range n {
			aside = append(aside, override(Patch, fmt.Sprintf("s%d", i), `{"port": "x"}`))
		}
		var g Layering
		out := g.Lay([]Layer{{Document: doc, Sound: doc}}, aside, nil)
		if len(out.Invalid) != n || (g.Laid() != nil) != want {
			t.Errorf("%d of %d are set aside, and Laid is there: %t", len(out.Invalid), n, g.Laid() != nil)
		}
	}
}

// ending is an override that ends.
func ending(o Override) Override {
	o.Until = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
	return o
}

// TestWithBeneathWhatEnds: what lasts is tried beneath what ends, be that there already or tried before it.
func TestWithBeneathWhatEnds(t *testing.T) {
	lasts, ends := override(Patch, "web", `{"port": 81}`), ending(override(Patch, "web", `{"port": 82}`))
	for name, r := range map[string]*Relaid{
		"is there":     laidOf(t, underneath, ends).With(lasts),
		"tried before": laidOf(t, underneath).With(ends, lasts),
		"tried after":  laidOf(t, underneath, lasts).With(lasts, ends),
	} {
		if _, now := r.Service("web"); now == nil || now.Port != 82 {
			t.Errorf("%s: %+v", name, now)
		}
	}
}

// TestWithOthersIsHard: which of several overrides is wrong with the rest only the whole tells.
func TestWithOthersIsHard(t *testing.T) {
	wrong := override(Patch, "web", `{"flags": "mh-port"}`) // that is of another scheduler
	if r := laidOf(t, underneath).With(wrong); r.Hard() || len(r.Problems()) == 0 {
		t.Errorf("alone: hard %t, problems %v", r.Hard(), r.Problems())
	}
	if r := laidOf(t, underneath, override(Patch, "web/a", `{"weight": 1}`)).With(wrong); !r.Hard() {
		t.Error("beside another override it is said which is wrong")
	}
}

// TestLayingAgainBeneathWhatEnds: one more that lasts, or one less, has no others laid again that come after it because they end.
func TestLayingAgainBeneathWhatEnds(t *testing.T) {
	doc, finished := mustParse(underneath), 0
	layers := []Layer{{Document: doc, Sound: doc}}
	finish := func(d *Desired) (*Desired, error) {
		finished = len(d.Services)
		return d, nil
	}
	mail, ends := override(Patch, "mail", `{"port": 26}`), ending(override(Patch, "mail", `{"port": 27}`))
	var g Layering
	g.Lay(layers, []Override{mail, ends}, finish)
	for _, list := range [][]Override{{mail, override(Patch, "web", `{"port": 81}`), ends}, {mail, ends}} {
		if g.Lay(layers, list, finish); finished != 1 {
			t.Errorf("%v: %d services are laid again", list, finished)
		}
	}
}
