package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/gorb-io/gorb/internal/lab"
)

// fetched returns the directories under which tools/deps unpacks packages.
func fetched() []string {
	cache := filepath.Join(lab.Root(), ".cache")
	return []string{filepath.Join(cache, "deps", "root"), filepath.Join(cache, "qemu", "root")}
}

// findProgram returns the file of a program, fetched or installed: not a script that starts it.
func findProgram(name string) (string, error) {
	var dirs []string
	for _, root := range fetched() {
		for _, dir := range []string{"usr/bin", "usr/sbin", "bin", "sbin"} {
			dirs = append(dirs, filepath.Join(root, dir))
		}
	}
	dirs = append(dirs, filepath.SplitList(os.Getenv("PATH"))...)
	for _, dir := range append(dirs, "/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin") {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("there is no %s here (tools/deps and tools/deps qemu fetch what this machine lacks)", name)
}

// environment returns this process's environment, with the fetched libraries for the fetched programs.
func environment() []string {
	var dirs []string
	for _, root := range fetched() {
		dirs = append(dirs, filepath.Join(root, "lib/x86_64-linux-gnu"), filepath.Join(root, "usr/lib/x86_64-linux-gnu"))
	}
	return append(os.Environ(), "LD_LIBRARY_PATH="+strings.Join(dirs, ":"))
}

// libraries returns the files that a program needs to start, by what it calls them: a name, or for the dynamic loader
// a path.
func libraries(program string) (map[string]string, error) {
	cmd := exec.Command("ldd", program)
	cmd.Env = environment()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("ldd %s: %w\n%s", program, err, out)
	}
	libs, err := parseLdd(string(out))
	if err != nil {
		return nil, fmt.Errorf("ldd %s: %w", program, err)
	}
	return libs, nil
}

var lddPattern = regexp.MustCompile(`^\s*(\S+)(?: => (\S+))? \(0x[0-9a-f]+\)$`)

// parseLdd reads what ldd(1) prints of a program.
func parseLdd(out string) (map[string]string, error) {
	libs := map[string]string{}
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\n")
		m := lddPattern.FindStringSubmatch(line)
		switch {
		case m == nil:
			return nil, fmt.Errorf("not understood: %s", strings.TrimSpace(line))
		case m[2] != "":
			libs[m[1]] = m[2]
		case filepath.IsAbs(m[1]):
			libs[m[1]] = m[1]
		} // else the kernel's own (vdso(7))
	}
	return libs, nil
}
