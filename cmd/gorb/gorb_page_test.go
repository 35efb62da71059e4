package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	namedTest = regexp.MustCompile("`(Test[A-Za-z0-9]+)`")
	testFunc  = regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9_]+)\(`)
)

// TestGORBPage: docs/migrating-from-gorb.md has each of GORB's 36 tests and 37 bugs once, with tests of gorb's that exist.
func TestGORBPage(t *testing.T) {
	text, err := os.ReadFile("../../docs/migrating-from-gorb.md")
	if err != nil {
		t.Fatal(err)
	}
	there := make(map[string]bool)
	err = filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && path != "../.." && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, name := range testFunc.FindAllSubmatch(source, -1) {
			there[string(name[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range namedTest.FindAllStringSubmatch(string(text), -1) {
		if !there[name[1]] {
			t.Errorf("there is no %s", name[1])
		}
	}
	for _, table := range []struct {
		prefix string
		rows   int
	}{{"", 36}, {"B", 37}} {
		for i := range table.rows {
			row := regexp.MustCompile(fmt.Sprintf("(?m)^\\| %s%d \\| .* \\| `Test", table.prefix, i+1))
			if n := len(row.FindAllIndex(text, -1)); n != 1 {
				t.Errorf("row %s%d is there %d times", table.prefix, i+1, n)
			}
		}
	}
}
