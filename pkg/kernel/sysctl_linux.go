package kernel

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// sysctlDir has a file for each setting of IPVS (Documentation/networking/ipvs-sysctl.rst). It is there while the
// module ip_vs is loaded.
const sysctlDir = "/proc/sys/net/ipv4/vs"

// sysctls reads settings; one that this kernel does not have is not in the map.
func (h *Host) sysctls(names []string) (map[string]string, error) {
	values := make(map[string]string, len(names))
	err := h.inside(func() error {
		for _, name := range names {
			if !isSysctl(name) {
				continue
			}
			v, err := os.ReadFile(filepath.Join(sysctlDir, name))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return err
			}
			values[name] = normalValue(string(v))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return values, nil
}

// setSysctl writes a setting. The kernel takes the first write to the file for the whole value.
func (h *Host) setSysctl(name, value string) error {
	err := h.inside(func() error {
		f, err := os.OpenFile(filepath.Join(sysctlDir, name), os.O_WRONLY, 0)
		if errors.Is(err, fs.ErrNotExist) {
			if _, err := os.Stat(sysctlDir); err != nil {
				return ErrNoIPVS
			}
			return &missingSysctl{name}
		}
		if err != nil {
			return err
		}
		_, err = f.WriteString(value + "\n")
		return errors.Join(err, f.Close())
	})
	// The path, which is in the error, says less than the operation does.
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		return errno
	}
	return err
}
