package sources

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorb-io/gorb/pkg/spec"
)

// write writes overrides, as REST does.
func (s *stage) write(overrides ...spec.Override) {
	s.t.Helper()
	s.overrides = overrides
	s.changed <- struct{}{}
	synctest.Wait()
}

func TestOverridesDoNotWait(t *testing.T) {
	onStage(t, nil, func(s *stage) {
		s.begin(config(1, 2), config(20))
		s.want("s1 s100 s2 s20")
		s.say(Reading{Layer: 1}, config(1, 2, 3))
		s.want("s1 s100 s2 s20 s3")
		began := time.Now()
		s.say(Reading{Layer: 1}, config(1, 2, 4))
		s.say(Reading{Layer: 1}, config(1, 2, 5)) // gathered
		s.write(spec.Override{Kind: spec.Hide, Service: "s2", At: time.Now()})
		equal(t, "services", "s1 s100 s20 s5", serviceNames(<-s.out)) // with what is new
		equal(t, "waited", time.Duration(0), time.Since(began))
		s.write()
		s.want("s1 s100 s2 s20 s5")
	})
}

func TestAnOverrideIsNoRemovalOfASource(t *testing.T) {
	onStage(t, nil, func(s *stage) {
		s.begin(config(1), config(20))
		s.want("s1 s100 s20")
		s.write(spec.Override{Kind: spec.Hide, Service: "s1", At: time.Now()})
		s.want("s100 s20") // all of what the source declares, and nobody holds it
		s.write()
		s.want("s1 s100 s20")
		s.say(Reading{Layer: 1}, config())
		s.want("-")
		equal(t, "held", 1, s.status("one").Held.Count)
		s.write(spec.Override{Kind: spec.Hide, Service: "s1", At: time.Now()})
		s.want("s100 s20")
	})
}

func TestOverridesAreNotHeldUpByDoubt(t *testing.T) {
	onStage(t, nil, func(s *stage) {
		s.say(Reading{Layer: 0}, config(100, 101, 102))
		s.begin(config(1, 2), config(20))
		s.want("s1 s100 s101 s102 s2 s20")
		s.say(Reading{Layer: 0}, config())
		s.want("-")
		s.write(spec.Override{Kind: spec.Hide, Service: "s2", At: time.Now()})
		s.want("s1 s100 s101 s102 s20") // what waits for the file waits on
		time.Sleep(defaultWait)
		equal(t, "asked", true, s.asked(s.files[0].again))
		s.say(Reading{Layer: 0, Again: true, Same: true}, config())
		s.want("s1 s20")
	})
}

func TestStatusOfOverrides(t *testing.T) {
	onStage(t, nil, func(s *stage) {
		s.begin(config(1), config(20))
		s.want("s1 s100 s20")
		at := time.Now()
		s.write(
			spec.Override{Kind: spec.Patch, Service: "gone", Body: []byte(`{"method":"rr"}`), At: at},
			spec.Override{Kind: spec.Set, Service: "bad", Body: []byte(`{"host":"10.0.0.99"}`), At: at},
			spec.Override{Kind: spec.Hide, Service: "nothing", At: at},
		)
		s.want("-")
		status := s.layers.Status()
		equal(t, "dangling", "gone", status.Dangling[0].Service)
		equal(t, "idle", "nothing", status.Idle[0].Service)
		equal(t, "aside", "bad", status.Aside[0].Override.Service)
		s.lines(1, "override set aside")
	})
}
