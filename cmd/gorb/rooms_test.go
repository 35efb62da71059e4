package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// module is gorb's import path.
const module = "github.com/gorb-io/gorb/"

// rooms says which packages of gorb each may import directly. What is not listed may import nothing of gorb.
var rooms = map[string][]string{
	"cmd/gorb":           {"pkg/spec", "pkg/kernel", "pkg/reconcile", "pkg/probe", "pkg/sources", "pkg/httpapi"},
	"pkg/reconcile":      {"pkg/spec", "pkg/kernel", "pkg/probe"},
	"pkg/probe":          {"pkg/spec"},
	"pkg/sources":        {"pkg/spec"},
	"pkg/httpapi":        {"pkg/spec", "pkg/sources", "pkg/reconcile"},
	"internal/lab/bench": {"internal/lab", "pkg/spec", "pkg/kernel", "pkg/reconcile"},
	"internal/lab/demo":  {"internal/lab"},
	"internal/lab/uml":   {"internal/lab"},
}

// TestRooms holds the tree to the layering that docs/design.md draws: layering that is not asserted decays.
func TestRooms(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Name,Doc,Imports", module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p struct {
			ImportPath, Name, Doc string
			Imports               []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		room := strings.TrimPrefix(p.ImportPath, module)
		if p.Doc == "" && p.Name != "" {
			t.Errorf("%s has no package comment", room)
		}
		for _, name := range []string{"util", "utils", "common", "core", "types", "helpers"} {
			if p.Name == name {
				t.Errorf("%s: the name says nothing of what is in it", room)
			}
		}
		for _, imported := range p.Imports {
			if other, ours := strings.CutPrefix(imported, module); ours && !slices.Contains(rooms[room], other) {
				t.Errorf("%s must not import %s", room, other)
			}
		}
	}
}

// TestPortable builds what must build on systems without IPVS: all of it, because plan --against runs anywhere.
func TestPortable(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds for other systems, which takes a while")
	}
	for _, system := range []string{"darwin/arm64", "linux/arm64"} {
		t.Run(system, func(t *testing.T) {
			goos, goarch, _ := strings.Cut(system, "/")
			cmd := exec.Command("go", "build", "-o", t.TempDir(), ".")
			cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+goarch)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
