package main

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gorb-io/gorb/pkg/httpapi"
	"github.com/gorb-io/gorb/pkg/spec"
)

// bindAgain is the time between two attempts to listen where somebody else does, or something else is in the way.
const bindAgain = 5 * time.Second

// serving is where the API is to be had.
type serving struct {
	*daemon
	handler http.Handler
	access  *httpapi.Access
	socket  string // "" is none
	listen  string // "" is none
	debug   string // "" is none
	tcp     *listening
}

// listening is what is known of the API over TCP.
type listening struct {
	access *httpapi.Access
	is     atomic.Pointer[httpapi.Listening] // but for TLS; nil: there is none
}

func newListening(access *httpapi.Access) *listening { return &listening{access: access} }

// now is how it is now; nil: there is none, nor is there to be.
func (l *listening) now() *httpapi.Listening {
	if l == nil || l.is.Load() == nil {
		return nil
	}
	is := *l.is.Load()
	is.TLS = l.access.TLS() != nil
	return &is
}

func (l *listening) note(address, err string) {
	l.is.Store(&httpapi.Listening{Listen: address, Error: err})
}

// serving returns what serves an API as the configuration of the start and the flags say.
func (d *daemon) serving(api daemonAPI, access *httpapi.Access, hub *httpapi.Hub, first spec.Gorb) *serving {
	handler := httpapi.New(api, httpapi.Options{
		Access: access, Log: d.log.With().Str("component", "api").Logger(), Events: hub,
		Metrics: httpapi.NewMetrics(api), Live: httpapi.NewLivez(api), Ready: httpapi.NewReadyz(api),
	})
	return &serving{
		daemon: d, handler: handler, access: access,
		socket: first.Socket, listen: cmp.Or(d.listen, first.Listen), debug: first.DebugListen, tcp: api.tcp,
	}
}

// run serves until ctx ends. A gorb that cannot be asked keeps its table all the same.
func (s *serving) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		s.onSocket(ctx)
		return nil
	})
	g.Go(func() error {
		s.onTCP(ctx)
		return nil
	})
	g.Go(func() error { return s.access.Run(ctx) })
	g.Go(func() error { return httpapi.ServeDebug(ctx, s.debug, s.log) })
	return g.Wait()
}

// onSocket serves the unix socket, as soon as it can be made.
func (s *serving) onSocket(ctx context.Context) {
	if s.socket == "" {
		return
	}
	for said := ""; ; {
		l, err := httpapi.Listen(s.socket)
		if err == nil {
			if err = httpapi.Serve(ctx, httpapi.Peers(l), s.handler, nil, s.log); err == nil {
				return
			}
			said = ""
		}
		if ctx.Err() != nil {
			return
		}
		if err.Error() != said {
			s.log.Error().Err(err).Msg("gorb cannot be asked: 'gorb override' and the like do not work; it is tried again")
		}
		said = err.Error()
		select {
		case <-ctx.Done():
			return
		case <-time.After(bindAgain):
		}
	}
}

// onTCP serves the address of [gorb] listen, as soon as it is free.
func (s *serving) onTCP(ctx context.Context) {
	if s.listen == "" {
		return
	}
	s.tcp.note(s.listen, "")
	for said := ""; ; {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", s.listen)
		if err == nil {
			s.log.Info().Stringer("listen", l.Addr()).Msg("the API listens")
			s.tcp.note(l.Addr().String(), "")
			if err = httpapi.Serve(ctx, l, s.handler, s.access.Listener, s.log); err == nil {
				return
			}
			said = ""
		}
		if ctx.Err() != nil {
			return
		}
		why := reason(err)
		s.tcp.note(s.listen, why)
		if why != said {
			s.log.Error().Str("err", why).Str("listen", s.listen).Msg("the API does not listen; it is tried again")
		}
		said = why
		select {
		case <-ctx.Done():
			return
		case <-time.After(bindAgain):
		}
	}
}

// reason is why one cannot listen, without the call and the address that are said beside it.
func reason(err error) string {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno.Error()
	}
	return err.Error()
}

// accessUse returns what has a configuration say who may use the API.
func (d *daemon) accessUse(access *httpapi.Access) func(*spec.Desired) {
	said := ""
	return func(desired *spec.Desired) {
		text := ""
		if err := access.Use(desired.API); err != nil {
			text = err.Error()
		}
		if text != said && text != "" {
			d.log.Error().Str("err", text).Msg("not all that [api] says has an effect")
		}
		said = text
	}
}
