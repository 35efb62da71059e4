package sources

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"github.com/gorb-io/gorb/pkg/spec"
)

// goodCopy is a copy of one part.
func goodCopy(source, text string) GoodCopy {
	return GoodCopy{
		Source: source, Version: `W/"1"`, At: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
		Parts: []Part{{Name: source, Format: spec.TOML, Data: []byte(text)}},
	}
}

func TestLastGood(t *testing.T) {
	dir := t.TempDir()
	l := NewLastGood(dir)
	_, err := l.Load("https://a/")
	equal(t, "none yet", "last good copy of https://a/: file does not exist", fmt.Sprint(err))
	equal(t, "none yet", true, errors.Is(err, fs.ErrNotExist))
	must(t, l.Prune(nil))

	c := goodCopy("consul://h/gorb/", "")
	c.Parts = []Part{
		{Name: "services/web", Format: spec.JSON, At: []string{"services", "web"}, Data: []byte("{\n}")},
		{Name: "empty", Format: spec.TOML, Data: []byte{}},
		{Name: "services/b", Format: spec.TOML, At: []string{"services", "b"}, Data: []byte("port = 1\n")},
	}
	must(t, l.Save(c))
	must(t, l.Save(goodCopy("https://a/", "x = 1")))
	for _, l := range []*LastGood{l, NewLastGood(dir)} {
		got, err := l.Load(c.Source)
		must(t, err)
		equal(t, "copy", c, got)
	}
	for path, mode := range map[string]fs.FileMode{l.dir: fs.ModeDir | 0o700, l.path(c.Source): 0o600} {
		info, err := os.Stat(path)
		must(t, err)
		equal(t, "mode", mode, info.Mode())
	}
}

func TestLastGoodIsWrittenWhenItIsOther(t *testing.T) {
	dir := t.TempDir()
	l := NewLastGood(dir)
	c := goodCopy("a", "x = 1")
	stamp := func() os.FileInfo {
		info, err := os.Stat(l.path("a"))
		must(t, err)
		return info
	}
	must(t, l.Save(c))
	first := stamp()
	c.Version, c.At = "2", c.At.Add(time.Hour)
	must(t, l.Save(c))
	equal(t, "the same file", true, os.SameFile(first, stamp()))
	l = NewLastGood(dir)
	_, err := l.Load("a")
	must(t, err)
	must(t, l.Save(c))
	equal(t, "the same file after a restart", true, os.SameFile(first, stamp()))
	c.Parts[0].At = []string{"services"}
	must(t, l.Save(c))
	got, err := l.Load("a")
	must(t, err)
	equal(t, "another", c, got)
	must(t, os.RemoveAll(dir))
	must(t, l.Save(c))
	got, err = l.Load("a")
	must(t, err)
	equal(t, "removed, and written again", c, got)
}

func TestLastGoodThatIsDamaged(t *testing.T) {
	tests := map[string]struct {
		spoil func(t *testing.T, path string)
		want  string
	}{
		"empty": {func(t *testing.T, path string) { write(t, path, "") }, "it is not a copy of gorb's"},
		"cut":   {func(t *testing.T, path string) { must(t, os.Truncate(path, 250)) }, "its checksum is wrong"},
		"newer": {func(t *testing.T, path string) { write(t, path, "gorb-last-good 2 00\n") }, "it was written by another version of gorb"},
		"of another": {func(t *testing.T, path string) {
			data, err := encodeGood(goodCopy("b", "x"))
			must(t, err)
			write(t, path, string(data))
		}, `it is of "b"`},
		"huge":      {func(t *testing.T, path string) { must(t, os.Truncate(path, 1<<40)) }, "it has 1099511627776 bytes"},
		"directory": {func(t *testing.T, path string) { must(t, errors.Join(os.Remove(path), os.Mkdir(path, 0o700))) }, "it is not a file"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			l := NewLastGood(t.TempDir())
			c := goodCopy("a", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")
			must(t, l.Save(c))
			path := l.path("a")
			tt.spoil(t, path)
			_, err := l.Load("a")
			equal(t, "error", "last good copy of a: "+path+" cannot be used: "+tt.want+": what was there is kept as "+path+".damaged",
				fmt.Sprint(err))
			equal(t, "aside", true, errors.Is(err, ErrSetAside))
			_, err = l.Load("a")
			equal(t, "and is gone", true, errors.Is(err, fs.ErrNotExist))
			must(t, l.Save(c))
			got, err := l.Load("a")
			must(t, err)
			equal(t, "new", c, got)
		})
	}
}

func TestLastGoodIsBounded(t *testing.T) {
	l := NewLastGood(t.TempDir())
	c := goodCopy("a", "")
	c.Parts[0].Data = make([]byte, maxGoodData+1)
	equal(t, "error", "last good copy of a: 67108865 bytes in 1 texts are too much to keep (64 MiB, 524288)", fmt.Sprint(l.Save(c)))
}

func TestLastGoodPrune(t *testing.T) {
	l := NewLastGood(t.TempDir())
	must(t, l.Save(goodCopy("a", "1")))
	must(t, l.Save(goodCopy("b", "2")))
	base := filepath.Base(l.path("a"))
	for _, name := range []string{
		base + damagedSuffix, filepath.Base(l.path("b")) + damagedSuffix, "." + base + "123456", // ours
		"README", "." + base + ".swp", "00.good", base + ".orig", // not ours
	} {
		write(t, filepath.Join(l.dir, name), "")
	}
	must(t, l.Prune([]string{"a", "c"}))
	wantFilesIn(t, l.dir, "."+base+".swp", "00.good", "README", base, base+damagedSuffix, base+".orig")
	must(t, l.Save(goodCopy("b", "2")))
	_, err := l.Load("b")
	must(t, err)
}

func TestLastGoodWithoutADirectory(t *testing.T) {
	l := NewLastGood("")
	must(t, l.Save(goodCopy("a", "1")))
	_, err := l.Load("a")
	equal(t, "none", true, errors.Is(err, fs.ErrNotExist))
	must(t, l.Prune(nil))
}

func TestGoodCopyRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := GoodCopy{Source: rapid.String().Draw(t, "source"), At: time.Unix(0, rapid.Int64().Draw(t, "at")).UTC(), Parts: []Part{}}
		for range rapid.IntRange(0, 5).Draw(t, "parts") {
			c.Parts = append(c.Parts, Part{
				Name: rapid.String().Draw(t, "name"), Format: spec.Format(rapid.String().Draw(t, "format")),
				At: rapid.SliceOfN(rapid.String(), 1, 3).Draw(t, "path"), Data: rapid.SliceOf(rapid.Byte()).Draw(t, "data"),
			})
		}
		data, err := encodeGood(c)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeGood(data)
		if err != nil {
			t.Fatal(err)
		}
		if sumOfParts(got.Parts) != sumOfParts(c.Parts) || got.Source != c.Source || !got.At.Equal(c.At) {
			t.Fatalf("want %+v, got %+v", c, got)
		}
	})
}

func FuzzDecodeGood(f *testing.F) {
	data, err := encodeGood(goodCopy("a", "x = 1"))
	if err != nil {
		f.Fatal(err)
	}
	_, rest, _ := bytes.Cut(data, []byte("\n"))
	f.Add(rest)
	f.Add([]byte(`{"parts":[{"size":-1}]}` + "\n"))
	f.Add([]byte(`{"parts":[{"size":9},{"size":9223372036854775807}]}` + "\n123456789"))
	f.Fuzz(func(t *testing.T, rest []byte) {
		data := sealGood(rest)
		c, err := decodeGood(data)
		if err != nil {
			return
		}
		again, err := encodeGood(c)
		if err != nil {
			t.Fatal(err)
		}
		d, err := decodeGood(again)
		if err != nil || sumOfParts(d.Parts) != sumOfParts(c.Parts) {
			t.Fatalf("%+v became %+v, %v", c, d, err)
		}
	})
}

func TestLastGoodKeepsWhatWasBefore(t *testing.T) {
	dir := t.TempDir()
	l := NewLastGood(dir)
	before := func(want string) {
		t.Helper()
		got, err := NewLastGood(dir).Before("a")
		if want == "" {
			equal(t, "none", true, errors.Is(err, fs.ErrNotExist))
			return
		}
		must(t, err)
		equal(t, "before", want, string(got.Parts[0].Data))
	}
	must(t, l.Hold("a", true)) // there is nothing to keep
	before("")
	for _, text := range []string{"x = 1", "x = 2", "x = 3"} {
		must(t, l.Save(goodCopy("a", text)))
		must(t, l.Hold("a", true))
		before("x = 1")
	}
	must(t, l.Prune([]string{"a"}))
	before("x = 1")
	got, err := l.Load("a")
	must(t, err)
	equal(t, "the newest", "x = 3", string(got.Parts[0].Data))
	must(t, l.Hold("a", false))
	must(t, l.Hold("a", false))
	before("")
	must(t, l.Hold("a", true))
	before("x = 3")
	must(t, l.Prune(nil))
	before("")
}

// TestSaverKeepsTheOrder has a slow disk: of documents in a row only the newest waits, and none is taken for what was before.
func TestSaverKeepsTheOrder(t *testing.T) {
	said := &stage{}
	s := newSaver(zerolog.Nop(), said)
	yes, no := true, false
	for _, o := range []order{
		{save: &Reading{Version: "1"}},
		{save: &Reading{Version: "2"}},
		{hold: &yes},
		{save: &Reading{Version: "3"}},
		{save: &Reading{Version: "4"}},
	} {
		s.put(o)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.run(ctx)
	equal(t, "orders", " 2, true, 4", strings.Join(said.saved, ","))
	said.saved = nil
	for _, o := range []order{{save: &Reading{Version: "5"}}, {hold: &yes}, {save: &Reading{Version: "6"}}, {hold: &no}} {
		s.put(o)
	}
	s.run(ctx)
	equal(t, "orders", " 6, false", strings.Join(said.saved, ","))
}

// TestSaverTriesAgain has a full disk: that is said once, and what was to be written is when there is room.
func TestSaverTriesAgain(t *testing.T) {
	var book logBook
	dir := filepath.Join(t.TempDir(), "state")
	write(t, dir, "it is in the way")
	synctest.Test(t, func(t *testing.T) {
		copies := Copies{NewLastGood(dir)}
		s := newSaver(zerolog.New(&book), copies)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go s.run(ctx)
		s.put(order{name: "a", save: &Reading{Parts: goodCopy("a", "[services]").Parts}})
		time.Sleep(10 * saveRetry)
		must(t, os.Remove(dir))
		time.Sleep(saveRetry)
		synctest.Wait()
		doc, _, err := copies.Load("a")
		must(t, err)
		equal(t, "written", true, doc != nil)
	})
	equal(t, "said", 1, book.count("the last good copy cannot be written"))
}
