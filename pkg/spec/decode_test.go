package spec

import (
	"errors"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// sameValues compares what Desired says, and not the layers that it came from.
var sameValues = cmp.Options{
	cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}),
	cmpopts.IgnoreUnexported(Desired{}),
	cmpopts.EquateEmpty(),
}

func TestFormatOf(t *testing.T) {
	for name, want := range map[string]Format{
		"/etc/gorb/gorb.toml": TOML, "a.json": JSON, "a.toml.json": JSON, "a.TOML": TOML, "a.Json": JSON, "toml": "", "-": "",
		"a.yaml": YAML, "a.YML": YAML, "yml": "", "a.yaml~": "",
	} {
		if got, ok := FormatOf(name); got != want || ok != (want != "") {
			t.Errorf("FormatOf(%q) = %q, %t, want %q", name, got, ok, want)
		}
	}
}

func TestDecodeUnknownFormat(t *testing.T) {
	_, err := Decode("a.ini", "ini", []byte("a=1"))
	if want := `a.ini: "ini" is not a format that gorb reads (toml, json, yaml)`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestEmpty(t *testing.T) {
	tests := []struct {
		format Format
		text   string
		want   bool
	}{
		{TOML, "", true},
		{TOML, "# nothing\n\n", true},
		{TOML, utf8BOM, true},
		{TOML, "[services]\n", false},
		{TOML, "[gorb]\n", false},
		{JSON, "{}", true},
		{JSON, utf8BOM + " {} ", true},
		{JSON, `{"services": {}}`, false},
		{YAML, "", true},
		{YAML, "# nothing\n---\n", true},
		{YAML, utf8BOM + "{}", true},
		{YAML, "services: {}", false},
	}
	for _, tt := range tests {
		d, err := Decode("x", tt.format, []byte(tt.text))
		if err != nil || d.Empty() != tt.want || d.Name() != "x" {
			t.Errorf("Decode(%q): Empty is not %t (%v)", tt.text, tt.want, err)
		}
	}
}

func TestByteOrderMark(t *testing.T) {
	for format, text := range map[Format]string{
		TOML: "[services.web]\nport = 0x50\n",
		JSON: `{"services":{"web":{"port":80}}}`,
		YAML: "services: {web: {port: 0x50}}",
	} {
		d, err := Decode("x", format, []byte(utf8BOM+text))
		if err != nil {
			t.Fatal(err)
		}
		desired, err := Merge(d)
		if err != nil || desired.Services[0].Port != 80 {
			t.Errorf("%s: %v, %v", format, desired, err)
		}
	}
}

func TestFull(t *testing.T) {
	got, err := load(t, "full.toml")
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddr
	ready := func(interval time.Duration, a Args) *Pulse {
		a.Path = "/ready"
		return pulse(PulseHTTP, interval, a)
	}
	want := &Desired{
		Gorb: Gorb{
			Listen: "127.0.0.1:4672", Interface: "bond0", Resync: time.Minute, VIP: VIPInterface{Name: "gorb0", Create: true},
			StartTimeout: time.Minute,
		},
		Consul: Consul{
			Address: "https://127.0.0.1:8501", Register: true, TokenFile: "/etc/gorb/token", CAFile: "/etc/gorb/ca.pem",
			Name: "{{.Name}}-{{ .Port }}-{{.Protocol}}", Tags: []string{"lb", "ipvs"}, Meta: map[string]string{"team": "net"},
			WarnBelow: 50, DeregisterAtExit: true,
		},
		API:   API{Anonymous: true},
		Probe: Probe{MaxExec: 8, MaxChecks: 500, Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::1/128")}},
		IPVS: IPVS{
			Timeouts: Timeouts{TCP: 15 * time.Minute, TCPFin: 2 * time.Minute, UDP: 744 * time.Hour},
			Sysctls: map[string]string{
				"conntrack": "1", "drop_entry": "2", "est_cpulist": "0-3,8", "sync_threshold": "3 50",
				"not_in_every_kernel": "a b",
			},
			Master: &SyncDaemon{Interface: "bond0", ID: 255, MaxLen: 65487, Group: addr("ff02::81"), Port: 65535, TTL: 255},
			Backup: &SyncDaemon{Interface: "bond1", Group: addr("224.0.0.81"), Port: 8848, TTL: 1},
		},
		Services: []Service{
			{
				Name: "dns", Port: 53, Protocol: UDP, Method: "wlc", Flags: OnePacket, Persistent: 10 * time.Minute,
				Netmask: 0xffffff00, Engine: "sip", Drain: 90 * time.Second, Pulse: unchecked,
				Backends: []Backend{
					{Name: "a", Host: addr("10.1.0.3"), Port: 53, Weight: 10, Method: Tunnel},
					{
						Name: "b", Host: addr("10.1.0.4"), Port: 53, Weight: 10, Method: GUE, Upper: 1000, Lower: 800,
						Tunnel: Encap{Port: 6080, Checksum: RemoteChecksum},
					},
					{
						Name: "c", Host: addr("10.1.0.5"), Port: 53, Weight: 10, Method: GRE, Upper: 1000, Lower: 800,
						Tunnel: Encap{Checksum: SumChecksum},
					},
					{
						Name: "d", Host: addr("10.1.0.6"), Port: 53, Weight: 1<<31 - 1, Method: Tunnel, Upper: 1000, Lower: 800,
					},
				},
			},
			{
				Name: "every", Host: addr("2001:db8::1"), Protocol: SCTP, Family: IPv6, Method: "wlc",
				Persistent: maxDuration, Drain: 90 * time.Second, Pulse: unchecked,
				Backends: []Backend{{Name: "a", Host: addr("2001:db8::5"), Weight: 65535, Method: DR, Upper: 1000, Lower: 800}},
			},
			{
				Name: "mark", Fwmark: 1<<32 - 1, Family: IPv6, Method: "wlc", Flags: OnePacket, Persistent: 6 * time.Minute,
				Netmask: 64, Drain: 90 * time.Second, Pulse: ready(10*time.Second, Args{}),
				Backends: []Backend{
					{Name: "a", Host: addr("2001:db8::3"), Weight: 10, Method: Tunnel, Upper: 1000, Lower: 800, Pulse: unchecked},
					{Name: "b", Host: addr("2001:db8::4"), Port: 8080, Weight: 10, Method: NAT, Upper: 1000, Lower: 800},
				},
			},
			{
				Name: "web", Host: addr("10.0.0.1"), Port: 80, Protocol: TCP, Family: IPv4, Method: "sh",
				Flags: Flag1 | Flag2,
				Pulse: ready(5*time.Second, Args{
					Method: "HEAD", Host: addr("10.0.0.2"), Port: 8081, Statuses: []StatusRange{{204, 204}},
				}),
				Backends: []Backend{
					{
						Name: "a", Host: addr("10.1.0.1"), Port: 8080, Weight: 100, Method: NAT, Upper: 1000, Lower: 800,
						Pulse: pulse(PulseTCP, time.Minute, Args{}),
					},
					{
						Name: "b.example:80", Host: addr("2001:db8::2"), Port: 80, Weight: 10, Method: Tunnel, Upper: 1000, Lower: 800,
						Pulse: &Pulse{Type: "none", Interval: time.Minute},
					},
				},
			},
		},
	}
	ignoreWarnings := cmpopts.IgnoreFields(Desired{}, "Warnings")
	if diff := cmp.Diff(want, got, sameValues, ignoreWarnings); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	wantWarnings := `full.toml:23: ipvs.sysctl.not_in_every_kernel: gorb knows no such setting; it is written as it is, ` +
		`where the kernel has it
full.toml:25: ipvs.sync.master: the kernel runs no sync daemon beside a backend of another family than its ` +
		`service's, as "b.example:80" of web is; it refuses whichever comes second
full.toml:33: ipvs.sync.backup: the kernel runs no sync daemon beside a backend of another family than its ` +
		`service's, as "b.example:80" of web is; it refuses whichever comes second
full.toml:105: services.dns.backends.d.weight: 2147483647 is over 65535: programs that keep 16 bits of a weight read it as 65535`
	if diff := cmp.Diff(wantWarnings, got.Warnings.Error()); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestMinimalJSON(t *testing.T) {
	got, err := load(t, "minimal.json")
	if err != nil {
		t.Fatal(err)
	}
	want := &Desired{
		Gorb: Gorb{
			Listen: ":4672", Interface: "eth0", Resync: 30 * time.Second, StateDir: "/var/lib/gorb",
			Socket: "/run/gorb/gorb.sock", StartTimeout: 30 * time.Second,
		},
		Consul: Consul{Address: "http://127.0.0.1:8500", Name: "{{.Name}}"},
		API:    API{Anonymous: true},
		Probe:  Probe{MaxExec: 64, MaxChecks: 10_000},
		Services: []Service{{
			Name: "web", Host: netip.MustParseAddr("10.0.0.1"), Port: 80, Protocol: TCP, Family: IPv4, Method: "wrr",
			Drain: 5 * time.Minute,
			Backends: []Backend{
				{Name: "a", Host: netip.MustParseAddr("10.1.0.1"), Port: 80, Weight: 100, Method: NAT},
				{
					Name: "b", Host: netip.MustParseAddr("10.1.0.2"), Port: 80, Method: NAT,
					Pulse: pulse(PulseHTTP, time.Minute, Args{Path: "/hé", Statuses: []StatusRange{{200, 200}}}),
				},
			},
		}},
	}
	if diff := cmp.Diff(want, got, sameValues); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// hostileSize is how large most documents of TestHostile are: as large as one from elsewhere may be.
const hostileSize = MaxRemoteSize

// TestHostile feeds documents as large as allowed, each built to make a parser recurse or work in squares. They must
// be decoded or refused in seconds. Those that only keep the TOML parser busy are a quarter as large.
func TestHostile(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("takes half a minute, and minutes under the race detector")
	}
	fill := func(head, unit, tail string) string {
		return head + strings.Repeat(unit, (hostileSize-len(head)-len(tail))/len(unit)) + tail
	}
	numbered := func(size int, head, before, after string) string {
		var b strings.Builder
		b.WriteString(head)
		for n := uint64(0); b.Len() < size-len(before)-len(after)-20; n++ {
			b.WriteString(before + hex(n) + after)
		}
		return b.String()
	}
	for name, doc := range map[string]struct {
		format Format
		text   string
		want   string // in the error; "" is none
	}{
		"toml over size":      {TOML, strings.Repeat("#", MaxSize+1), "is over 67108864"},
		"toml arrays":         {TOML, fill("a = ", "[", ""), "nested over 16 deep"},
		"toml inline tables":  {TOML, fill("a = ", "{a=", ""), "nested over 16 deep"},
		"toml dotted key":     {TOML, fill("a", ".a", "=1"), "nested over 16 deep"},
		"toml header":         {TOML, fill("[a", ".a", "]"), "nested over 16 deep"},
		"toml array header":   {TOML, fill("[[a", ".a", "]]"), "nested over 16 deep"},
		"toml long key":       {TOML, fill("", "a", "=1"), "there is no such key"},
		"toml long string":    {TOML, fill(`a="`, "a", `"`), "there is no such key"},
		"toml long value":     {TOML, fill(`services.web.host="`, "a", `"`), "is a name"},
		"toml digits":         {TOML, fill("a=", "1", ""), "out of range"},
		"toml no newline":     {TOML, fill("a = 1", " ", "= 1"), "expected a top-level item to end"},
		"toml array elements": {TOML, fill("a=[", "1,", "]"), "over 1572864 keys and values"},
		"toml tables in list": {TOML, fill("a=[", "{},", "]"), "over 1572864 keys and values"},
		"toml keys":           {TOML, numbered(hostileSize, "", "", "=1\n"), "over 1572864 keys and values"},
		"toml headers":        {TOML, numbered(hostileSize/4, "", "[services.a", "]\n"), ""},
		"toml long path": {
			TOML, numbered(hostileSize, "["+strings.Repeat("a", 1<<16)+"]\n", "", "=1\n"),
			"the full paths of all keys come to over 128 MiB",
		},
		"toml deep headers":   {TOML, numbered(hostileSize/4, "", "["+strings.Repeat("a.", 14), "]\n"), "there is no such key"},
		"toml unknown keys":   {TOML, numbered(hostileSize/4, "[services.web]\n", "a-long-enough-key-", " = 1\n"), "more"},
		"toml newlines":       {TOML, fill("services.web.port=''\n", "\n", ""), "is a string"},
		"toml comments":       {TOML, fill("services.web.port=''\n", "#\n", ""), "is a string"},
		"json over size":      {JSON, "{}" + strings.Repeat(" ", MaxSize), "is over 67108864"},
		"json arrays":         {JSON, fill("", "[", ""), "nested over 16 deep"},
		"json objects":        {JSON, fill("", `{"":`, ""), "nested over 16 deep"},
		"json array elements": {JSON, fill(`{"a":[1`, ",1", "]}"), "over 1572864 keys and values"},
		"json key twice":      {JSON, fill(`{"a":1`, `,"a":1`, "}"), "over 1572864 keys and values"},
		"json long key":       {JSON, fill(`{"`, "a", `":1}`), "there is no such key"},
		"json long value":     {JSON, fill(`{"services":{"web":{"host":"`, "a", `"}}}`), "is a name"},
		"json digits":         {JSON, fill(`{"services":{"web":{"port":`, "1", `}}}`), "is over 65535"},
		"yaml over size":      {YAML, "a: 1" + strings.Repeat(" ", MaxSize), "is over 67108864"},
		"yaml arrays":         {YAML, fill("", "[", ""), "over 2097152 keys and values"},
		"yaml fewer arrays":   {YAML, strings.Repeat("[", 1<<20), "nested over 16 deep"},
		"yaml lists":          {YAML, strings.Repeat("- ", 1<<20), "nested over 16 deep"},
		"yaml questions":      {YAML, strings.Repeat("? ", 1<<20), "nested over 16 deep"},
		"yaml many elements":  {YAML, "a: [" + strings.Repeat("1,", 1<<20) + "]", "there is no such key"},
		"yaml key twice":      {YAML, strings.Repeat("a: 1\n", 1<<19), "more"},
		"yaml keys":           {YAML, numbered(4<<20, "services:\n", "  web", ": {}\n"), ""},
		"yaml long key":       {YAML, fill("", "a", ": 1"), "there is no such key"},
		"yaml long value":     {YAML, fill("services: {web: {host: ", "a", "}}"), "is a name"},
		"yaml block":          {YAML, strings.Repeat("a: |\n  "+strings.Repeat("x", 4096)+"\n", 1<<10), "twice"},
		"yaml plain lines":    {YAML, "a:\n" + strings.Repeat("  x\n", 1<<20), "there is no such key"},
		"yaml comments":       {YAML, "a: 1\n" + strings.Repeat("  # x\n", 1<<20), "there is no such key"},
		"yaml anchors":        {YAML, "services:\n" + strings.Repeat("  - &a x\n", 1<<18), "more"},
		"yaml aliases":        {YAML, "a: &a [x]\nb:\n" + strings.Repeat("  - *a\n", 1<<18), "more"},
		"yaml documents":      {YAML, strings.Repeat("---\n", 1<<19), "a second document"},
		"yaml digits":         {YAML, fill("services: {web: {port: 1", "1", "}}"), "is a string"},
		"yaml colons":         {YAML, fill("a", ":", ""), "is a key without a value"},
		"yaml tags":           {YAML, strings.Repeat("%TAG !a! b\n", 1<<18), "directive"},
		"yaml escapes":        {YAML, fill("services: {web: {host: \"", "\\u0041", "\"}}"), "is a name"},
		"json escapes":        {JSON, fill(`{"services":{"web":{"host":"`, `\u0041`, `"}}}`), "is a name"},
	} {
		t.Run(name, func(t *testing.T) {
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			_, err := Decode("x", doc.format, []byte(doc.text))
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			t.Logf("%d bytes, %v, %d MiB allocated", len(doc.text), took, (after.TotalAlloc-before.TotalAlloc)>>20)

			if doc.want == "" {
				if err != nil {
					t.Errorf("%.300v", err)
				}
				return
			}
			var problems Problems
			if !errors.As(err, &problems) || !strings.Contains(err.Error(), doc.want) {
				t.Errorf("got %.300v, want %q in it", err, doc.want)
			}
			if len(problems) > maxProblems+1 || len(problems.Error()) > 100_000 {
				t.Errorf("%d problems in %d bytes is no help", len(problems), len(problems.Error()))
			}
			if took > 30*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// hex is fmt.Sprintf("%x", n), fast.
func hex(n uint64) string {
	const digits = "0123456789abcdef"
	var b [16]byte
	i := len(b)
	for {
		i--
		b[i] = digits[n%16]
		if n /= 16; n == 0 {
			return string(b[i:])
		}
	}
}
