package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gorb-io/gorb/internal/lab"
)

const (
	serversAddr = "10.1.0.1"    // where the servers are
	serverName  = "example.com" // of their certificate, which is that of package httptest
)

// servers are all sorts of servers in a namespace, each at a port of its own.
type servers struct {
	t    *testing.T
	ns   string
	next uint16
	tls  *tls.Config
	ca   string       // the file with what their certificate is trusted by
	most atomic.Int64 // how many bytes one without an end could send

	nginx, nginxTLS, nobody netip.AddrPort
}

// newServers starts those that are programs: an nginx, which also serves a file of 10 GB.
func newServers(t *testing.T, ns string) *servers {
	t.Helper()
	s := &servers{t: t, ns: ns, next: 1000}
	s.nginx, s.nginxTLS, s.nobody = s.at(80), s.at(443), s.at(9)
	key := s.certificate()
	n := lab.Nginx(t)
	n.Configure(fmt.Sprintf(`access_log off;
	server {
		listen 127.0.0.1:%d; listen 80; listen 443 ssl http2;
		ssl_certificate %s; ssl_certificate_key %s;
		location = / { return 200 "all is well\n"; }
		location = /busy { return 503; }
		location = /10GB { root .; }
	}`, n.Ports[0], s.ca, key))
	big, err := os.Create(filepath.Join(n.Dir, "10GB"))
	if err == nil {
		defer big.Close()
		err = big.Truncate(10e9) // all of it a hole
	}
	if err == nil {
		err = startIn(ns, n)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// startIn starts an nginx in a namespace.
func startIn(ns string, n *lab.NginxServer) error {
	return lab.Do(ns, func() error {
		n.Start()
		return nil
	})
}

func (s *servers) at(port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(serversAddr), port)
}

// certificate writes what the servers show under TLS, and returns the file of its key.
func (s *servers) certificate() (key string) {
	s.t.Helper()
	source := httptest.NewUnstartedServer(nil)
	source.StartTLS()
	defer source.Close()
	s.tls = &tls.Config{Certificates: source.TLS.Certificates}
	dir := s.t.TempDir()
	s.ca, key = filepath.Join(dir, "ca.pem"), filepath.Join(dir, "key.pem")
	der, err := x509.MarshalPKCS8PrivateKey(s.tls.Certificates[0].PrivateKey)
	if err != nil {
		s.t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		s.ca: {Type: "CERTIFICATE", Bytes: s.tls.Certificates[0].Certificate[0]},
		key:  {Type: "PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	return key
}

// plain starts a server that behaves in a way, and returns where.
func (s *servers) plain(does behaviour) netip.AddrPort {
	s.t.Helper()
	s.next++
	serveAt(s.t, s.ns, s.at(s.next), does)
	return s.at(s.next)
}

// secret starts one that does it under TLS.
func (s *servers) secret(does behaviour) netip.AddrPort {
	s.t.Helper()
	return s.plain(func(c net.Conn) {
		under := tls.Server(c, s.tls)
		if under.Handshake() != nil {
			return
		}
		does(under)
		// Its end is that of the connection, and not said: to say it may take as long as the client is silent.
	})
}

// serveAt starts a server in a namespace, until stop is called or the test ends. Its connections go on.
func serveAt(t *testing.T, ns string, at netip.AddrPort, does behaviour) (stop func()) {
	t.Helper()
	var server net.Listener
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		err := lab.Do(ns, func() (err error) {
			server, err = net.Listen("tcp", at.String())
			return err
		})
		if err == nil {
			break
		}
		// A process that is just being started may still have the socket of a server that was stopped.
		if !errors.Is(err, syscall.EADDRINUSE) || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := server.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				does(c)
			}()
		}
	}()
	stop = func() {
		server.Close()
		<-done
	}
	t.Cleanup(stop)
	return stop
}
