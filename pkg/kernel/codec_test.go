package kernel

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math/bits"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestFieldsRoundTrip shows for each table of attributes that what is written reads back as it was, and writes the same
// bytes again.
func TestFieldsRoundTrip(t *testing.T) {
	t.Run("service", testFields(serviceFields))
	t.Run("dest", testFields(destFields))
	t.Run("daemon", testFields(daemonFields))
	t.Run("stats", testFields(statsFields))
	t.Run("timeouts", testFields(timeoutFields))
	t.Run("info", testFields(infoFields))
	t.Run("family", testFields(familyFields))
}

func testFields[T comparable](f fields[T]) func(*testing.T) {
	return func(t *testing.T) {
		// Each field of the struct has its attribute, and each attribute its field.
		known := 0
		for _, field := range f {
			if field.take != nil {
				known++
			}
		}
		if n := reflect.TypeFor[T]().NumField(); n != known {
			t.Errorf("%d fields, %d attributes", n, known)
		}
		rapid.Check(t, func(t *rapid.T) {
			which := attrSet(rapid.Uint32().Draw(t, "which"))
			var all T
			fill(t, reflect.ValueOf(&all).Elem())
			for n := range uint(32) {
				if n >= uint(len(f)) || f[n].put == nil {
					which &^= attrsOf(n)
				}
			}
			c := codec{stats: true}
			b := f.append(nil, &all, which)
			var want, got T
			had, unknown, err := f.decode(b, &want, &c)
			if err != nil || unknown != "" || had != which {
				t.Fatalf("%v, %q; had %b, want %b", err, unknown, had, which)
			}
			if bits.OnesCount32(uint32(which)) == known && want != all {
				t.Fatalf("read %+v, wrote %+v", want, all)
			}
			again := f.append(nil, &want, which)
			if !bytes.Equal(again, b) {
				t.Fatalf("wrote %x, then %x", b, again)
			}
			if _, _, err := f.decode(again, &got, &c); err != nil || got != want {
				t.Fatalf("%v; read %+v, then %+v", err, want, got)
			}
		})
	}
}

// fill draws a value of attributes.
func fill(t *rapid.T, v reflect.Value) {
	v = reflect.NewAt(v.Type(), v.Addr().UnsafePointer()).Elem() // settable, though not exported
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			v.Index(i).SetUint(uint64(rapid.Byte().Draw(t, "byte")))
		}
	case reflect.String:
		v.SetString(rapid.StringMatching(`[a-z0-9_]{0,15}`).Draw(t, "name"))
	case reflect.Uint8:
		v.SetUint(uint64(rapid.Uint8().Draw(t, "number")))
	case reflect.Uint16:
		v.SetUint(uint64(rapid.Uint16().Draw(t, "number")))
	case reflect.Uint32:
		v.SetUint(uint64(rapid.Uint32().Draw(t, "number")))
	case reflect.Uint64:
		v.SetUint(rapid.Uint64().Draw(t, "number"))
	}
}

// TestOpsRoundTrip shows that the message of an operation says what the operation does.
func TestOpsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c codec
		for k, v := range drawTable(t) {
			v.Engine = rapid.SampledFrom([]string{"", "sip"}).Draw(t, "engine")
			op := Op{Kind: EditService, Key: k, Service: v.Service}
			m := mustMessage(t, c.appendOp(nil, 30, 0, 7, op))
			gotKey, got, _, err := c.service(m)
			if err != nil || gotKey != k || got.Service != v.Service || got.Unknown != "" || m.body[0] != cmdSetService {
				t.Fatalf("%v; %s %+v, want %s %+v", err, gotKey, got, k, v.Service)
			}
			for _, d := range v.Dests {
				op := Op{Kind: AddDest, Key: k, DestKey: d.DestKey, Dest: d.Dest}
				m := destOnly(t, mustMessage(t, c.appendOp(nil, 30, 0, 7, op)))
				got, _, err := c.dest(m, k.Family)
				if err != nil || got != d {
					t.Fatalf("%v; %+v, want %+v", err, got, d)
				}
			}
		}
	})
}

// TestDaemonsRoundTrip shows the same of daemons.
func TestDaemonsRoundTrip(t *testing.T) {
	var c codec
	for _, want := range []SyncDaemon{
		{Role: Master, Interface: "eth0"},
		{Role: Backup, Interface: "eth0", ID: 255, MaxLen: 1400, Group: netip.MustParseAddr("224.0.0.81"), Port: 8848, TTL: 1},
		{Role: Backup, Interface: "eth0", Group: netip.MustParseAddr("ff02::81")},
	} {
		m := message{body: appendDaemon(make([]byte, genlSize), want)}
		if got, err := c.daemon(m); err != nil || got != want {
			t.Errorf("%v; %+v, want %+v", err, got, want)
		}
	}
}

// TestGoldenBytes holds some messages as the kernel takes and gives them, on a little-endian machine.
func TestGoldenBytes(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the bytes are those of a little-endian machine")
	}
	var c codec
	for _, tt := range []struct {
		name string
		got  []byte
		want string
	}{
		{
			"add an IPv4 service that is persistent",
			c.appendOp(nil, 0x1e, flagAck, 5, addService(web, Service{"sh", Persistent | Sched1, 300, 0xffffff00, "sip"})),
			`70000000 1e00 0500 05000000 00000000 01010000
			 5c000100 06000100 02000000 06000200 06000000
			 14000300 0a000001 000000000000000000000000 06000400 00500000
			 07000600 73680000 0c000700 09000000 ffffffff 08000800 2c010000 08000900 ffffff00 08000b00 73697000`,
		},
		{
			"delete a mark of IPv6",
			c.appendOp(nil, 0x1e, 0, 6, deleteService(mark6)),
			`28000000 1e00 0100 06000000 00000000 03010000 14000100 06000100 0a000000 08000500 07000000`,
		},
		{
			"edit a GUE tunnel to the other family",
			c.appendOp(nil, 0x1e, 0, 7, editDest(mark4, "[2001:db8::9]:80", Dest{Tunnel, Encap{GUE, RemoteChecksum, 6080}, 100000, 9, 4})),
			`88000000 1e00 0100 07000000 00000000 06010000 14000100 06000100 02000000 08000500 07000000
			 60000200 14000100 20010db8000000000000000000000009 06000200 00500000 08000300 02000000 08000400 a0860100
			 08000500 09000000 08000600 04000000 06000b00 0a000000 05000d00 01000000 06000e00 17c00000 06000f00 02000000`,
		},
		{
			"start a master",
			appendDaemon(nil, SyncDaemon{Role: Master, Interface: "eth0", ID: 3, Port: 8849}),
			`28000300 08000100 01000000 09000200 6574683000000000 08000300 03000000 06000700 91220000`,
		},
	} {
		want, err := hex.DecodeString(strings.Join(strings.Fields(tt.want), ""))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(tt.got, want) {
			t.Errorf("%s:\ngot  %x\nwant %x", tt.name, tt.got, want)
		}
	}
}

// TestUnknown shows that what this package has no word for is said, and neither an error nor left out.
func TestUnknown(t *testing.T) {
	set := func(change func(*serviceAttrs)) func(*codec) (string, error) {
		return func(c *codec) (string, error) {
			a := serviceAttrs{family: uint16(IPv4), protocol: uint16(TCP), addr: [16]byte{10, 0, 0, 1}, port: 80, scheduler: "rr"}
			change(&a)
			b := serviceFields.append(make([]byte, genlSize+attrSize), &a, addrKey|setService)
			k, v, _, err := c.service(message{body: endObject(b, attrService)})
			if k.Addr != web.Addr {
				t.Errorf("the key is %s", k)
			}
			return v.Unknown, err
		}
	}
	put := func(change func(*destAttrs)) func(*codec) (string, error) {
		return func(c *codec) (string, error) {
			a := destAttrs{family: uint16(IPv4), addr: [16]byte{10, 1, 0, 1}, port: 80}
			change(&a)
			b := destFields.append(make([]byte, genlSize+attrSize), &a, destKey|setDest|setTunnel)
			r, _, err := c.dest(message{body: endObject(b, attrDest)}, IPv4)
			if r.DestKey != dest("10.1.0.1:80") {
				t.Errorf("the key is %s", r.DestKey)
			}
			return r.Unknown, err
		}
	}
	raw := func(attrs string) func(*codec) (string, error) {
		return func(c *codec) (string, error) {
			a := destAttrs{family: uint16(IPv4), addr: [16]byte{10, 1, 0, 1}, port: 80}
			b := destFields.append(make([]byte, genlSize+attrSize), &a, destKey)
			r, _, err := c.dest(message{body: endObject(append(b, attrs...), attrDest)}, IPv4)
			return r.Unknown, err
		}
	}
	for _, tt := range []struct {
		name string
		read func(*codec) (string, error)
		want string
	}{
		{"a service", set(func(*serviceAttrs) {}), ""},
		{"HASHED", set(func(a *serviceAttrs) { a.flags[0] = 0x3f }), ""},
		{"a flag", set(func(a *serviceAttrs) { a.flags[0] = 0x43 }), "it has the flags 0x40, which this gorb does not know"},
		{"a protocol", set(func(a *serviceAttrs) { a.protocol = 300 }), "gorb cannot write it: IPVS schedules no protocol(255) (invalid argument)"},
		{"a destination", put(func(*destAttrs) {}), ""},
		{"a forwarding method", put(func(a *destAttrs) { a.forward = 7 }), "it has the forwarding method 7, which this gorb does not know"},
		{"a tunnel", put(func(a *destAttrs) { a.forward, a.tunnelType = 2, 9 }), "it has the tunnel type 9, which this gorb does not know"},
		{"a tunnel's flag", put(func(a *destAttrs) { a.forward, a.tunnelType, a.tunnelPort, a.tunnelFlags = 2, 1, 1, 4 }), "it has the tunnel flags 0x4, which this gorb does not know"},
		{"no tunnel", put(func(a *destAttrs) { a.tunnelType = 9 }), ""},
		{"an attribute", raw("\x08\x00\x11\x00abcd"), "it has the attribute 17, which this gorb does not know"},
		{"a wide weight", raw("\x0c\x00\x04\x00abcdefgh"), "its attribute 4 is 8 bytes long, which this gorb does not know how to read"},
		{"no weight", raw("\x04\x00\x04\x00"), "its attribute 4 is 0 bytes long, which this gorb does not know how to read"},
	} {
		if got, err := tt.read(&codec{}); err != nil || got != tt.want {
			t.Errorf("%s: %q, %v; want %q", tt.name, got, err, tt.want)
		}
	}
}

// TestOldKernels shows what kernels do not say: before 3.18 the family of a destination, before 4.1 64-bit statistics.
func TestOldKernels(t *testing.T) {
	a := destAttrs{addr: web6.Addr.Addr().As16(), port: 80, forward: uint32(Tunnel), stats: Stats{InBytes: 1 << 40}}
	b := destFields.append(make([]byte, genlSize+attrSize), &a, attrsOf(dstAddr, dstPort, dstForward, dstStats))
	got, stats, err := (&codec{stats: true}).dest(message{body: endObject(b, attrDest)}, IPv6)
	want := RealServer{DestKey: dest("[2001:db8::1]:80"), Dest: Dest{Forward: Tunnel}}
	if err != nil || got != want || stats != a.stats {
		t.Errorf("%v; %+v %+v, want %+v %+v", err, got, stats, want, a.stats)
	}
}

// FuzzDecode feeds datagrams to everything that reads them. They may be wrong, but not read beyond; and what was
// understood in full is the same when it is written and read again.
func FuzzDecode(f *testing.F) {
	var c codec
	for _, op := range []Op{
		addService(web, with("wrr", Persistent, 300, 0xffffff00)),
		addService(mark6, rr6),
		addDest(web, "10.1.0.1:80", Dest{Weight: 5, Upper: 9, Lower: 1}),
		editDest(web6, "10.1.0.1:80", Dest{Forward: Tunnel, Encap: Encap{GUE, Checksum, 6080}}),
	} {
		f.Add(c.appendOp(nil, 30, 0, 1, op))
	}
	f.Add(append(make([]byte, 20), appendDaemon(nil, SyncDaemon{Role: Backup, Interface: "lo", Group: netip.MustParseAddr("ff02::81")})...))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = bytes.Clone(b)[:len(b):len(b)]
		c := codec{stats: true}
		for len(b) > 0 {
			m, rest, err := nextMessage(b)
			if err != nil {
				return
			}
			if len(rest) >= len(b) {
				t.Fatal("it does not end")
			}
			b = rest
			_ = m.errno()
			_, _ = c.daemon(m)
			_, _ = c.family(m)
			if k, v, _, err := c.service(m); err == nil && v.Unknown == "" && refuseService(v.Service) == nil {
				op := addService(k, v.Service)
				k2, v2, _, err := c.service(mustMessage(t, c.appendOp(nil, 30, 0, 1, op)))
				if diff := cmp.Diff(v, v2, sameTable); err != nil || k2 != k || diff != "" {
					t.Fatalf("%v; %s then %s (-first +second):\n%s", err, k, k2, diff)
				}
			}
			if r, _, err := c.dest(m, IPv4); err == nil && r.Unknown == "" {
				op := Op{Kind: AddDest, Key: web, DestKey: r.DestKey, Dest: r.Dest}
				r2, _, err := c.dest(destOnly(t, mustMessage(t, c.appendOp(nil, 30, 0, 1, op))), IPv4)
				if r2.Conns = r.Conns; err != nil || r2 != r {
					t.Fatalf("%v; %+v, then %+v", err, r, r2)
				}
			}
		}
	})
}

// mustMessage returns the only message of a datagram.
func mustMessage(t interface{ Fatalf(string, ...any) }, b []byte) message {
	m, rest, err := nextMessage(b)
	if err != nil || len(rest) > 0 {
		t.Fatalf("%v, %d bytes too many", err, len(rest))
	}
	return m
}

// destOnly takes the service off a message about a destination, as the kernel leaves it out of a dump.
func destOnly(t interface{ Fatalf(string, ...any) }, m message) message {
	_, _, rest, err := nextAttr(m.body[genlSize:])
	if err != nil {
		t.Fatalf("%v", err)
	}
	m.body = append(make([]byte, genlSize), rest...)
	return m
}

// endObject makes what stands after a generic netlink header and the header of an attribute the value of that.
func endObject(b []byte, number uint16) []byte { return endAttr(b, genlSize, number) }
