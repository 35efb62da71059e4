package sources

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// including is a document that includes these patterns.
func including(n int, patterns ...string) string {
	return fmt.Sprintf("include = [\"%s\"]\n%s", strings.Join(patterns, `", "`), config(n))
}

// chain is files of which each includes the next.
func chain(n int) map[string]string {
	files := map[string]string{"gorb.toml": including(0, "1.toml")}
	for i := range n {
		files[fmt.Sprintf("%d.toml", i+1)] = including(i+1, fmt.Sprintf("%d.toml", i+2))
	}
	return files
}

func TestReadIncludes(t *testing.T) {
	tests := map[string]struct {
		files map[string]string
		want  string // the services
		err   string
	}{
		"a wildcard": {map[string]string{
			"gorb.toml": including(1, "conf.d/*.toml"), "conf.d/b.toml": config(3), "conf.d/a.toml": config(2),
			"conf.d/.c.toml": config(4), "conf.d/d.toml~": config(5), "conf.d/e.json": "{", "conf.d/f.toml/g.toml": config(6),
		}, "s1 s2 s3", ""},
		"one file":                {map[string]string{"gorb.toml": including(1, "sub/a.toml"), "sub/a.toml": config(2)}, "s1 s2", ""},
		"relative to the file":    {map[string]string{"gorb.toml": including(1, "sub/a.toml"), "sub/a.toml": including(2, "b.toml"), "sub/b.toml": config(3)}, "s1 s2 s3", ""},
		"up":                      {map[string]string{"gorb.toml": including(1, "sub/a.toml"), "sub/a.toml": including(2, "../b.toml"), "b.toml": config(3)}, "s1 s2 s3", ""},
		"itself":                  {map[string]string{"gorb.toml": including(1, "*.toml"), "a.toml": including(2, "gorb.toml")}, "s1 s2", ""},
		"two ways":                {map[string]string{"gorb.toml": including(1, "*/a.toml", "sub/a.toml"), "sub/a.toml": config(2)}, "", "a wildcard may stand only after the last slash"},
		"twice":                   {map[string]string{"gorb.toml": including(1, "sub/*", "sub/a.toml"), "sub/a.toml": config(2)}, "s1 s2", ""},
		"a wildcard of none":      {map[string]string{"gorb.toml": including(1, "sub/*.toml"), "sub/a.json": "{"}, "s1", ""},
		"no such directory":       {map[string]string{"gorb.toml": including(1, "sub/*.toml")}, "", "/sub/: no such file or directory; DIR/gorb.toml includes it"},
		"no such file":            {map[string]string{"gorb.toml": including(1, "a.toml")}, "", "/a.toml: no such file or directory; DIR/gorb.toml includes it"},
		"a directory":             {map[string]string{"gorb.toml": including(1, "sub"), "sub/a.toml": config(2)}, "", "/sub: is a directory"},
		"unknown ending":          {map[string]string{"gorb.toml": including(1, "sub/*"), "sub/README": ""}, "", "/sub/README: the name ends in none of"},
		"round about":             {map[string]string{"gorb.toml": including(1, "sub/../gorb.toml"), "sub/a": ""}, "s1", ""},
		"too deep":                {chain(10), "", "/9.toml: is included by way of more than 8 files"},
		"defined twice":           {map[string]string{"gorb.toml": including(1, "a.toml"), "a.toml": config(1)}, "", "s1"},
		"what is wrong, together": {map[string]string{"gorb.toml": including(1, "a.toml", "b.toml"), "a.toml": "[services"}, "", "/b.toml: no such file or directory; DIR/gorb.toml includes it\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range tt.files {
				must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
				write(t, filepath.Join(dir, name), text)
			}
			doc, err := Read(t.Context(), filepath.Join(dir, "gorb.toml"), "", nil)
			switch {
			case tt.err == "":
				must(t, err)
				equal(t, "services", tt.want, names(t, doc))
			case err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), dir, "DIR"), tt.err):
				t.Errorf("got %v, want %q", err, tt.err)
			}
		})
	}
}

func TestReadMissingStaysNotExist(t *testing.T) {
	_, err := Read(t.Context(), filepath.Join(t.TempDir(), "gorb.toml"), "", nil)
	equal(t, "not exist", true, errors.Is(err, fs.ErrNotExist))
}

func TestReadStandardInputIncludes(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	write(t, "a.toml", config(2))
	doc, err := Read(t.Context(), "-", "", strings.NewReader(including(1, "a.toml")))
	must(t, err)
	equal(t, "services", "s1 s2", names(t, doc))
}

func TestFileWatchesWhatItIncludes(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	fill(t, dir, map[string]int{"conf.d/a.toml": 2})
	write(t, at("gorb.toml"), including(1, "conf.d/*.toml", "more/b.toml"))
	w := watchFile(t, at("gorb.toml"), document(t, config(1)))
	w.wantErr(t, at("more/b.toml")+": no such file or directory")
	fill(t, dir, map[string]int{"more/b.toml": 3})
	w.settle(t, "s1 s2 s3")
	fill(t, dir, map[string]int{"conf.d/c.toml": 4})
	w.settle(t, "s1 s2 s3 s4")
	replace(t, at("conf.d/a.toml"), config(5))
	w.settle(t, "s1 s3 s4 s5")
	write(t, at("conf.d/a.toml"), "[services")
	w.settleErr(t, at("conf.d/a.toml")+":1:")
	write(t, at("gorb.toml"), including(6, "more/b.toml"))
	w.settle(t, "s3 s6")
	write(t, at("gorb.toml"), config(7))
	w.settle(t, "s7")
}

func TestFileTooManyTogether(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "gorb.toml"), including(1, "sub/*"))
	must(t, os.Mkdir(filepath.Join(dir, "sub"), 0o755))
	for n := range 5 {
		path := filepath.Join(dir, "sub", fmt.Sprintf("%d.json", n))
		write(t, path, "")
		must(t, os.Truncate(path, 16<<20)) // bytes that no disk has: NULs, refused before they are parsed
	}
	_, err := Read(t.Context(), filepath.Join(dir, "gorb.toml"), "", nil)
	if err == nil || !strings.Contains(err.Error(), "made of files that are over 64 MiB together") {
		t.Errorf("got %v", err)
	}
}
