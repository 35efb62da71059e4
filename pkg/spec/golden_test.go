package spec

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// checkGolden compares with a file in testdata, or writes it.
func checkGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// load decodes and merges files of testdata.
func load(t *testing.T, names ...string) (*Desired, error) {
	t.Helper()
	var docs []*Document
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		format, ok := FormatOf(name)
		if !ok {
			t.Fatalf("%s has no format", name)
		}
		d, err := Decode(name, format, data)
		if err != nil {
			return nil, err
		}
		docs = append(docs, d)
	}
	return Merge(docs...)
}

// decodeFile decodes a file of testdata.
func decodeFile(t *testing.T, name string) *Document {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	format, _ := FormatOf(name)
	d, err := Decode(name, format, data)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestBad holds one file for each mistake; what each must say is in problems.golden.
func TestBad(t *testing.T) {
	files, err := filepath.Glob("testdata/*.bad.*")
	if err != nil || len(files) < 100 {
		t.Fatalf("testdata has %d bad files: %v", len(files), err)
	}
	var got bytes.Buffer
	for _, file := range files {
		_, err := load(t, filepath.Base(file))
		if _, ok := err.(Problems); !ok {
			t.Errorf("%s: the error is %T (%v), not Problems", file, err, err)
			continue
		}
		fmt.Fprintln(&got, err)
	}
	checkGolden(t, "problems.golden", got.Bytes())
}
