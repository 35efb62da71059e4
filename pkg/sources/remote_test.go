package sources

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

// played is a source that the test plays.
type played struct {
	name         string
	asked, again chan struct{}
	running      chan bool
}

func newPlayed(name string) *played {
	return &played{
		name: name, asked: make(chan struct{}, 1), again: make(chan struct{}, 1), running: make(chan bool, 100),
	}
}

func (p *played) Name() string { return p.name }
func (p *played) Reload()      { trigger(p.asked) }
func (p *played) Confirm()     { trigger(p.again) }

func (p *played) Run(ctx context.Context, _ chan<- Reading) error {
	p.running <- true
	<-ctx.Done()
	p.running <- false
	return nil
}

// stage is a rig with remote sources: "file" is layer 0, "one" and "two" are layers 1 and 2.
type stage struct {
	rig
	remotes   []*played
	memory    map[string]string // what copies of earlier runs there are
	saved     []string
	overrides []spec.Override
	changed   chan struct{}
	open      func(spec.SourceDecl, int) (Source, error)
}

func (s *stage) Load(name string) (*spec.Document, time.Time, error) {
	text, ok := s.memory[name]
	if !ok {
		return nil, time.Time{}, nil
	}
	return document(s.t, text), time.Now().Add(-time.Hour), nil
}

func (s *stage) Save(name string, r Reading) error {
	s.saved = append(s.saved, name+" "+r.Version)
	return nil
}

func (s *stage) Before(name string) (*spec.Document, error) {
	doc, _, err := s.Load(name + " before")
	return doc, err
}

func (s *stage) Hold(name string, held bool) error {
	s.saved = append(s.saved, fmt.Sprintf("%s %v", name, held))
	return nil
}

func (s *stage) Snapshot() ([]spec.Override, uint64) { return s.overrides, 0 }
func (s *stage) Changed() <-chan struct{}            { return s.changed }

// onStage runs a test with a file that says config(100), and remote sources that have said nothing.
func onStage(t *testing.T, memory map[string]string, test func(s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stage{memory: memory, changed: make(chan struct{}, 1)}
		s.t, s.readings, s.out = t, make(chan Reading), make(chan *spec.Desired)
		s.files = []*File{NewFile("file.toml", 0, "", zerolog.Nop(), document(t, config(100)))}
		tops := Tops(s.files...)
		for _, name := range []string{"one", "two"} {
			source := newPlayed(name)
			s.remotes = append(s.remotes, source)
			tops = append(tops, Top{Source: source, Decl: spec.SourceDecl{
				URL: "http://" + name, Name: name, Interval: 30 * time.Second, MaxRemoval: 50, MaxRemovalFloor: 5,
			}})
		}
		s.layers = NewLayers(zerolog.New(&s.log), tops, func(d *spec.Desired) (*spec.Desired, error) {
			return d, s.finish
		})
		s.layers.Copies, s.layers.Overrides = s, s
		s.layers.Open = func(d spec.SourceDecl, layer int) (Source, error) { return s.open(d, layer) }
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			s.layers.loop(ctx, s.readings, s.out)
			close(done)
		}()
		defer func() {
			cancel()
			<-done
		}()
		test(s)
	})
}

// begin has both remote sources deliver.
func (s *stage) begin(one, two string) {
	s.t.Helper()
	s.say(Reading{Layer: 1, Version: "1"}, one)
	s.say(Reading{Layer: 2, Version: "1"}, two)
}

func (s *stage) status(name string) SourceStatus {
	s.t.Helper()
	synctest.Wait()
	for _, status := range s.layers.Status().Sources {
		if status.Name == name {
			return status
		}
	}
	s.t.Fatalf("no status of %s", name)
	panic("unreachable")
}

func some(from, to int) []int {
	var list []int
	for n := from; n <= to; n++ {
		list = append(list, n)
	}
	return list
}

func TestMassRemovalIsHeld(t *testing.T) {
	onStage(t, nil, func(s *stage) {
		s.begin(config(some(1, 10)...), config(20))
		s.want("s1 s10 s100 s2 s20 s3 s4 s5 s6 s7 s8 s9")
		s.say(Reading{Layer: 1}, strings.Replace(config(1, 2, 3, 4, 11), "port = 80", "port = 80\nmethod = \"rr\"", 1))
		s.want("s1 s10 s100 s11 s2 s20 s3 s4 s5 s6 s7 s8 s9") // the addition is there, and nothing left
		equal(t, "edited", "rr", s.layers.Desired().Services[0].Method)
		held := s.status("one").Held
		equal(t, "held", Held{Count: 6, Of: 10, Names: []string{"s10", "s5", "s6", "s7", "s8", "s9"}, Until: held.Until}, held)
		s.say(Reading{Layer: 0}, config(100, 101)) // the others go on
		s.want("s1 s10 s100 s101 s11 s2 s20 s3 s4 s5 s6 s7 s8 s9")

		time.Sleep(time.Until(held.Until) - time.Nanosecond)
		equal(t, "asked early", false, s.asked(s.remotes[0].again))
		time.Sleep(time.Nanosecond)
		equal(t, "asked", true, s.asked(s.remotes[0].again))
		equal(t, "asked the other", false, s.asked(s.remotes[1].again))
		s.say(Reading{Layer: 1, Err: errors.New("cut off"), Again: true}, "")
		s.want("-") // a failure confirms nothing
		s.say(Reading{Layer: 1, Same: true, Again: true}, config(1, 2, 3, 4, 11))
		s.want("s1 s100 s101 s11 s2 s20 s3 s4")
		equal(t, "held", Held{}, s.status("one").Held)
		s.lines(1, "that stays until it is confirmed")
	})
}

func TestHeldRemovalsReturnOrAreAccepted(t *testing.T) {
	onStage(t, nil, func(s *stage) {
		s.begin(config(1, 2, 3), config(20))
		s.want("s1 s100 s2 s20 s3")
		s.say(Reading{Layer: 1}, config())
		s.want("-")
		s.say(Reading{Layer: 1}, config(1, 2))
		s.want("-") // they returned but for one, which nobody has confirmed
		equal(t, "held", 1, s.status("one").Held.Count)
		s.say(Reading{Layer: 1}, config(1, 2, 3))
		s.want("-")
		equal(t, "held", 0, s.status("one").Held.Count)
		s.say(Reading{Layer: 1}, config(1, 2))
		s.want("s1 s100 s2 s20") // one alone is not held

		s.say(Reading{Layer: 1}, config())
		s.want("-")
		equal(t, "unknown", `no source is called "three"`, s.layers.Accept(s.t.Context(), "three").Error())
		equal(t, "nothing", `nothing of source "two" is held`, s.layers.Accept(s.t.Context(), "two").Error())
		must(t, s.layers.Accept(s.t.Context(), "one"))
		s.want("s100 s20")
	})
}

func TestWhatMovesOrIsRenamed(t *testing.T) {
	onStage(t, nil, func(s *stage) {
		s.begin(config(1), config(20))
		s.want("s1 s100 s20")
		s.say(Reading{Layer: 1}, strings.Replace(config(1), "s1]", "x]", 1))
		s.want("s100 s20 x") // renamed, it has not left
		s.say(Reading{Layer: 1}, strings.Replace(config(2), "s2]", "x]", 1))
		s.want("s100 s20 x x@held") // an address that leaves has
		d := s.layers.Desired()
		equal(t, "new", "10.0.0.2", d.Services[2].Host.String())
		equal(t, "old", "10.0.0.1", d.Services[3].Host.String())
		equal(t, "held for", "one", s.layers.HeldFor("x@held", ""))
		equal(t, "held for", "", s.layers.HeldFor("x", ""))
		_, err := s.layers.Explain("x@held", "")
		must(t, err)
	})
}

func TestBackendsAreGuardedToo(t *testing.T) {
	with := func(backends ...int) string {
		text := config(1)
		for _, n := range backends {
			text += fmt.Sprintf("[services.s1.backends.b%d]\nhost = \"10.1.0.%d\"\nweight = %d\n", n, n, n)
		}
		return text
	}
	onStage(t, nil, func(s *stage) {
		s.begin(with(some(1, 9)...), config(20))
		s.want("s1 s100 s20")
		s.say(Reading{Layer: 1}, with(1, 2, 11))
		s.want("s1 s100 s20")
		var got []string
		for _, b := range s.layers.Desired().Services[0].Backends {
			got = append(got, fmt.Sprint(b.Name, "=", b.Weight))
		}
		equal(t, "backends", "b1=1 b11=11 b2=2 b3=3 b4=4 b5=5 b6=6 b7=7 b8=8 b9=9", strings.Join(got, " "))
	})
}

func TestOnlyWhatTheSourceRemovesIsHeld(t *testing.T) {
	onStage(t, nil, func(s *stage) {
		s.begin(config(1, 2), config(1, 20))
		s.want("s1 s100 s2 s20")
		s.say(Reading{Layer: 1}, config(2)) // the other has it still
		s.want("-")
		equal(t, "held", 0, s.status("one").Held.Count)
		// A change of a file that takes everything from a source is for that file's own guard.
		s.say(Reading{Layer: 0, Asked: true}, config(100)+"[defaults.service]\nprotocol = \"udp\"\n")
		s.want("s1 s100 s2 s20")
		equal(t, "held", 0, s.status("one").Held.Count)
	})
}

func TestTheNewestIsRefusedAlone(t *testing.T) {
	const clash = "[services.clash]\nhost = \"10.0.0.1\"\nport = 80\n"
	onStage(t, nil, func(s *stage) {
		s.begin(config(1), config(20))
		s.want("s1 s100 s20")
		s.say(Reading{Layer: 2}, config(21)+clash)
		s.say(Reading{Layer: 1}, config(1, 2))
		s.want("s1 s100 s2 s20")
		s.lines(1, "configuration refused")
		equal(t, "state", Refused, s.status("two").State)
		s.say(Reading{Layer: 0}, config(101, 100))
		s.want("s1 s100 s101 s2 s20")
		s.lines(1, "configuration refused")
		s.say(Reading{Layer: 1}, config(2)+strings.Replace(config(1), "[services]\n", "", 1))
		s.say(Reading{Layer: 2}, config(20, 21))
		s.want("s1 s100 s101 s2 s20 s21")
		s.lines(1, "configuration is good again")
		equal(t, "state", Good, s.status("two").State)
	})
}

// TestWhatFailsIsNotGoodAgain has a source fail while what it said is refused: nobody knows what it would say.
func TestWhatFailsIsNotGoodAgain(t *testing.T) {
	const clash = "[services.clash]\nhost = \"10.0.0.1\"\nport = 80\n"
	onStage(t, nil, func(s *stage) {
		s.begin(config(1), config(20))
		s.want("s1 s100 s20")
		time.Sleep(time.Minute)
		begun := time.Now()
		s.say(Reading{Layer: 2}, config(21)+clash)
		s.want("-")
		s.lines(1, "configuration refused")
		equal(t, "it is refused for longer than that", false, s.status("two").Since.Before(begun))
		s.say(Reading{Layer: 2, Err: errors.New("cut off")}, "")
		s.want("-")
		equal(t, "state", Failing, s.status("two").State)
		s.lines(0, "configuration is good again")
		s.say(Reading{Layer: 2}, config(21)+clash)
		s.want("-")
		s.lines(2, "configuration refused") // it is still so
		s.say(Reading{Layer: 2}, config(20, 21))
		s.want("s1 s100 s20 s21")
		s.lines(1, "configuration is good again")
	})
}

// TestAllRefusalsAreTold has two sources that are refused, of which each has its line.
func TestAllRefusalsAreTold(t *testing.T) {
	const clash = "[services.clash%d]\nhost = \"10.0.0.100\"\nport = 80\n"
	onStage(t, nil, func(s *stage) {
		s.begin(config(1), config(20))
		s.want("s1 s100 s20")
		s.say(Reading{Layer: 1}, config(1)+fmt.Sprintf(clash, 1))
		s.say(Reading{Layer: 2}, config(20)+fmt.Sprintf(clash, 2))
		s.want("-")
		s.lines(2, "configuration refused")
		equal(t, "lines", 2, len(strings.Split(s.layers.Status().Refused, "\n")))
	})
}

func TestStartWaitsForEverySource(t *testing.T) {
	onStage(t, nil, func(s *stage) {
		s.say(Reading{Layer: 1}, config(1))
		s.say(Reading{Layer: 2, Err: errors.New("no route")}, "")
		time.Sleep(defaultStartTimeout - time.Second)
		s.want("-")
		time.Sleep(time.Second)
		s.want("s1 s100")
		equal(t, "incomplete", true, s.layers.Desired().Incomplete)
		equal(t, "status", true, s.layers.Status().Incomplete)
		s.say(Reading{Layer: 1}, config(1, 2))
		s.want("s1 s100 s2") // additions go on
		s.say(Reading{Layer: 2}, config())
		s.want("s1 s100 s2")
		equal(t, "incomplete", false, s.layers.Desired().Incomplete)
		equal(t, "saved", "one  one  two ", strings.Join(s.saved, " "))
	})
}

func TestStartWithLastGoodCopies(t *testing.T) {
	memory := map[string]string{"one": config(some(1, 10)...), "two": config(20)}
	onStage(t, memory, func(s *stage) {
		time.Sleep(grace - between - time.Millisecond)
		s.say(Reading{Layer: 2, Err: errors.New("no route")}, "")
		equal(t, "copied", Failing, s.status("two").State)
		s.want("-") // the grace of the other ends here
		s.want("s1 s10 s100 s2 s20 s3 s4 s5 s6 s7 s8 s9")
		equal(t, "incomplete", false, s.layers.Desired().Incomplete)
		equal(t, "copied", Copied, s.status("one").State)
		s.say(Reading{Layer: 1}, config(1))
		s.want("-") // the guard knows what the copy said
		equal(t, "held", 9, s.status("one").Held.Count)
	})
	onStage(t, memory, func(s *stage) {
		s.begin(config(1), config(20, 21)) // both are in time, and the copies only the measure
		s.want("s1 s10 s100 s2 s20 s21 s3 s4 s5 s6 s7 s8 s9")
		equal(t, "held", 9, s.status("one").Held.Count)
		equal(t, "state", Good, s.status("one").State)
	})
}

func TestFlappingSources(t *testing.T) {
	onStage(t, nil, func(s *stage) {
		s.begin(config(1), config(20))
		s.want("s1 s100 s20")
		ctx, cancel := context.WithCancel(s.t.Context())
		taken, last := 0, ""
		var before time.Time
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				select {
				case <-ctx.Done():
					return
				case d := <-s.out:
					if since := time.Since(before); since < between {
						t.Errorf("handed over after %v", since)
					}
					taken, last, before = taken+1, serviceNames(d), time.Now()
				}
			}
		}()
		for n := range 1000 {
			time.Sleep(10 * time.Millisecond)
			switch n % 2 {
			case 0:
				s.say(Reading{Layer: 1, Err: fmt.Errorf("attempt %d", n)}, "")
			default:
				s.say(Reading{Layer: 1}, config(1, 2+n%7))
			}
			s.say(Reading{Layer: 2}, config(20, 21+n%5))
		}
		time.Sleep(time.Minute)
		cancel()
		<-done
		if taken > 205 || taken < 100 {
			t.Errorf("%d were handed over in 10 s", taken)
		}
		equal(t, "the newest", "s1 s100 s20 s25 s7", last)
		if n := bytes.Count(s.log.Bytes(), []byte(`"level":"`)) - bytes.Count(s.log.Bytes(), []byte(`"level":"debug"`)); n > 100 {
			t.Errorf("%d lines in the log", n)
		}
		if !strings.Contains(s.log.String()[strings.LastIndex(s.log.String(), `"source":"one"`):], "good again") {
			t.Error("the last word on the source is not that it is good")
		}
	})
}

func TestReloadByName(t *testing.T) {
	onStage(t, nil, func(s *stage) {
		s.begin(config(1, 2), config(20))
		s.want("s1 s100 s2 s20")
		equal(t, "unknown", `no source is called "three"`, s.layers.Reload("three").Error())
		must(t, s.layers.Reload("one"))
		equal(t, "asked", true, s.asked(s.remotes[0].asked))
		equal(t, "asked the other", false, s.asked(s.remotes[1].asked))
		s.say(Reading{Layer: 1, Asked: true}, config(1, 2, 3))
		s.want("s1 s100 s2 s20 s3")
		s.say(Reading{Layer: 1, Asked: true}, config())
		s.want("-") // a Reload accepts nothing of a remote source
	})
}

func TestReadingsOfNobody(t *testing.T) {
	onStage(t, nil, func(s *stage) {
		s.begin(config(1), config(20))
		s.say(Reading{Layer: 77}, config(77))
		s.say(Reading{Layer: -1, Err: errors.New("who")}, "")
		s.want("s1 s100 s20")
	})
}

// TestARefusedDocumentConfirmsNothing has the newest document, in which what is held is back, not go with the others.
func TestARefusedDocumentConfirmsNothing(t *testing.T) {
	const clash = "[services.clash]\nhost = \"10.0.0.20\"\nport = 80\n"
	onStage(t, nil, func(s *stage) {
		s.begin(config(1, 2), config(20))
		s.want("s1 s100 s2 s20")
		s.say(Reading{Layer: 1}, config())
		s.want("-")
		s.say(Reading{Layer: 1}, config(1, 2)+clash)
		s.want("-")
		equal(t, "state", Refused, s.status("one").State)
		time.Sleep(time.Until(s.status("one").Held.Until))
		equal(t, "asked", true, s.asked(s.remotes[0].again))
		s.say(Reading{Layer: 1, Same: true, Again: true}, config(1, 2)+clash)
		s.want("-")
		equal(t, "held", 2, s.status("one").Held.Count)
		s.say(Reading{Layer: 1}, config())
		s.want("-") // it has not been so all the time
		time.Sleep(time.Until(s.status("one").Held.Until))
		s.say(Reading{Layer: 1, Same: true, Again: true}, config())
		s.want("s100 s20")
	})
}

// TestAConfirmationIsAskedForOnce has the source be away when it is to confirm what it removed, while others go on.
func TestAConfirmationIsAskedForOnce(t *testing.T) {
	onStage(t, nil, func(s *stage) {
		s.begin(config(1, 2), config(20))
		s.want("s1 s100 s2 s20")
		s.say(Reading{Layer: 1}, config())
		s.want("-")
		until := s.status("one").Held.Until
		time.Sleep(time.Until(until))
		equal(t, "asked", true, s.asked(s.remotes[0].again))
		s.say(Reading{Layer: 1, Again: true, Err: errors.New("no route")}, "")
		s.say(Reading{Layer: 2}, config(20, 21))
		s.want("s1 s100 s2 s20 s21")
		equal(t, "asked again", false, s.asked(s.remotes[0].again))
		s.say(Reading{Layer: 1}, config(3)) // it is back, and what it left out is still left out
		s.want("s100 s20 s21 s3")
	})
}

// TestEverySourceIsSaved has one source with a copy of an earlier run, and one without.
func TestEverySourceIsSaved(t *testing.T) {
	onStage(t, map[string]string{"two": config(20)}, func(s *stage) {
		s.begin(config(1), config(20, 21))
		s.want("s1 s100 s20 s21")
		slices.Sort(s.saved)
		equal(t, "saved", "one 1, two 1", strings.Join(s.saved, ", "))
	})
}

// TestARestartDoesNotEndAHold has gorb end while removals are held: the copy of then has none of them.
func TestARestartDoesNotEndAHold(t *testing.T) {
	memory := map[string]string{"one": config(1), "one before": config(1, 2, 3), "two": config(20)}
	onStage(t, memory, func(s *stage) {
		s.begin(config(1, 4), config(20))
		s.want("s1 s100 s2 s20 s3 s4") // one of them has returned, and the others stay held
		equal(t, "held", 2, s.status("one").Held.Count)
		equal(t, "saved", "one 1, two 1", s.orders())
	})
	onStage(t, memory, func(s *stage) {
		s.begin(config(1, 2, 3, 4), config(20))
		s.want("s1 s100 s2 s20 s3 s4")
		equal(t, "held", 0, s.status("one").Held.Count)
		equal(t, "saved", "one 1, one false, two 1", s.orders())
	})
	memory["one"] = config()
	onStage(t, memory, func(s *stage) {
		s.begin(config(4), config(20))
		s.want("s1 s100 s2 s20 s3 s4")
		equal(t, "held", 3, s.status("one").Held.Count)
		equal(t, "saved", "one 1, two 1", s.orders())
		must(t, s.layers.Accept(s.t.Context(), "one"))
		s.want("s100 s20 s4")
		equal(t, "saved", "one false", s.orders())
	})
	onStage(t, nil, func(s *stage) {
		s.begin(config(1, 2), config(20))
		s.want("s1 s100 s2 s20")
		equal(t, "saved", "one 1, two 1", s.orders())
		s.say(Reading{Layer: 1, Version: "2"}, config(3))
		s.want("s1 s100 s2 s20 s3")
		equal(t, "in this order", "one true,one 2", strings.Join(s.saved, ","))
	})
}

// orders is what was ordered about copies since the last time, sorted.
func (s *stage) orders() string {
	synctest.Wait()
	list := s.saved
	s.saved = nil
	slices.Sort(list)
	return strings.Join(list, ", ")
}
