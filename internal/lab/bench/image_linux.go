package main

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gorb-io/gorb/internal/lab"
)

// An image is Debian's kernel and what it unpacks into memory at boot: this program as its first process, gorb, the
// others with their libraries, and the modules of IPVS.
type image struct {
	kernel  string
	entries map[string]string // the file in the image: the file here
}

// newImage collects an image of what tools/deps fetched and of what outside built in dir.
func newImage(dir string) (*image, error) {
	root := filepath.Join(lab.Root(), ".cache", "qemu", "root")
	kernels, err := filepath.Glob(filepath.Join(root, "boot", "vmlinuz-*"))
	if err != nil || len(kernels) != 1 {
		return nil, fmt.Errorf("%s has %d kernels, and should have one (tools/deps qemu fetches it)", root, len(kernels))
	}
	im := &image{kernel: kernels[0], entries: map[string]string{
		"init":     filepath.Join(dir, "bench"),
		"bin/gorb": filepath.Join(dir, "gorb"),
	}}
	if err := im.addModules(root, "ip_vs", "ip_vs_wrr"); err != nil {
		return nil, err
	}
	for _, program := range []string{"ipvsadm", "keepalived", "strace"} {
		if err := im.addProgram(program); err != nil {
			return nil, err
		}
	}
	return im, nil
}

// addModules adds modules of the kernel and those that they depend on, under names in the order to load them in.
func (im *image) addModules(root string, names ...string) error {
	modprobe, err := findProgram("modprobe")
	if err != nil {
		return err
	}
	version := strings.TrimPrefix(filepath.Base(im.kernel), "vmlinuz-")
	cmd := exec.Command(modprobe, append([]string{"-d", root, "-S", version, "--show-depends", "-a"}, names...)...)
	cmd.Env = environment()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("find the modules of Linux %s: %w\n%s", version, err, out)
	}
	for i, file := range parseShowDepends(string(out)) {
		im.entries[fmt.Sprintf("modules/%02d-%s", i, filepath.Base(file))] = file
	}
	return nil
}

// addProgram adds a program with its libraries, in the places where the dynamic loader looks.
func (im *image) addProgram(name string) error {
	file, err := findProgram(name)
	if err != nil {
		return err
	}
	im.entries["bin/"+name] = file
	libs, err := libraries(file)
	if err != nil {
		return err
	}
	for lib, file := range libs {
		if !filepath.IsAbs(lib) {
			lib = "/lib/x86_64-linux-gnu/" + lib
		}
		im.entries[strings.TrimPrefix(lib, "/")] = file
	}
	return nil
}

// write writes what the kernel unpacks.
func (im *image) write(file string) error {
	dirs := []string{"dev", "proc", "run", "sys", "tmp"}
	var files []entry
	for name, here := range im.entries {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			dirs = append(dirs, dir)
		}
		content, err := os.ReadFile(here)
		if err != nil {
			return err
		}
		files = append(files, entry{name, content})
	}
	slices.Sort(dirs) // outer before inner
	slices.SortFunc(files, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return writeCPIO(f, slices.Compact(dirs), files)
}
