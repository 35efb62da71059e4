package httpapi

import (
	"context"
	"errors"
	stdlog "log"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/net/netutil"
)

const (
	// debugConns is how many may look into gorb at once.
	debugConns = 16
	// debugRetry is the time between two attempts to listen.
	debugRetry = 10 * time.Second
)

// ServeDebug answers /debug/pprof/ at an address, and nothing else, until ctx ends; "" is nowhere. Who can connect there may
// read it. Where it cannot listen it says so, once for each reason, and tries again.
func ServeDebug(ctx context.Context, address string, log zerolog.Logger) error {
	if address == "" {
		return nil
	}
	log = log.With().Str("component", "debug").Str("address", address).Logger()
	for said := ""; ; {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		if err == nil {
			log.Info().Stringer("listen", l.Addr()).Msg("profiles can be read")
			said = ""
			if err = serveDebug(ctx, l, log); err == nil {
				return nil // ctx has ended
			}
		}
		if text := cause(err).Error(); ctx.Err() == nil && text != said {
			said = text
			log.Error().Str("err", text).Msg("profiles cannot be read; it is tried again")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(debugRetry):
		}
	}
}

// serveDebug serves on a listener until ctx ends, and closes it.
func serveDebug(ctx context.Context, l net.Listener, log zerolog.Logger) error {
	s := &http.Server{
		Handler:           debugRoutes(l.Addr()),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second, // there is no WriteTimeout: a profile takes as long as is asked for
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          stdlog.New(lines{log}, "", 0),
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() }) // a profile that nobody will read any more is not waited for
	defer stop()
	if err := s.Serve(netutil.LimitListener(l, debugConns)); ctx.Err() == nil || !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// debugRoutes are those of net/http/pprof, but for cmdline: there may be a secret on it. The mux is its own. What the package
// adds to http.DefaultServeMux nobody gets to see, since no server here uses that.
func debugRoutes(at net.Addr) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", http.NotFound)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	address, ok := at.(*net.TCPAddr)
	if !ok || !address.IP.IsLoopback() {
		return mux
	}
	names := hostNames(nil)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isHost(names, hostOf(r.Host)) {
			http.Error(w, "Host must be an address, localhost or this host's name", http.StatusMisdirectedRequest)
			return
		}
		mux.ServeHTTP(w, r)
	})
}
