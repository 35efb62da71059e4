package spec

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// TestCost checks small documents whose checking once took memory far beyond their size.
func TestCost(t *testing.T) {
	cpulist := func(text string) []string {
		return []string{"[ipvs.sysctl]\nest_cpulist = \"" + text + "\"\n"}
	}
	for name, tt := range map[string]struct {
		docs []string
		most uint64 // MiB
	}{
		"processors that are listed again": {cpulist(strings.Repeat("0-8191,", 1000) + "0-8191"), 4},
		"many documents":                   {many(3000), 120},
	} {
		docs := make([]*Document, len(tt.docs))
		if size := allocated(func() {
			for i, text := range tt.docs {
				docs[i] = decode(t, "gorb.toml", text)
			}
			merge(t, docs...)
		}); size > tt.most<<20 {
			t.Errorf("%s: %d KiB allocated, want at most %d MiB", name, size>>10, tt.most)
		}
	}
}

// TestFlagsAreKeptOnce: those of [defaults.service] are looked at once for every service.
func TestFlagsAreKeptOnce(t *testing.T) {
	doc := decode(t, "gorb.toml", "[defaults.service]\nflags = \""+strings.Repeat("ops|sh-port|", 1000)+"flag-1\"\n")
	if got, want := doc.declared.defaults.service.flags.value, "ops|sh-port|flag-1"; got != want {
		t.Errorf("got %.100q, want %q", got, want)
	}
}

// TestTooManySettings: each name that is not known is compared with those that are.
func TestTooManySettings(t *testing.T) {
	var b strings.Builder
	b.WriteString("[ipvs.sysctl]\n")
	for i := range maxSysctls {
		fmt.Fprintf(&b, "setting_%d = 1\n", i)
	}
	if _, err := Decode("gorb.toml", TOML, []byte(b.String())); err != nil {
		t.Errorf("as many as there may be: %v", err)
	}
	b.WriteString("setting = 1\n")
	const want = "gorb.toml:1: ipvs.sysctl: 1001 settings are over 1000, and no kernel has as many"
	if _, err := Decode("gorb.toml", TOML, []byte(b.String())); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// many are n documents with a service each.
func many(n int) []string {
	docs := make([]string, n)
	for i := range docs {
		docs[i] = fmt.Sprintf("[services.s%d]\nport = %d\n", i, i+1)
	}
	return docs
}

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestTreeIsNotReadWhole: to say where something of one service stands, what a tree has of the others is not read again.
func TestTreeIsNotReadWhole(t *testing.T) {
	const n = 2000
	parts := make([]*Document, n)
	for i := range parts {
		text := fmt.Sprintf(`{"port": %d}`, i+1)
		d, err := DecodeWith(fmt.Sprint(i), JSON, []byte(text), Options{At: []string{"services", fmt.Sprint("s", i)}})
		if err != nil {
			t.Fatal(err)
		}
		parts[i] = d
	}
	tree, err := Join("tree", parts...)
	if err != nil {
		t.Fatal(err)
	}
	desired := merge(t, tree)
	var fields []Field
	if size := allocated(func() { fields, err = desired.Explain("s7", "") }); size > n*100 {
		t.Errorf("%d KiB allocated, want at most 100 bytes for each of %d", size>>10, n)
	}
	if err != nil || fields[0].Path != "port" || fields[0].From != (Place{Source: "7", Line: 1}) {
		t.Errorf("got %+v, %v", fields, err)
	}
}
