//go:build !linux

package httpapi

import "math"

// openFiles is not known: gorb keeps a table on Linux only.
func openFiles() uint64 { return math.MaxUint64 }
