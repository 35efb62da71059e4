package spec

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// anyServices draws services that are complete and valid, as Merge returns them.
func anyServices(t *rapid.T) []Service {
	names := rapid.SliceOfNDistinct(anyName, 0, 5, rapid.ID).Draw(t, "services")
	slices.Sort(names)
	var services []Service
	for i, name := range names {
		services = append(services, anyService(t, name, i))
	}
	return services
}

var anyName = rapid.StringMatching(`[a-zA-Z0-9_:@-][a-zA-Z0-9._:@-]{0,10}`)

// anyService draws a service; i keeps its identity apart from that of others.
func anyService(t *rapid.T, name string, i int) Service {
	s := Service{
		Name:   name,
		Method: rapid.SampledFrom(schedulers).Draw(t, "method"),
		Flags:  Flags(rapid.Uint8Range(0, 7).Draw(t, "flags")),
		Drain:  time.Duration(rapid.Int64Range(0, int64(maxDuration)).Draw(t, "drain")),
		Pulse:  anyPulse(t),
	}
	s.Persistent = time.Second * time.Duration(rapid.SampledFrom([]int64{0, 1, 360, 3600, 2678400}).Draw(t, "persistent"))
	s.Family = rapid.SampledFrom([]Family{IPv4, IPv6}).Draw(t, "family")
	if rapid.Bool().Draw(t, "mark") {
		s.Fwmark = uint32(i) + 8*rapid.Uint32Range(1, 1<<29-1).Draw(t, "fwmark")
	} else {
		s.Protocol = rapid.SampledFrom([]Protocol{TCP, UDP, SCTP}).Draw(t, "protocol")
		s.Host = anyHost(s.Family, i)
		s.HostName = anyHostName(t)
		s.Port = rapid.Uint16().Draw(t, "port")
		if s.Persistent == 0 {
			s.Port = max(s.Port, 1)
		}
	}
	if s.Protocol == UDP || s.Fwmark != 0 {
		s.Flags |= rapid.SampledFrom([]Flags{0, OnePacket}).Draw(t, "ops")
	}
	anyGroups(t, &s)
	s.Engine = rapid.SampledFrom([]string{"", "sip"}).Draw(t, "engine")
	backends := rapid.SliceOfNDistinct(anyName, 0, 4, rapid.ID).Draw(t, "backends")
	slices.Sort(backends)
	for j, name := range backends {
		s.Backends = append(s.Backends, anyBackend(t, &s, name, j))
	}
	return s
}

func anyHostName(t *rapid.T) string {
	return rapid.SampledFrom([]string{"", "web.example", "1.b-c."}).Draw(t, "host name")
}

// anyGroups draws what groups clients.
func anyGroups(t *rapid.T, s *Service) {
	most := uint32(1<<32 - 2)
	if s.Family == IPv6 {
		most = 127
	}
	s.Netmask = rapid.Uint32Range(0, most).Draw(t, "netmask")
	if s.Family == IPv4 && rapid.Bool().Draw(t, "one client") {
		s.Netmask, s.OneClient = 0, true
	}
}

func anyBackend(t *rapid.T, s *Service, name string, j int) Backend {
	b := Backend{
		Name:   name,
		Port:   s.Port,
		Weight: rapid.Uint32Range(0, 1<<31-1).Draw(t, "weight"),
		Method: rapid.SampledFrom([]Method{NAT, DR, Tunnel, GUE, GRE}).Draw(t, "forward"),
		Upper:  rapid.Uint32Range(0, 1<<31-1).Draw(t, "upper"),
		Pulse:  anyPulse(t),
	}
	b.Lower = rapid.Uint32Range(0, b.Upper).Draw(t, "lower")
	switch b.Method {
	case GUE:
		b.Tunnel.Port = rapid.Uint16Min(1).Draw(t, "tunnel port")
		b.Tunnel.Checksum = rapid.SampledFrom([]Checksum{NoChecksum, SumChecksum, RemoteChecksum}).Draw(t, "checksum")
	case GRE:
		b.Tunnel.Checksum = rapid.SampledFrom([]Checksum{NoChecksum, SumChecksum}).Draw(t, "checksum")
	}
	family := s.Family
	if b.Method.crossesFamilies() {
		family = rapid.SampledFrom([]Family{IPv4, IPv6}).Draw(t, "other family")
	}
	b.Host, b.HostName = anyHost(family, 1000+j), anyHostName(t)
	if b.Method == NAT || s.Fwmark != 0 {
		b.Port = rapid.Uint16().Draw(t, "rport")
	}
	return b
}

func anyHost(f Family, i int) netip.Addr {
	if f == IPv4 {
		return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
	}
	return netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i+1))
}

func anyPulse(t *rapid.T) *Pulse {
	if rapid.Bool().Draw(t, "no pulse") {
		return nil
	}
	kind := rapid.SampledFrom([]string{PulseNone, PulseTCP, PulseHTTP, PulseHTTPS, PulseExec}).Draw(t, "type")
	if kind == PulseNone {
		return unchecked
	}
	if rapid.Bool().Draw(t, "plain") {
		return pulse(kind, time.Minute, anyArgs(t, kind))
	}
	long := func(least time.Duration, what string) time.Duration {
		return time.Duration(rapid.Int64Range(int64(least), int64(maxDuration)).Draw(t, what))
	}
	p := &Pulse{
		Type: kind, Interval: long(1, "interval"), Timeout: long(1, "timeout"), InitialWait: long(0, "wait"),
		SlowStart: long(1, "slow start"), Args: anyArgs(t, kind),
		Rise:    rapid.IntRange(1, maxRise).Draw(t, "rise"),
		Fall:    rapid.IntRange(1, maxRise).Draw(t, "fall"),
		Window:  rapid.IntRange(1, maxWindow).Draw(t, "window"),
		Backoff: rapid.Float64Range(1, maxBackoff).Draw(t, "backoff"),
		Initial: rapid.SampledFrom([]string{InitialKernel, InitialUp, InitialDown}).Draw(t, "initial"),
		Restore: rapid.SampledFrom([]string{RestoreGradual, RestoreSlowStart, RestoreImmediate}).Draw(t, "restore"),
	}
	p.FastInterval = time.Duration(rapid.Int64Range(1, int64(p.Interval)).Draw(t, "fast"))
	p.MaxInterval = long(p.Interval, "max")
	return p
}

// pulse is one with the defaults of its interval.
func pulse(kind string, interval time.Duration, a Args) *Pulse {
	p := (&declaredPulse{interval: some(interval)}).filled(kind)
	p.Args = a
	return p
}

// anyArgs draws args that a type has. There is always a port: without one not every backend can be checked.
func anyArgs(t *rapid.T, kind string) Args {
	text := rapid.StringMatching(`[ -~é\x{a0}\x{2028}😀\r\n]{0,9}`)
	flag := func(what string) bool { return rapid.Bool().Draw(t, what) }
	a := Args{Port: rapid.Uint16Min(1).Draw(t, "port"), Mark: rapid.Uint32().Draw(t, "mark")}
	if flag("host") {
		a.Host, a.Source = netip.MustParseAddr("2001:db8::7"), netip.MustParseAddr("2001:db8::8")
	}
	switch kind {
	case PulseTCP:
		a.Send = string(rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "send"))
		if a.Expect = text.Draw(t, "expect"); a.Expect == "" {
			a.Regexp = rapid.SampledFrom([]string{"", `^220 \d+`}).Draw(t, "regexp")
		}
	case PulseHTTP, PulseHTTPS:
		a.Method = rapid.SampledFrom([]string{"", "HEAD"}).Draw(t, "method")
		a.Path = rapid.StringMatching(`(/[ -"$&->@-~é😀]*(\?[!-"$&-~]*)?)?`).Draw(t, "path")
		a.Headers = rapid.MapOfN(rapid.SampledFrom([]string{"Accept", "X-Key"}), rapid.StringMatching(`[ -~]*`), 0, 2).
			Draw(t, "headers")
		a.Body, a.ExpectBody = text.Draw(t, "body"), text.Draw(t, "expect body")
		if a.Method == "HEAD" {
			a.ExpectBody = ""
		}
		for from := uint16(100); flag("status"); from += 50 {
			a.Statuses = append(a.Statuses, StatusRange{from, rapid.Uint16Range(from, from+9).Draw(t, "to")})
			if from == 550 {
				break
			}
		}
		a.HTTP2, a.Follow, a.Reuse = flag("http2"), flag("follow"), flag("reuse")
	case PulseExec:
		a.Command = append([]string{"/bin/check"}, rapid.SliceOfN(rapid.StringMatching(`[ -~é]*`), 0, 3).Draw(t, "command")...)
	}
	if kind == PulseHTTPS {
		a.Insecure = flag("insecure")
		a.CAFile = rapid.SampledFrom([]string{"", "/etc/ca.pem"}).Draw(t, "ca")
		a.ServerName = rapid.SampledFrom([]string{"", "www.example"}).Draw(t, "name")
	}
	return a
}

// TestRoundTrip: whatever services there are, they come back from both formats as they went, and JSON is YAML as well.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		services := anyServices(r)
		for _, format := range []Format{TOML, JSON} {
			text, err := Encode(services, format, "")
			if err != nil {
				r.Fatal(err)
			}
			for _, read := range map[Format][]Format{TOML: {TOML}, JSON: {JSON, YAML}}[format] {
				back := mustMerge(r, mustDecode(r, read, text))
				if diff := cmp.Diff(services, back.Services, sameValues); diff != "" {
					r.Fatalf("read as %s (-went +came):\n%s\n%s", read, diff, text)
				}
			}
		}
	})
}

// TestMergeLaws: a document over itself is itself, no document changes nothing, and neighbours may be merged first.
// Layers are made by leaving out fields of drawn services at random, so they overlap everywhere.
func TestMergeLaws(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		layers := make([]declared, 3)
		for i := range layers {
			services := anyServices(r)
			for j := range services {
				services[j].Name = fmt.Sprint(j) // so that layers meet
				for k := range services[j].Backends {
					services[j].Backends[k].Name = fmt.Sprint(k)
				}
			}
			text, err := Encode(services, JSON, "")
			if err != nil {
				r.Fatal(err)
			}
			layers[i] = mustDecode(r, JSON, text).declared
		}
		a, b, c := layers[0], layers[1], layers[2]
		for law, pair := range map[string][2]declared{
			"associative": {c.over(b.over(a)), c.over(b).over(a)},
			"idempotent":  {a.over(a), a},
			"left zero":   {a.over(declared{}), a},
			"right zero":  {declared{}.over(a), a},
		} {
			unexported := cmp.Exporter(func(reflect.Type) bool { return true })
			if diff := cmp.Diff(pair[0], pair[1], unexported, sameValues); diff != "" {
				r.Fatalf("not %s:\n%s", law, diff)
			}
		}
	})
}

func mustDecode(t *rapid.T, f Format, text []byte) *Document {
	d, err := Decode("x", f, text)
	if err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	return d
}

func mustMerge(t *rapid.T, d *Document) *Desired {
	desired, err := Merge(d)
	if err != nil {
		t.Fatalf("%v in:\n%s", err, d.text)
	}
	return desired
}
