package httpapi

import (
	"context"
	"errors"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/net/netutil"
)

const (
	// maxBody is how much of a request's body is read.
	maxBody = 1 << 20
	// socketConns is how many connections over the socket are served at once; others wait in the kernel's queue. Whoever
	// takes all of TCP's leaves the operator these.
	socketConns = 256
	// tcpConns is the same of TCP. Of either the readers of events, who stay, may have most, and leave the rest to others.
	tcpConns = 16 << 10
	// writeTime is how long a request may take from its header to the last byte of the answer: who does not read does not
	// keep a connection from others.
	writeTime = time.Minute
	// lastWords is how long the answers under way have when the server ends.
	lastWords = 2 * time.Second
)

// Serve answers requests on a listener with a handler until ctx ends, and closes the listener. A handler that panics
// costs its connection, and a line in the log.
func Serve(ctx context.Context, l net.Listener, h http.Handler, log zerolog.Logger) error {
	log = log.With().Str("component", "api").Logger()
	s := &http.Server{
		Handler:           bounded(h),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      writeTime,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          stdlog.New(lines{log}, "", 0),
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	ended := make(chan error, 1)
	go func() {
		<-ctx.Done()
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
		defer cancel()
		err := s.Shutdown(end)
		if err != nil {
			err = s.Close()
		}
		ended <- err
	}()
	if err := s.Serve(netutil.LimitListener(l, socketConns)); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-ended
}

// bounded limits what is read of a body.
func bounded(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		most := int64(maxBody)
		if r.Method == http.MethodPost && r.URL.Path == "/plan" {
			most = maxPlanBody // it has whole documents
		}
		r.Body = http.MaxBytesReader(w, r.Body, most)
		h.ServeHTTP(w, r)
	})
}

// lines gives what net/http has to say to the log.
type lines struct{ log zerolog.Logger }

var _ io.Writer = lines{}

func (l lines) Write(b []byte) (int, error) {
	l.log.Warn().Msg(string(b))
	return len(b), nil
}
