package spec

import (
	"fmt"
	"strings"
	"testing"
)

// largest is the largest configuration that gorb is designed for: 200,000 backends in 10,000 services.
func largest(b *testing.B) *Desired {
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
	desired, err := Merge(d)
	if err != nil {
		b.Fatal(err)
	}
	return desired
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
