package main

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// cpio(1) reads what is written; so does the kernel, in `make bench-qemu`.
func TestCPIO(t *testing.T) {
	var archive bytes.Buffer
	err := writeCPIO(&archive, []string{"bin", "lib", "lib/x"}, []entry{{"bin/a", []byte("#!/bin/sh\n")}, {"lib/x/odd", []byte("odd")}})
	if err != nil {
		t.Fatal(err)
	}
	if archive.Len()%4 != 0 {
		t.Errorf("%d bytes are no whole number of words", archive.Len())
	}
	cpio, err := exec.LookPath("cpio")
	if err != nil {
		t.Skip("there is no cpio here")
	}
	cmd := exec.Command(cpio, "--quiet", "-t")
	cmd.Stdin = &archive
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if diff := cmp.Diff("bin lib lib/x bin/a lib/x/odd", strings.Join(strings.Fields(string(out)), " ")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
