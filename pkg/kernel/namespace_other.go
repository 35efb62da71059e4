//go:build !linux

package kernel

// NamespaceID returns an error: network namespaces are a part of Linux.
func NamespaceID() (string, error) { return "", errNotLinux }

// NamespaceIDAt returns an error: network namespaces are a part of Linux.
func NamespaceIDAt(string) (string, error) { return "", errNotLinux }

// BootID returns an error: it is Linux that names its boots.
func BootID() (string, error) { return "", errNotLinux }
