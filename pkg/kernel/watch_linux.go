package kernel

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Watch sends to changed when an interface or an address was added, changed or removed, by whomever, until ctx ends,
// and then returns nil. It sends once when it begins to hear, too: what happened before that is the reader's to find.
// A send that would block is left out, so give it a channel with room for one.
func (h *Host) Watch(ctx context.Context, changed chan<- struct{}) error {
	var s *nl.NetlinkSocket
	err := h.inside(func() (err error) {
		s, err = nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR)
		return err
	})
	if err != nil {
		return fmt.Errorf("listen for changes of interfaces and addresses: %w", err)
	}
	defer s.Close()
	stop := context.AfterFunc(ctx, s.Close) // which frees Receive
	defer stop()
	err = hear(ctx, changed, func() error {
		_, _, err := s.Receive()
		return err
	})
	if err != nil {
		return fmt.Errorf("listen for changes of interfaces and addresses: %w", err)
	}
	return nil
}

// hear says that there are changes at first and whenever something was received, until ctx ends.
func hear(ctx context.Context, changed chan<- struct{}, receive func() error) error {
	var err error
	for err == nil || missed(err) {
		select {
		case changed <- struct{}{}:
		default:
		}
		err = receive()
		if ctx.Err() != nil {
			return nil
		}
	}
	return err
}

// missed reports whether an error means that there was more to hear than the socket could hold, netlink(7), or nothing
// at all; it goes on hearing.
func missed(err error) bool {
	return errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.EINTR)
}
