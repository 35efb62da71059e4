package main

import (
	"bytes"
	"fmt"
	"io"
)

// The kinds of files of an archive, as in st_mode.
const (
	cpioDir  = 0o040755
	cpioFile = 0o100755
)

// writeCPIO writes an archive in the form that the kernel unpacks at boot (Documentation/driver-api/early-userspace/
// buffer-format.rst). Its directories come first, outer before inner. Everything is root's and can be executed.
func writeCPIO(w io.Writer, dirs []string, files []entry) error {
	var buf bytes.Buffer
	inode := 0
	add := func(name string, mode int, content []byte) {
		inode++
		// magic, inode, mode, uid, gid, links, mtime, size, 2 of the device, 2 of a device node's, length of the
		// name, checksum
		fmt.Fprintf(&buf, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
			inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name)+1, 0, name)
		buf.Write(make([]byte, -buf.Len()&3))
		buf.Write(content)
		buf.Write(make([]byte, -buf.Len()&3))
	}
	for _, dir := range dirs {
		add(dir, cpioDir, nil)
	}
	for _, f := range files {
		add(f.name, cpioFile, f.content)
	}
	add("TRAILER!!!", 0, nil)
	_, err := w.Write(buf.Bytes())
	return err
}

// An entry is a file of an archive.
type entry struct {
	name    string // without a leading slash
	content []byte
}
