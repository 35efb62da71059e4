package kernel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/moby/ipvs"
	"github.com/sirupsen/logrus"
	"github.com/vishvananda/netlink"
)

// familyName is IPVS_GENL_NAME of include/uapi/linux/ip_vs.h.
const familyName = "IPVS"

// moby mirrors a sync.Once of moby/ipvs, and is global because that is: at its first use in a process it looks up the
// generic netlink family of IPVS and keeps the number for ever. Where the kernel has no IPVS it keeps 0, and from then
// on reports success for everything, as the kernel acknowledges messages of type 0; where the module is unloaded and
// loaded again, it goes on with the old number, which may by then be another family's.
var moby struct {
	mu     sync.Mutex
	family uint16 // what moby/ipvs looked up; 0 until its first use
}

// errReloaded indicates that the number moby/ipvs keeps is out of date.
var errReloaded = errors.New("the module ip_vs was unloaded and loaded again since this process began to use it: restart gorb")

// openHandle opens a handle of moby/ipvs, if the kernel has IPVS and moby/ipvs can find it. path is a network
// namespace, or "" for the process's own.
func openHandle(h *netlink.Handle, path string) (*ipvs.Handle, error) {
	moby.mu.Lock()
	defer moby.mu.Unlock()
	first := moby.family == 0
	if first {
		id, err := lookupFamily(h)
		if err != nil {
			return nil, err
		}
		moby.family = id
		// In its first use it also runs `modprobe -va ip_vs`, which has nothing to do by now, and says in the log of
		// logrus, which is not gorb's, if there is no modprobe.
		logrus.SetOutput(io.Discard)
	}
	handle, err := ipvs.New(path)
	switch {
	case err != nil && path != "":
		return nil, fmt.Errorf("open a netlink socket in the network namespace %s: %w", path, err)
	case err != nil:
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	// Looking only after the use as well shows that the number was this one all the while.
	if err := checkFamily(h, moby.family); err != nil {
		handle.Close()
		return nil, err
	}
	return handle, nil
}

// familyInUse returns ErrNoIPVS or errReloaded unless IPVS is there under the number that moby/ipvs uses.
func familyInUse(h *netlink.Handle) error {
	moby.mu.Lock()
	id := moby.family
	moby.mu.Unlock()
	return checkFamily(h, id)
}

func checkFamily(h *netlink.Handle, want uint16) error {
	id, err := lookupFamily(h)
	if err == nil && id != want {
		return errReloaded
	}
	return err
}

// listed returns ErrNoIPVS unless the kernel has IPVS at this moment. lookupFamily is cheaper, but it makes a kernel
// that may load modules load this one (ctrl_getfamily in net/netlink/genetlink.c).
func listed(h *netlink.Handle) error {
	families, err := h.GenlFamilyList()
	isIPVS := func(f *netlink.GenlFamily) bool { return f.Name == familyName }
	switch {
	case slices.ContainsFunc(families, isIPVS):
		return nil
	case err != nil:
		return fmt.Errorf("look for IPVS in the kernel: %w", err)
	}
	return ErrNoIPVS
}

// lookupFamily asks the kernel for the number of the generic netlink family of IPVS.
func lookupFamily(h *netlink.Handle) (uint16, error) {
	family, err := h.GenlFamilyGet(familyName)
	switch {
	case errors.Is(err, syscall.ENOENT):
		return 0, ErrNoIPVS
	case err != nil:
		return 0, fmt.Errorf("look for IPVS in the kernel: %w", err)
	}
	return family.ID, nil
}

// load loads the module ip_vs, unless the kernel has IPVS.
func load(ctx context.Context, h *netlink.Handle) error {
	if _, err := lookupFamily(h); !errors.Is(err, ErrNoIPVS) {
		return err
	}
	out, err := exec.CommandContext(ctx, "modprobe", "ip_vs").CombinedOutput()
	if err != nil {
		if text := strings.TrimSpace(string(out)); text != "" {
			err = errors.New(text)
		}
		return fmt.Errorf("%w, which gorb tried: %w", ErrNoIPVS, err)
	}
	return nil
}
