package reconcile

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/probe"
	"github.com/gorb-io/gorb/pkg/spec"
)

// large returns a configuration of many services of 20 backends, all with one weight.
func large(services int, weight uint32) *spec.Desired {
	d := &spec.Desired{Gorb: spec.Gorb{Resync: 30 * time.Second}, Services: make([]spec.Service, services)}
	for i := range d.Services {
		s := spec.Service{
			Name: fmt.Sprintf("service-%05d", i), Host: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), Port: 80,
			Protocol: spec.TCP, Family: spec.IPv4, Method: "wrr", Drain: time.Minute, Pulse: noPulse,
		}
		for j := range 20 {
			s.Backends = append(s.Backends, spec.Backend{
				Name: fmt.Sprintf("backend-%02d", j), Host: netip.AddrFrom4([4]byte{10, byte(j + 1), byte(i >> 8), byte(i)}), Port: 80,
				Weight: weight, Method: spec.NAT,
			})
		}
		d.Services[i] = s
	}
	return d
}

// held returns a wanted table as a kernel that gorb filled would hold it: destinations the other way round.
func held(wanted kernel.Table) kernel.Table {
	t := clone(wanted)
	for _, v := range t {
		for i, j := 0, len(v.Dests)-1; i < j; i, j = i+1, j-1 {
			v.Dests[i], v.Dests[j] = v.Dests[j], v.Dests[i]
		}
	}
	return t
}

func BenchmarkWanted(b *testing.B) {
	d := large(10000, 100)
	b.ReportAllocs()
	for b.Loop() {
		WantedTable(d)
	}
}

// BenchmarkDiff is about the wanted table and the diff together, but for the one change, which is the diff alone.
func BenchmarkDiff(b *testing.B) {
	d := large(10000, 100)
	same := held(WantedTable(d))
	for _, bb := range []struct {
		name     string
		observed kernel.Table
	}{
		{"create", kernel.Table{}},
		{"change-all", held(WantedTable(large(10000, 50)))},
		{"none", same},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Diff(Wanted{Table: WantedTable(d)}, bb.observed)
			}
		})
	}
	b.Run("one", func(b *testing.B) {
		key := KeyOf(&d.Services[5000])
		v := clone(kernel.Table{key: same[key]})[key]
		v.Dests[7].Weight = 50
		wanted, observed := kernel.Table{key: WantedTable(d)[key]}, kernel.Table{key: v}
		b.ReportAllocs()
		for b.Loop() {
			if len(Diff(Wanted{Table: wanted}, observed)) != 1 {
				b.Fatal("not one operation")
			}
		}
	})
}

// BenchmarkDocument is the way from a document's text to the operations that fill an empty table.
func BenchmarkDocument(b *testing.B) {
	services := large(10000, 50).Services
	for i := range services { // shorter names, so that it is under 16 MiB as TOML
		services[i].Name = fmt.Sprintf("web-%05d", i)
		for j := range services[i].Backends {
			services[i].Backends[j].Name = fmt.Sprintf("b%02d", j)
		}
	}
	for _, format := range []spec.Format{spec.TOML, spec.JSON} {
		text, err := spec.Encode(services, format, "")
		if err != nil {
			b.Fatal(err)
		}
		b.Run(string(format), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				doc, err := spec.Decode("x", format, text)
				if err != nil {
					b.Fatal(err)
				}
				d, err := spec.Merge(doc)
				if err != nil {
					b.Fatal(err)
				}
				if len(Diff(Wanted{Table: WantedTable(d)}, kernel.Table{})) != 210000 {
					b.Fatal("not one operation for each object")
				}
			}
		})
	}
}

// BenchmarkDecide is the whole decision of a pass over everything, where there is nothing to do.
func BenchmarkDecide(b *testing.B) {
	d := large(10000, 100)
	m := Memory{Services: owned{}}
	for i := range d.Services {
		m.Services[KeyOf(&d.Services[i])] = Owned{Name: d.Services[i].Name, Drain: time.Minute}
	}
	in := Input{Desired: d, Memory: m, Observed: held(WantedTable(d)), Now: noon, index: newIndex(d, nil)}
	b.ReportAllocs()
	for b.Loop() {
		if !Decide(in).Empty() {
			b.Fatal("there is something to do")
		}
	}
}

// BenchmarkPassOne is a pass that puts right the weight of one backend of 200,000, on Fake.
func BenchmarkPassOne(b *testing.B) {
	d := large(10000, 100)
	fake := kernel.NewFake()
	keeper := NewKeeper(fake, nil, NewStore("", Place{}), Memory{})
	if _, err := keeper.Pass(b.Context(), d, Options{}); err != nil {
		b.Fatal(err)
	}
	key := KeyOf(&d.Services[5000])
	v := WantedTable(d)[key]
	drift := kernel.Op{Kind: kernel.EditDest, Key: key, DestKey: v.Dests[3].DestKey, Dest: kernel.Dest{Weight: 1}}
	scope := map[kernel.ServiceKey]bool{key: true}
	b.ReportAllocs()
	for b.Loop() {
		fake.Apply(b.Context(), []kernel.Op{drift})
		r, err := keeper.Pass(b.Context(), d, Options{Scope: scope})
		if err != nil || len(r.Results) != 1 {
			b.Fatalf("%v, %v", r.Results, err)
		}
	}
}

// BenchmarkPassAll is a pass over everything where there is nothing to do, on Fake: with no backend checked, and with all of
// them, which are up.
func BenchmarkPassAll(b *testing.B) {
	for _, bb := range []struct {
		name  string
		pulse *spec.Pulse
	}{{"unchecked", noPulse}, {"checked", tcpPulse}} {
		b.Run(bb.name, func(b *testing.B) {
			desired := large(10000, 100)
			for i := range desired.Services {
				desired.Services[i].Pulse = bb.pulse
			}
			d := newDirector(nil)
			pass := func() *Report {
				r, err := d.keeper.Pass(b.Context(), desired, Options{})
				if err != nil {
					b.Fatal(err)
				}
				return r
			}
			pass()
			d.keeper.checked.take(d.say(isUp, ""))
			pass()
			b.ReportAllocs()
			for b.Loop() {
				if r := pass(); len(r.Results) > 0 {
					b.Fatal("there was something to do")
				}
			}
		})
	}
}

// BenchmarkFailedCheck is the way from what the engine says of one of 200,000 backends to its weight of 0, on Fake, as the
// loop goes it. Every other time the backend is up again.
func BenchmarkFailedCheck(b *testing.B) {
	desired := large(10000, 100)
	for i := range desired.Services {
		desired.Services[i].Pulse = tcpPulse
	}
	d := newDirector(nil)
	r := New(d.keeper, false, zerolog.Nop())
	r.desired = d.keeper.indexOf(desired)
	r.pass(b.Context(), causeStart)
	hear := func(news []probe.News) {
		r.judged = d.keeper.checked.take(news)
		r.pass(b.Context(), causeHealth)
	}
	hear(d.say(isUp, ""))
	up, down := d.say(isUp, "10.7.19.136:80"), d.say(isDown, "10.7.19.136:80")
	key, backend := KeyOf(&desired.Services[5000]), dest("10.7.19.136:80")
	b.ReportAllocs()
	for b.Loop() {
		hear(down)
		if d, _ := d.Snapshot(key)[key].Dest(backend); d.Weight != 0 {
			b.Fatalf("weight %d", d.Weight)
		}
		hear(up)
	}
}

// BenchmarkReplaceAll declares a configuration in which all backends are others than before.
func BenchmarkReplaceAll(b *testing.B) {
	many := func(octet byte) *index {
		d := &spec.Desired{}
		for i := range 10_000 {
			s := checkedWeb("1:1 2:1 3:1 4:1 5:1 6:1 7:1 8:1 9:1 10:1 11:1 12:1 13:1 14:1 15:1 16:1 17:1 18:1 19:1 20:1").Services[0]
			s.Name, s.Port = fmt.Sprintf("s%04d", i), uint16(1000+i)
			for j := range s.Backends {
				host := s.Backends[j].Host.As4()
				host[2] = octet
				s.Backends[j].Host = netip.AddrFrom4(host)
			}
			d.Services = append(d.Services, s)
		}
		return newIndex(d, nil)
	}
	one, two := many(1), many(2)
	a := newAnswers()
	for b.Loop() {
		c := newChecked(a, a.of, func(string, probe.Counts) {})
		c.declare(one, noon)
		c.declare(two, noon)
	}
}

// BenchmarkSave is what remembering one drain costs among 10,000 services, without the disk.
func BenchmarkSave(b *testing.B) {
	d := large(10000, 100)
	m := Memory{Services: owned{}}
	for i := range d.Services {
		m.Services[KeyOf(&d.Services[i])] = Owned{Name: d.Services[i].Name, Drain: time.Minute}
	}
	key := KeyOf(&d.Services[5000])
	var e encoder
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		m.Services[key] = Owned{Name: fmt.Sprint(i)}
		if _, err := e.encode(here, m); err != nil {
			b.Fatal(err)
		}
	}
}
