package kernel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
)

// SyncDaemons returns the synchronisation daemons that run, master first, with what the kernel chose for them.
func (c *Client) SyncDaemons(ctx context.Context) (daemons []SyncDaemon, err error) {
	err = c.using(ctx, func(l *link, family uint16) (err error) {
		_, err = l.dump(ctx, family, cmdGetDaemon, func(m message) error {
			d, err := l.daemon(m)
			daemons = append(daemons, d)
			return err
		})
		return err
	})
	if err != nil {
		return nil, doing("read the sync daemons", ofRead(err))
	}
	slices.SortFunc(daemons, func(a, b SyncDaemon) int { return int(a.Role) - int(b.Role) })
	return daemons, nil
}

// StartSync starts a synchronisation daemon. Among its causes are EEXIST, as one of its role runs already, ENODEV, as
// its interface does not exist, and EINVAL, as some destination is not of its service's family.
func (c *Client) StartSync(ctx context.Context, d SyncDaemon) error {
	running, err := c.sync(ctx, cmdNewDaemon, func(b []byte) []byte { return appendDaemon(b, d) })
	if errors.Is(err, ErrUncertain) && slices.ContainsFunc(running, d.is) {
		return nil
	}
	if err != nil {
		return syncError(fmt.Sprintf("start the sync daemon (%s on %s)", d.Role, d.Interface), d, err)
	}
	return nil
}

// is reports whether a daemon that runs is the one that was to be started.
func (d SyncDaemon) is(running SyncDaemon) bool {
	return running.Role == d.Role && running.Interface == d.Interface && running.ID == d.ID
}

// StopSync stops the synchronisation daemon of a role. One that does not run is stopped.
func (c *Client) StopSync(ctx context.Context, r Role) error {
	running, err := c.sync(ctx, cmdDelDaemon, func(b []byte) []byte { return appendRole(b, r) })
	ofRole := func(d SyncDaemon) bool { return d.Role == r }
	switch {
	case err == nil, errors.Is(err, syscall.ESRCH):
		return nil
	case errors.Is(err, ErrUncertain) && running != nil && !slices.ContainsFunc(running, ofRole):
		return nil
	}
	return syncError(fmt.Sprintf("stop the sync daemon (%s)", r), SyncDaemon{Role: r}, err)
}

// errUnacknowledged is the cause of an ErrUncertain that needs no waiting: a later request of the same datagram was
// answered. The kernel leaves out the acknowledgement of what a signal interrupted (netlink_rcv_skb in
// net/netlink/af_netlink.c), as it always does when a daemon is stopped right after it was started.
var errUnacknowledged = errors.New("the kernel did not acknowledge it")

// sync makes a request and asks in the same datagram which daemons then run, which is not nil if an answer came.
func (c *Client) sync(ctx context.Context, cmd uint8, body func(b []byte) []byte) (running []SyncDaemon, err error) {
	err = c.using(ctx, func(l *link, family uint16) error {
		answer := error(&lostError{errUnacknowledged})
		l.begin()
		start := l.request(family, flagAck, cmd)
		l.out = body(l.out)
		l.end(start)
		l.end(l.request(family, flagDump, cmdGetDaemon))
		daemons := []SyncDaemon{}
		lost := l.exchange(ctx, true, func(request int, m message) (bool, error) {
			if request == 0 {
				if m.kind == msgError {
					answer = m.errno()
				}
				return false, nil
			}
			return takeDump(m, func(m message) error {
				d, err := l.daemon(m)
				daemons = append(daemons, d)
				return err
			})
		})
		if lost != nil && errors.Is(answer, ErrUncertain) {
			return lost
		}
		if lost == nil {
			running = daemons
		}
		return answer
	})
	if errors.Is(err, ErrUncertain) && running == nil {
		// Asked again over another socket, the kernel says what came of it.
		if daemons, readErr := c.SyncDaemons(ctx); readErr == nil {
			running = append([]SyncDaemon{}, daemons...)
		}
	}
	return running, err
}

// syncError says what failed, and why in the operator's words (start_sync_thread in
// net/netfilter/ipvs/ip_vs_sync.c).
func syncError(what string, d SyncDaemon, err error) error {
	errno, ok := err.(syscall.Errno)
	if !ok {
		return fmt.Errorf("%s: %w", what, err)
	}
	why := ""
	switch errno {
	case syscall.EEXIST:
		why = fmt.Sprintf("a %s runs already: stop it first", d.Role)
	case syscall.ENODEV:
		why = fmt.Sprintf("there is no interface %s", d.Interface)
	case syscall.EADDRNOTAVAIL:
		why = fmt.Sprintf("the interface %s has no address of the group's family", d.Interface)
	case syscall.EINVAL:
		why = "the kernel takes no such attributes, or a destination is not of its service's family, with which no sync daemon can run"
	default:
		return doing(what, err)
	}
	return fmt.Errorf("%s: %s (%w)", what, why, errno)
}
