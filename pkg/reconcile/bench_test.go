package reconcile

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/spec"
)

// large returns a configuration of many services of 20 backends, all with one weight.
func large(services int, weight uint32) *spec.Desired {
	d := &spec.Desired{Gorb: spec.Gorb{Resync: 30 * time.Second}, Services: make([]spec.Service, services)}
	for i := range d.Services {
		s := spec.Service{
			Name: fmt.Sprintf("service-%05d", i), Host: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), Port: 80,
			Protocol: spec.TCP, Family: spec.IPv4, Method: "wrr", Drain: time.Minute,
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
		wanted, observed := kernel.Table{key: declared(&d.Services[5000])}, kernel.Table{key: v}
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
	in := Input{Desired: d, Memory: m, Observed: held(WantedTable(d)), Now: noon, index: newIndex(d)}
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
	v := declared(&d.Services[5000])
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
