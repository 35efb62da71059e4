package spec

import (
	"fmt"
	"strings"
	"testing"
)

// largest is the largest configuration that gorb is designed for: 200,000 backends in 10,000 services.
func largest(b *testing.B) *Desired {
	b.Helper()
	desired, err := Merge(largestDocument(b))
	if err != nil {
		b.Fatal(err)
	}
	return desired
}

func largestDocument(b *testing.B) *Document {
	b.Helper()
	var text strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&text, "[services.s%d]\nhost=\"10.0.%d.%d\"\nport=80\n", i, i/256, i%256)
		for j := range 20 {
			fmt.Fprintf(&text, "[services.s%d.backends.b%d]\nhost=\"10.1.%d.%d\"\nport=8080\nweight=90\n", i, j, j, i%256)
		}
	}
	d, err := Decode("largest.toml", TOML, []byte(text.String()))
	if err != nil {
		b.Fatal(err)
	}
	return d
}

// BenchmarkLay lays 10,000 overrides: none, all of them good, and all of them bad.
func BenchmarkLay(b *testing.B) {
	doc := largestDocument(b)
	for _, bm := range []struct {
		name string
		n    int
		body string
	}{
		{"without overrides", 0, ""},
		{"with 10000", 10_000, `{"weight": 0, "pulse": {"type": "tcp"}}`},
		{"with 10000 that are set aside", 10_000, `{"host": "::1"}`},
	} {
		var overrides []Override
		for i := range bm.n {
			overrides = append(overrides, Override{Kind: Patch, Service: fmt.Sprintf("s%d", i), Backend: "b3", Body: []byte(bm.body)})
		}
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if Lay([]Layer{{Document: doc}}, overrides, nil).Desired == nil {
					b.Fatal("there is no way to go on")
				}
			}
		})
	}
}

func BenchmarkExplain(b *testing.B) {
	desired := largest(b)
	for b.Loop() {
		if _, err := desired.Explain("s7", "b3"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeAndMerge(b *testing.B) {
	desired := largest(b)
	for _, format := range []Format{TOML, JSON} {
		text, err := Encode(desired.Services, format, "")
		if err != nil {
			b.Fatal(err)
		}
		b.Run(string(format), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				d, err := Decode("x", format, text)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := Merge(d); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkDecodeBad decodes what has one mistake near its end: its line is looked for. A mistake in the syntax is the
// parser's to describe.
func BenchmarkDecodeBad(b *testing.B) {
	text, err := Encode(largest(b).Services, TOML, "")
	if err != nil {
		b.Fatal(err)
	}
	for name, bad := range map[string]string{"value": "weight = -1\n", "twice": "port = 1\n", "syntax": "weight = \n"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Decode("x", TOML, append(text, bad...)); err == nil {
					b.Fatal("no error")
				}
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	desired := largest(b)
	for _, format := range []Format{TOML, JSON} {
		b.Run(string(format), func(b *testing.B) {
			for b.Loop() {
				if _, err := Encode(desired.Services, format, ""); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
