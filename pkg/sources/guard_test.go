package sources

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/gorb-io/gorb/pkg/spec"
)

func TestDoubtful(t *testing.T) {
	tests := []struct {
		gone, all int
		want      bool
	}{
		{0, 0, false},
		{0, 10, false},
		{1, 1, true}, // all of them
		{1, 2, false},
		{3, 4, false}, // fewer than five
		{4, 4, true},
		{4, 5, false},
		{5, 9, true},
		{5, 10, false}, // half is not more than half
		{6, 10, true},
		{50, 100, false},
		{51, 100, true},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%d of %d", tt.gone, tt.all), func(t *testing.T) {
			equal(t, "doubtful", tt.want, doubtful(tt.gone, tt.all))
		})
	}
}

func TestLeaving(t *testing.T) {
	address := func(name, host string, port uint16) spec.Service {
		return spec.Service{Name: name, Protocol: spec.TCP, Host: netip.MustParseAddr(host), Port: port, Family: spec.IPv4}
	}
	mark := func(name string, fwmark uint32, family spec.Family) spec.Service {
		return spec.Service{Name: name, Fwmark: fwmark, Family: family}
	}
	udp := address("dns", "10.0.0.2", 53)
	udp.Protocol = spec.UDP

	from := &spec.Desired{Services: []spec.Service{
		address("web", "10.0.0.1", 80), udp, mark("m4", 7, spec.IPv4), mark("m6", 7, spec.IPv6),
	}}
	tests := map[string]struct {
		to   []spec.Service
		want []string
	}{
		"nothing":        {from.Services, []string{}},
		"renamed":        {[]spec.Service{address("www", "10.0.0.1", 80), udp, mark("x", 7, spec.IPv4), mark("y", 7, spec.IPv6)}, []string{}},
		"another port":   {[]spec.Service{address("web", "10.0.0.1", 81), udp, from.Services[2], from.Services[3]}, []string{}},
		"another family": {[]spec.Service{from.Services[0], udp, from.Services[2]}, []string{"m6"}},
		"another protocol": {
			[]spec.Service{from.Services[0], address("dns", "10.0.0.2", 53), from.Services[2], from.Services[3]},
			[]string{},
		},
		"renamed and moved": {
			[]spec.Service{address("www", "10.0.0.1", 81), udp, from.Services[2], from.Services[3]},
			[]string{"web"},
		},
		"all": {nil, []string{"dns", "m4", "m6", "web"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := examples(leaving(from, &spec.Desired{Services: tt.to}))
			if len(got) == 0 {
				got = []string{}
			}
			equal(t, "leaving", tt.want, got)
		})
	}
}

func TestGuardWaitsForASecondReading(t *testing.T) {
	inBubble(t, []string{config(1, 2, 3)}, func(r *rig) {
		r.want("s1 s2 s3")
		r.say(Reading{}, config())
		r.lines(1, `"leaving":3,"of":3,"services":["s1","s2","s3"]`)
		time.Sleep(defaultWait - time.Nanosecond)
		equal(t, "asked early", false, r.asked(r.files[0].again))
		time.Sleep(time.Nanosecond)
		equal(t, "asked", true, r.asked(r.files[0].again))
		r.want("-")
		r.say(Reading{Same: true, Again: true}, config())
		r.want("")
		time.Sleep(time.Hour)
		equal(t, "asked for nothing", false, r.asked(r.files[0].again))
	})
}

func TestGuardStartsOverWithNewContent(t *testing.T) {
	inBubble(t, []string{config(1, 2, 3)}, func(r *rig) {
		r.want("s1 s2 s3")
		r.say(Reading{}, config())
		time.Sleep(defaultWait)
		equal(t, "asked", true, r.asked(r.files[0].again))
		r.say(Reading{Again: true}, config(7))
		r.want("-")
		// An answer that was on its way does not count.
		r.say(Reading{Again: true, Same: true}, config(7))
		r.want("-")
		time.Sleep(defaultWait)
		equal(t, "asked", true, r.asked(r.files[0].again))
		r.say(Reading{Again: true, Same: true}, config(7))
		r.want("s7")
	})
}

func TestGuardIsOffWhenServicesReturn(t *testing.T) {
	inBubble(t, []string{config(1, 2, 3)}, func(r *rig) {
		r.want("s1 s2 s3")
		r.say(Reading{}, config())
		r.say(Reading{}, config(1, 2))
		r.want("s1 s2")
		r.say(Reading{}, config())
		r.say(Reading{}, config(1, 2))
		r.want("-")
		time.Sleep(time.Hour)
		equal(t, "asked", false, r.asked(r.files[0].again))
	})
}

func TestGuardForgetsWhatWentBad(t *testing.T) {
	inBubble(t, []string{config(1, 2, 3), config(4)}, func(r *rig) {
		r.want("s1 s2 s3 s4")
		r.say(Reading{Layer: 0}, "[services]\n")
		r.want("s4") // three of four are fewer than five
		r.say(Reading{Layer: 1}, config())
		r.say(Reading{Layer: 1, Err: errors.New("torn")}, "")
		r.say(Reading{Layer: 0}, config(5))
		r.want("s4 s5")
		time.Sleep(time.Hour)
		r.want("-")
		r.say(Reading{Layer: 1, Err: errors.New("torn"), Same: true, Asked: true}, "")
		r.want("-")
	})
}

func TestGuardDoesNotWaitWhenAsked(t *testing.T) {
	inBubble(t, []string{config(1, 2, 3)}, func(r *rig) {
		r.want("s1 s2 s3")
		r.say(Reading{Asked: true}, config())
		r.want("")
	})
	inBubble(t, []string{config(1, 2, 3)}, func(r *rig) {
		r.want("s1 s2 s3")
		r.say(Reading{}, config())
		r.want("-")
		r.say(Reading{Same: true, Asked: true}, config()) // nobody waits any longer
		r.want("")
	})
}

func TestGuardTakesOtherLayersAlong(t *testing.T) {
	inBubble(t, []string{config(1, 2, 3, 4, 5, 6), config(7)}, func(r *rig) {
		r.want("s1 s2 s3 s4 s5 s6 s7")
		r.say(Reading{Layer: 0}, config(1))
		for n := range 10 {
			time.Sleep(defaultWait / 10)
			r.say(Reading{Layer: 1}, config(7, 10+n)) // does not begin the wait anew
		}
		r.want("-")
		equal(t, "asked", true, r.asked(r.files[0].again))
		equal(t, "asked the other", false, r.asked(r.files[1].again))
		r.say(Reading{Layer: 0, Same: true, Again: true}, config(1))
		r.want("s1 s19 s7")
	})
}

func TestGuardWaitsForAllWhoRemove(t *testing.T) {
	inBubble(t, []string{config(1, 2, 3), config(4, 5, 6)}, func(r *rig) {
		r.want("s1 s2 s3 s4 s5 s6")
		r.say(Reading{Layer: 0}, config(1))
		r.want("s1 s4 s5 s6")
		r.say(Reading{Layer: 0}, config())
		r.want("s4 s5 s6")
		r.say(Reading{Layer: 0}, config(1))
		r.want("s1 s4 s5 s6")
		r.say(Reading{Layer: 1}, config())
		r.want("s1")
		r.say(Reading{Layer: 0}, config())
		r.want("-")
		time.Sleep(defaultWait)
		equal(t, "asked", true, r.asked(r.files[0].again))
		r.say(Reading{Layer: 0, Same: true, Again: true}, config())
		r.want("")
	})
}
