package sources

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/gorb-io/gorb/pkg/spec"
)

// troupe opens played sources for declarations.
type troupe struct {
	opened []*played
	layer  map[string]int
}

// declaring runs a test with a file whose declared sources the test plays.
func declaring(t *testing.T, test func(s *stage, tr *troupe)) {
	t.Helper()
	onStage(t, nil, func(s *stage) {
		s.begin(config(), config())
		s.want("s100")
		tr := &troupe{layer: make(map[string]int)}
		s.open = func(d spec.SourceDecl, layer int) (Source, error) {
			if strings.Contains(d.Name, "broken") {
				return nil, errors.New("no such thing")
			}
			p := newPlayed(d.Name)
			tr.opened, tr.layer[d.Name] = append(tr.opened, p), layer
			return p, nil
		}
		test(s, tr)
	})
}

func (tr *troupe) last(t *testing.T) *played {
	t.Helper()
	synctest.Wait()
	if len(tr.opened) == 0 {
		t.Fatal("nothing was opened")
	}
	return tr.opened[len(tr.opened)-1]
}

const (
	declareAbove = "[[sources]]\nurl = \"https://a.example/x\"\nname = \"above\"\n"
	declareBelow = "[[sources]]\nurl = \"https://b.example/x\"\nname = \"below\"\nbelow = true\n"
)

func TestDeclaredSourcesComeAndGo(t *testing.T) {
	declaring(t, func(s *stage, tr *troupe) {
		s.say(Reading{Layer: 0}, config(100)+declareAbove)
		above := tr.last(s.t)
		equal(t, "runs", true, <-above.running)
		s.want("s100")
		equal(t, "incomplete", true, s.layers.Desired().Incomplete) // what it declares may be in the kernel
		s.say(Reading{Layer: tr.layer["above"]}, config(1))
		s.want("s1 s100")
		equal(t, "incomplete", false, s.layers.Desired().Incomplete)

		s.say(Reading{Layer: 0}, config(100)+declareAbove+"interval = \"10s\"\n")
		equal(t, "stopped", false, <-above.running)
		again := tr.last(s.t)
		equal(t, "runs", true, <-again.running)
		s.want("-") // its document stays while it starts anew

		s.say(Reading{Layer: 0}, config(100, 101))
		s.want("s100 s101")
		equal(t, "stopped", false, <-again.running)
		s.say(Reading{Layer: tr.layer["above"]}, config(7))
		s.want("-")
	})
}

func TestDeclaredSourcesStandAboveOrBelow(t *testing.T) {
	weight := func(s *stage) string { return s.layers.Desired().Services[0].Method }
	with := func(method string) string { return "[services.s100]\nmethod = \"" + method + "\"\n" }
	declaring(t, func(s *stage, tr *troupe) {
		s.say(Reading{Layer: 0}, config(100)+"method = \"rr\"\n"+declareBelow+declareAbove)
		s.want("s100")
		s.say(Reading{Layer: tr.layer["below"]}, with("lc"))
		s.want("-")
		equal(t, "the file wins", "rr", weight(s))
		s.say(Reading{Layer: tr.layer["above"]}, with("sh"))
		s.want("s100")
		equal(t, "the source wins", "sh", weight(s))
		s.say(Reading{Layer: 1}, with("dh"))
		s.want("s100")
		equal(t, "the next layer wins", "dh", weight(s))
		var order []string
		for _, status := range s.layers.Status().Sources {
			order = append(order, status.Name)
		}
		equal(t, "order", "below file.toml above one two", strings.Join(order, " "))
	})
}

func TestATruncatedFileDoesNotEndItsSources(t *testing.T) {
	declaring(t, func(s *stage, tr *troupe) {
		s.say(Reading{Layer: 0}, config(100)+declareAbove)
		s.want("s100")
		s.say(Reading{Layer: tr.layer["above"]}, config(1, 2, 3, 4, 5, 6))
		s.want("s1 s100 s2 s3 s4 s5 s6")
		source := tr.last(s.t)
		<-source.running
		s.say(Reading{Layer: 0}, config(100))
		s.want("-") // most would leave: the file is read again
		s.say(Reading{Layer: 0}, config(100)+declareAbove)
		s.want("-")
		select {
		case <-source.running:
			t.Error("it was stopped")
		default:
		}
		equal(t, "opened", 1, len(tr.opened))
	})
}

func TestDeclaredSourcesThatCannotBe(t *testing.T) {
	declaring(t, func(s *stage, tr *troupe) {
		s.say(Reading{Layer: 0}, config(100)+strings.Replace(declareAbove, `"above"`, `"broken"`, 1))
		s.want("s100")
		equal(t, "state", Failing, s.status("broken").State)
		equal(t, "error", "no such thing", s.status("broken").Err)
		s.say(Reading{Layer: 0}, config(100)+strings.Replace(declareAbove, `"above"`, `"one"`, 1))
		s.want("s100")
		s.lines(1, "another source has the name")
		equal(t, "opened", 0, len(tr.opened))
	})
}
