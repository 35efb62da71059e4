package sources

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestDeciding(t *testing.T) {
	// The temporary directory may itself be behind a link, as on macOS.
	dir, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, d := range []string{"plain", "map/..1", "deep/er", "links"} {
		must(t, os.MkdirAll(at(d), 0o755))
	}
	write(t, at("plain/f"), "")
	write(t, at("map/..1/f"), "")
	must(t, os.Symlink("..1", at("map/..data")))
	must(t, os.Symlink("..data/f", at("map/f")))
	must(t, os.Symlink(at("deep/er"), at("links/abs")))
	must(t, os.Symlink("loop", at("links/loop")))
	must(t, os.Symlink("nowhere/at/all", at("links/dangling")))

	tests := map[string]struct {
		path string
		want []string
	}{
		"a file":                   {"plain/f", []string{"plain"}},
		"not tidy":                 {"plain/.././/plain/f", []string{"plain"}},
		"a missing file":           {"plain/g", []string{"plain"}},
		"a missing directory":      {"none/such/f", []string{""}},
		"a directory":              {"plain", []string{""}},
		"a ConfigMap":              {"map/f", []string{"map", "map/..1"}},
		"dots after a link":        {"links/abs/../f", []string{"deep", "links"}},
		"a loop":                   {"links/loop", []string{"links"}},
		"a link to what is not":    {"links/dangling", []string{"links"}},
		"a file as a directory":    {"plain/f/g", []string{"plain"}},
		"a directory behind links": {"links/abs/f", []string{"deep/er", "links"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var want []string
			for _, w := range tt.want {
				want = append(want, at(w))
			}
			equal(t, "directories", want, deciding(dir+"/"+tt.path))
		})
	}
}

func TestFileSeesEveryWayToChange(t *testing.T) {
	tests := map[string]func(t *testing.T, dir, path, text string){
		"nano: in place": func(t *testing.T, _, path, text string) { write(t, path, text) },
		"sed -i: renamed over": func(t *testing.T, _, path, text string) {
			replace(t, path, text)
		},
		"vim: moved away, written anew": func(t *testing.T, _, path, text string) {
			must(t, os.Rename(path, path+"~"))
			write(t, path, text)
			must(t, os.Remove(path+"~"))
		},
		"emacs: copied away, in place": func(t *testing.T, _, path, text string) {
			old, err := os.ReadFile(path)
			must(t, err)
			write(t, path+"~", string(old))
			write(t, path, text)
		},
		"removed and made": func(t *testing.T, _, path, text string) {
			must(t, os.Remove(path))
			write(t, path, text)
		},
		"hard link": func(t *testing.T, dir, path, text string) {
			write(t, filepath.Join(dir, "other"), text)
			must(t, os.Remove(path))
			must(t, os.Link(filepath.Join(dir, "other"), path))
		},
		"becomes a symbolic link": func(t *testing.T, dir, path, text string) {
			target := filepath.Join(dir, "elsewhere")
			must(t, os.Mkdir(target, 0o755))
			write(t, filepath.Join(target, "g"), text)
			must(t, os.Symlink("elsewhere/g", path+".new"))
			must(t, os.Rename(path+".new", path))
		},
		"directory removed and made": func(t *testing.T, dir, path, text string) {
			must(t, os.RemoveAll(dir))
			must(t, os.Mkdir(dir, 0o755))
			write(t, path, text)
		},
		"directory moved away and made": func(t *testing.T, dir, path, text string) {
			must(t, os.Rename(dir, dir+".old"))
			must(t, os.Mkdir(dir, 0o755))
			write(t, path, text)
		},
		"directory exchanged for a link": func(t *testing.T, dir, path, text string) {
			must(t, os.Mkdir(dir+".new", 0o755))
			write(t, filepath.Join(dir+".new", filepath.Base(path)), text)
			must(t, os.Rename(dir, dir+".old"))
			must(t, os.Symlink(dir+".new", dir))
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "etc")
			must(t, os.Mkdir(dir, 0o755))
			path := filepath.Join(dir, "gorb.toml")
			write(t, path, config(1))
			w := watchFile(t, path, document(t, config(1)))
			w.want(t, "s1")
			change(t, dir, path, config(1, 2))
			w.settle(t, "s1 s2")
			// Wherever it is now, the watching goes on.
			write(t, path, config(3))
			w.settle(t, "s3")
		})
	}
}

func TestFileConfigMap(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "gorb.toml")
	project := func(version, text string) {
		t.Helper()
		must(t, os.Mkdir(filepath.Join(dir, version), 0o755))
		write(t, filepath.Join(dir, version, "gorb.toml"), text)
		must(t, os.Symlink(version, filepath.Join(dir, "..data_tmp")))
		must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	}
	project("..2026_1", config(1))
	must(t, os.Symlink("..data/gorb.toml", path))
	w := watchFile(t, path, document(t, config(1)))
	w.want(t, "s1")
	for n := 2; n < 6; n++ {
		project(fmt.Sprintf("..2026_%d", n), config(n))
		must(t, os.RemoveAll(filepath.Join(dir, fmt.Sprintf("..2026_%d", n-1))))
		w.want(t, fmt.Sprintf("s%d", n))
	}
}

func TestFileBehindLinks(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, d := range []string{"etc", "static", "a", "b"} {
		must(t, os.Mkdir(at(d), 0o755))
	}
	write(t, at("a/g"), config(1))
	write(t, at("b/g"), config(2))
	must(t, os.Symlink(at("a"), at("current")))
	must(t, os.Symlink("../current/../a/g", at("static/gorb.toml")))
	must(t, os.Symlink(at("static/gorb.toml"), at("etc/gorb.toml")))

	w := watchFile(t, at("etc/gorb.toml"), document(t, config(1)))
	w.want(t, "s1")
	replace(t, at("a/g"), config(3))
	w.want(t, "s3")
	must(t, os.Symlink("../current/g", at("static/new")))
	must(t, os.Rename(at("static/new"), at("static/gorb.toml"))) // the same content by another way
	must(t, os.Symlink("b", at("next")))
	must(t, os.Rename(at("next"), at("current")))
	w.want(t, "s2")
	write(t, at("b/g"), config(4))
	w.settle(t, "s4")
}
