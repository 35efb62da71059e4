package sources

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestADoubtEndsWithoutOneOfThoseInIt has a source that was heard at the same time as a file never confirm anything.
func TestADoubtEndsWithoutOneOfThoseInIt(t *testing.T) {
	onStage(t, nil, func(s *stage) {
		s.begin(config(1, 2), config(20))
		s.say(Reading{Layer: 1}, config(1, 2, 3))
		s.say(Reading{Layer: 0}, config()) // judged together
		s.want("s1 s100 s2 s20")
		time.Sleep(defaultWait)
		equal(t, "asked", true, s.asked(s.files[0].again) && s.asked(s.remotes[0].again))
		s.say(Reading{Layer: 0, Same: true, Again: true}, config())
		s.say(Reading{Layer: 1, Again: true, Err: errors.New("no route")}, "")
		equal(t, "asked once more", true, s.asked(s.files[0].again))
		s.say(Reading{Layer: 0, Same: true, Again: true}, config())
		s.want("s1 s2 s20")
	})
}

func TestADoubtEndsWhenASourceIsDeclaredAnew(t *testing.T) {
	declaring(t, func(s *stage, tr *troupe) {
		s.say(Reading{Layer: 0}, config(100)+declareAbove)
		s.say(Reading{Layer: tr.layer["above"]}, config(1))
		s.want("s1 s100")
		s.say(Reading{Layer: tr.layer["above"]}, config(1, 2))
		s.say(Reading{Layer: tr.layer["above"]}, config(1, 3))
		s.say(Reading{Layer: 0}, config()+declareAbove) // judged with what is above
		s.want("s1 s100 s2")
		s.say(Reading{Layer: 0}, config()+declareAbove+"interval = \"10s\"\n")
		s.want("-")
		time.Sleep(defaultWait)
		equal(t, "asked", true, s.asked(s.files[0].again))
		s.say(Reading{Layer: 0, Same: true, Again: true}, config()+declareAbove+"interval = \"10s\"\n")
		s.want("s1 s3")
	})
}

// TestReloadingAgainAndAgain has somebody ask all the time while one source does not answer.
func TestReloadingAgainAndAgain(t *testing.T) {
	onStage(t, nil, func(s *stage) {
		s.begin(config(1), config(20))
		s.want("s1 s100 s20")
		for range 5 {
			must(t, s.layers.Reload())
			s.say(Reading{Layer: 1, Asked: true}, config(1, 2))
			time.Sleep(gathering / 4)
		}
		s.want("s1 s100 s2 s20")
	})
}

func TestANameThatIsFreeAgain(t *testing.T) {
	const sub = "[[sources]]\nurl = \"sub.toml\"\nname = \"sub\"\n"
	declaring(t, func(s *stage, tr *troupe) {
		s.say(Reading{Layer: 0}, config(100)+sub+declareAbove)
		s.say(Reading{Layer: tr.layer["above"]}, config(1))
		s.say(Reading{Layer: tr.layer["sub"]}, config(2)+strings.Replace(declareAbove, "a.example", "c.example", 1))
		s.want("s1 s100 s2")
		s.lines(1, "another source has the name")
		equal(t, "opened", 2, len(tr.opened))
		s.say(Reading{Layer: 0}, config(100)+sub)
		synctest.Wait()
		equal(t, "opened", 3, len(tr.opened))
		s.say(Reading{Layer: tr.layer["above"]}, config(1))
		s.want("s1 s100 s2")
	})
}
