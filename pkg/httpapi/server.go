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
	// maxHeader is how much of a request's header is read.
	maxHeader = 32 << 10
	// socketConns is how many connections over the socket are served at once; others wait in the kernel's queue. Whoever
	// takes all of TCP's leaves the operator these.
	socketConns = 256
	// tcpConns is the same of TCP, and fewConns where not so many files may be open: what an outsider can take of these he takes
	// from the checks. Of all else than checks pkg/probe reckons with 1024. Of either way the readers of events, who stay, may
	// have most, and leave the rest to others.
	tcpConns = 16 << 10
	fewConns = 512
	// writeTime is how long a request may take from its header to the last byte of the answer: who does not read does not
	// keep a connection from others.
	writeTime = time.Minute
	// lastWords is how long the answers under way have when the server ends.
	lastWords = 2 * time.Second
)

// Serve answers requests on a listener with a handler until ctx ends, and closes the listener. Of what it accepts around
// makes the connections, such as those with TLS; nil leaves them as they are.
func Serve(ctx context.Context, l net.Listener, h http.Handler, around func(net.Listener) net.Listener, log zerolog.Logger) error {
	log = log.With().Str("component", "api").Logger()
	s := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      writeTime,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          stdlog.New(lines{log}, "", 0),
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	most := mostConns(openFiles())
	if l.Addr().Network() == "unix" {
		most = socketConns
	}
	l = netutil.LimitListener(l, most)
	if around != nil {
		l = around(l)
	}
	ended := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() { ended <- shutdown(s) })
	err := s.Serve(l)
	if stop() { // it ended by itself, and who tries again makes another
		return errors.Join(err, shutdown(s))
	}
	return <-ended
}

// mostConns is how many connections over TCP are served at once where so many files may be open.
func mostConns(files uint64) int {
	if files >= tcpConns {
		return int(min(tcpConns, files/4*3))
	}
	return int(max(1, min(fewConns, files/8)))
}

// shutdown ends a server, and what it still has under way when its last words are said.
func shutdown(s *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), lastWords)
	defer cancel()
	if s.Shutdown(ctx) == nil {
		return nil
	}
	return s.Close()
}

// lines gives what net/http has to say to the log.
type lines struct{ log zerolog.Logger }

var _ io.Writer = lines{}

func (l lines) Write(b []byte) (int, error) {
	l.log.Warn().Msg(string(b))
	return len(b), nil
}
