//go:build !linux

package probe

// marks reports whether packets can be marked.
const marks = false
