package kernel

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// NamespaceID returns the identity of the process's network namespace, "net:[4026531840]" of device 4 as
// "4:4026531840". It is unique among the namespaces that exist, until the machine boots again: see BootID.
func NamespaceID() (string, error) { return NamespaceIDAt("/proc/self/ns/net") }

// NamespaceIDAt returns the identity of the network namespace at a path, as Options.Namespace names it.
func NamespaceIDAt(path string) (string, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return "", fmt.Errorf("identify the network namespace %s: %w", path, err)
	}
	return fmt.Sprintf("%d:%d", st.Dev, st.Ino), nil
}

// BootID returns the random identity that the kernel gave itself when it booted.
func BootID() (string, error) {
	const path = "/proc/sys/kernel/random/boot_id"
	id, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("identify this boot: %w", err)
	}
	if len(strings.TrimSpace(string(id))) == 0 {
		return "", fmt.Errorf("identify this boot: %s is empty", path)
	}
	return strings.TrimSpace(string(id)), nil
}

// Release returns the release of the running kernel, as uname -r prints it: "6.1.0-18-amd64".
func Release() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil { // it fails only for a bad pointer
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}
