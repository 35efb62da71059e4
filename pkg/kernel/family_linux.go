package kernel

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"

	"github.com/moby/ipvs"
)

// The numbers of this package are the kernel's. moby/ipvs names some of them for Go as well: where the two differ, this
// does not compile.
var _ = map[bool]int{false: 0, Masq == ipvs.ConnFwdMasq && Local == ipvs.ConnFwdLocalNode && Tunnel == ipvs.ConnFwdTunnel &&
	Route == ipvs.ConnFwdDirectRoute && Bypass == ipvs.ConnFwdBypass: 1}

// errReloaded indicates that IPVS got another number between a look at it and its use.
var errReloaded = errors.New("the module ip_vs was unloaded and loaded again meanwhile")

// verify returns the number of IPVS, after a look whether it is what it was. It never makes the kernel load the module,
// as asking for a family by its name would.
func (c *Client) verify(ctx context.Context, l *link) (uint16, error) {
	c.mu.Lock()
	id := c.family
	c.mu.Unlock()
	answer, err := l.ask(ctx, typeCtrl, cmdFamily, func(b []byte) []byte {
		return familyFields.append(b, &family{id: id}, attrsOf(ctrlID))
	})
	switch {
	case errors.Is(err, syscall.ENOENT):
	case err != nil:
		return 0, familyError(err)
	default:
		f, err := l.family(answer)
		if err != nil {
			return 0, familyError(err)
		}
		if f.name == familyName {
			return id, nil
		}
	}
	if id, err = listed(ctx, l); err != nil {
		return 0, err
	}
	c.mu.Lock()
	c.family = id
	c.mu.Unlock()
	return id, nil
}

// gone returns what an answer of ENOENT to a request of IPVS means: err, unless IPVS is no longer what it was.
func (c *Client) gone(ctx context.Context, l *link, family uint16, err error) error {
	now, verifyErr := c.verify(ctx, l)
	switch {
	case errors.Is(verifyErr, ErrNoIPVS):
		return verifyErr
	case verifyErr == nil && now != family:
		return errReloaded
	}
	return err
}

// listed returns the number of IPVS, or ErrNoIPVS if the kernel does not have it at this moment. lookup is cheaper, but
// it makes a kernel that may load modules load this one (ctrl_getfamily in net/netlink/genetlink.c).
func listed(ctx context.Context, l *link) (id uint16, err error) {
	_, err = l.dump(ctx, typeCtrl, cmdFamily, func(m message) error {
		f, err := l.family(m)
		if f.name == familyName {
			id = f.id
		}
		return err
	})
	switch {
	case id != 0:
		return id, nil
	case err != nil:
		return 0, familyError(err)
	}
	return 0, ErrNoIPVS
}

// lookup asks the kernel for the number of IPVS.
func lookup(ctx context.Context, l *link) (uint16, error) {
	answer, err := l.ask(ctx, typeCtrl, cmdFamily, func(b []byte) []byte {
		return familyFields.append(b, &family{name: familyName}, attrsOf(ctrlName))
	})
	if errors.Is(err, syscall.ENOENT) {
		return 0, ErrNoIPVS
	}
	if err != nil {
		return 0, familyError(err)
	}
	f, err := l.family(answer)
	if err != nil || f.id < firstType {
		return 0, familyError(errGarbled)
	}
	return f.id, nil
}

func familyError(err error) error {
	return doing("look for IPVS in the kernel", ofRead(err))
}

// load loads the module ip_vs, unless the kernel has IPVS, and returns its number.
func load(ctx context.Context, l *link) (uint16, error) {
	if id, err := lookup(ctx, l); !errors.Is(err, ErrNoIPVS) {
		return id, err
	}
	out, err := exec.CommandContext(ctx, "modprobe", "ip_vs").CombinedOutput()
	if err != nil {
		if text := strings.TrimSpace(string(out)); text != "" {
			err = errors.New(text)
		}
		return 0, fmt.Errorf("%w, which gorb tried: %w", ErrNoIPVS, err)
	}
	return lookup(ctx, l)
}
