package sources

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"github.com/gorb-io/gorb/pkg/spec"
)

// TestStackProperties has a file and two remote sources say anything in any order, as the shell would pass it on. What
// counts is always sound, holds what was said last, and in the end is what was said last and nothing else.
func TestStackProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPlay(t)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			accepting := false
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0:
				p.s.take(p.now, Reading{Layer: p.layer(), Err: errors.New("cut off")})
			case 1:
				accepting = true
				p.s.acceptRemoval(p.now, "1") //nolint:errcheck // there may be nothing to accept
			case 2:
				p.s.reload(p.now, map[string]bool{everything: true})
				p.answer(p.s.byID, Reading{Asked: true, Same: true})
			case 3, 4:
				p.pass(time.Duration(rapid.IntRange(1, 90_000).Draw(t, "ms")) * time.Millisecond)
			case 5:
				if p.s.next != nil {
					p.s.hand(p.now)
				}
			default:
				p.say(p.layer())
			}
			p.check()
			p.checkLeft(accepting)
		}
		p.settle()
	})
}

// play is a stack and what was said to it.
type play struct {
	*rapid.T
	s    *stack
	now  time.Time
	docs [3]*spec.Document

	before  *spec.Desired        // what counted before the step
	missing map[string]time.Time // since when each service has not been said
}

func newPlay(t *rapid.T) *play {
	p := &play{T: t, now: time.Unix(1, 0), missing: make(map[string]time.Time)}
	var tops []Top
	for n := range 3 {
		top := Top{Source: newPlayed(fmt.Sprint(n))}
		if n > 0 {
			top.Decl = spec.SourceDecl{URL: "http://x", MaxRemoval: 50, MaxRemovalFloor: 3}
		}
		tops = append(tops, top)
	}
	p.s = newStack(NewLayers(zerolog.Nop(), tops, nil), p.now)
	p.s.start(p.now)
	for n := range 3 {
		p.say(n)
	}
	return p
}

func (p *play) layer() int { return rapid.IntRange(0, 2).Draw(p.T, "layer") }

// say has a layer say something; its services have numbers of their own, but for a few.
func (p *play) say(layer int) {
	numbers := rapid.SliceOfNDistinct(rapid.IntRange(0, 9), 0, 10, rapid.ID).Draw(p.T, "numbers")
	for i := range numbers {
		if numbers[i] > 1 {
			numbers[i] += 10 * layer
		}
	}
	text := config(numbers...)
	if rapid.IntRange(0, 5).Draw(p.T, "clash") == 0 { // with s1, whoever has it
		text += fmt.Sprintf("[services.clash%d]\nhost = \"10.0.0.1\"\nport = 80\n", layer)
	}
	doc, err := spec.Decode("test.toml", spec.TOML, []byte(text))
	if err != nil {
		p.Fatal(err)
	}
	for n := 10*layer + 2; n < 10*layer+10; n++ {
		name := fmt.Sprint("s", n)
		if since, missed := p.missing[name]; slices.Contains(numbers, n) {
			delete(p.missing, name)
		} else if !missed || since.IsZero() {
			p.missing[name] = p.now
		}
	}
	p.docs[layer] = doc
	p.s.take(p.now, Reading{Layer: layer, Document: doc})
}

// answer has layers say the same again.
func (p *play) answer(layers map[int]*layer, r Reading) {
	for id := range layers {
		r.Layer, r.Document = id, p.docs[id]
		p.s.take(p.now, r)
	}
}

// pass lets time pass, and the layers answer when they are asked.
func (p *play) pass(d time.Duration) {
	end := p.now.Add(d)
	for range 1000 {
		at := p.s.wake()
		if at.IsZero() || at.After(end) {
			p.now = end
			return
		}
		if at.After(p.now) {
			p.now = at
		}
		for _, id := range p.s.ring(p.now) {
			p.s.take(p.now, Reading{Layer: id, Document: p.docs[id], Same: true, Again: true})
		}
	}
	p.Fatal("the stack wants to be called without end")
}

// check looks whether what counts is sound, and complete as far as it is not in doubt.
func (p *play) check() {
	d := p.s.accepted
	if d == nil {
		return
	}
	seen := make(map[identity]bool)
	for i := range d.Services {
		if i > 0 && d.Services[i-1].Name >= d.Services[i].Name {
			p.Fatalf("%s before %s", d.Services[i-1].Name, d.Services[i].Name)
		}
		if id := identityOf(&d.Services[i]); seen[id] {
			p.Fatalf("%+v twice", id)
		} else {
			seen[id] = true
		}
	}
	if p.s.waiting != nil || !p.s.judgeAt.IsZero() || p.s.reloading != nil {
		return
	}
	whole, err := spec.Merge(p.newest()...)
	if err != nil {
		return // one of them is refused, and which is for spec to know
	}
	there := objects(d)
	for o := range objects(whole) {
		if !there[o] {
			p.Fatalf("%+v is declared and not there", o)
		}
	}
}

// checkLeft looks whether more has left a remote source in a step than may, without having been missing for long enough.
// Of the services that several may declare it knows nothing, so it allows for them.
func (p *play) checkLeft(accepting bool) {
	before, after := p.before, p.s.accepted
	p.before = after
	if before == nil || accepting {
		return
	}
	for layer := 1; layer < 3; layer++ {
		all, left := 0, 0
		for n := 10*layer + 2; n < 10*layer+10; n++ {
			name := fmt.Sprint("s", n)
			if !has(before, name) {
				continue
			}
			all++
			if since, missed := p.missing[name]; missed && !has(after, name) && p.now.Sub(since) < leastHold {
				left++
			}
		}
		if limitsOf(p.s.byID[layer].decl).exceeded(left, all+2) {
			p.Fatalf("%d of %d left layer %d at once", left, all, layer)
		}
	}
}

func has(d *spec.Desired, name string) bool {
	return slices.ContainsFunc(d.Services, func(s spec.Service) bool { return s.Name == name })
}

func (p *play) newest() []*spec.Document {
	var docs []*spec.Document
	for _, l := range p.s.layers {
		docs = append(docs, l.newest)
	}
	return docs
}

// settle lets everything that waits end.
func (p *play) settle() {
	for n, doc := range p.docs {
		p.s.take(p.now, Reading{Layer: n, Document: doc})
	}
	p.pass(time.Hour)
	want, err := spec.Merge(p.docs[:]...)
	if err != nil {
		return
	}
	equalNames := slices.EqualFunc(want.Services, p.s.accepted.Services, func(a, b spec.Service) bool { return a.Equal(&b) })
	if !equalNames {
		p.Fatalf("in the end there is %q, want %q", serviceNames(p.s.accepted), serviceNames(want))
	}
	if at := p.s.wake(); !at.IsZero() {
		p.Fatalf("it still waits for something, in %v", at.Sub(p.now))
	}
}
