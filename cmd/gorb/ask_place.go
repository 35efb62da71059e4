package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/gorb-io/gorb/pkg/httpapi"
)

// tokenEnv has the token for --server. A command line is for everybody on the machine to read.
const tokenEnv = "GORB_TOKEN"

// configuredSocket is what --socket is for where the configuration says which one it is.
const configuredSocket = "the unix socket of the gorb that is asked (default [gorb] socket, " + defaultSocket + ")"

// askedPlace is the flags that say which gorb is asked: one on this host, by its socket, or one at a URL.
type askedPlace struct {
	socket    string // "": the configuration says
	server    string // "": the socket is asked
	tokenFile string
	caFile    string
	given     func(flag string) bool // whether a flag is on the command line; nil: none is
}

// declare declares them, with what --socket is without the flag and what it is for.
func (a *askedPlace) declare(fs *pflag.FlagSet, socket, usage string) {
	fs.StringVar(&a.socket, "socket", socket, usage)
	fs.StringVar(&a.server, "server", "", "ask the gorb at this http or https URL instead, with the token in "+tokenEnv+" if there is one")
	fs.StringVar(&a.tokenFile, "token-file", "", "the file with the token for --server")
	fs.StringVar(&a.caFile, "ca-file", "", "the certificates, in PEM, of who signs that of --server (default whom the system trusts)")
	a.given = fs.Changed
}

// check says which flags do not go together.
func (a *askedPlace) check() error {
	if a.given == nil {
		return nil
	}
	switch {
	case a.given("server") && a.given("socket"):
		return &usageError{err: errors.New("--server and --socket name two gorbs; one is asked")}
	case a.given("server") && a.server == "":
		return &usageError{err: errors.New("--server: it is empty; it is the URL of a gorb, such as https://lb1.example:4672")}
	case a.server == "" && a.tokenFile != "":
		return &usageError{err: errors.New("--token-file is for --server; the socket needs no token")}
	case a.server == "" && a.caFile != "":
		return &usageError{err: errors.New("--ca-file is for --server; the socket speaks no TLS")}
	}
	return nil
}

// client returns who asks there.
func (a *askedPlace) client() (*httpapi.Client, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	if a.server == "" {
		return httpapi.NewClient(a.socket), nil
	}
	token, err := a.token()
	if err != nil {
		return nil, err
	}
	roots, err := a.roots()
	if err != nil {
		return nil, err
	}
	client, err := httpapi.NewRemote(a.server, httpapi.Remote{Token: token, Roots: roots})
	if err != nil {
		return nil, &usageError{err: fmt.Errorf("--server: %w", err)}
	}
	return client, nil
}

// token is what is shown; "": nothing.
func (a *askedPlace) token() (string, error) {
	if a.tokenFile == "" {
		return os.Getenv(tokenEnv), nil
	}
	f, err := os.Open(a.tokenFile)
	if err != nil {
		return "", err
	}
	defer f.Close()
	const most = 4096
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(text))
	if token == "" || len(text) > most || strings.ContainsAny(token, " \t\r\n") { // which is not repeated
		return "", fmt.Errorf("%s: a file with one token is wanted, as 'gorb token new' prints it", a.tokenFile)
	}
	return token, nil
}

// roots are who may sign the server's certificate; nil: whom the system trusts.
func (a *askedPlace) roots() (*x509.CertPool, error) {
	if a.caFile == "" {
		return nil, nil
	}
	text, err := os.ReadFile(a.caFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: there is no certificate in PEM", a.caFile)
	}
	return roots, nil
}

// explained adds to what went wrong what there is to do.
func (a *askedPlace) explained(err error) error {
	failure, told := errors.AsType[*httpapi.Failure](err)
	switch {
	case errors.Is(err, httpapi.ErrNoDaemon):
		return fmt.Errorf("%w; 'gorb run' starts one, and --socket names the socket of another", err)
	case a.server == "":
		return err
	case errors.Is(err, httpapi.ErrUntrusted):
		return fmt.Errorf("%w; --ca-file names who may", err)
	case told && len(failure.Problems) > 0 && failure.Code == http.StatusUnprocessableEntity:
		return err // these are with what was sent
	case told && (failure.Code == http.StatusUnauthorized || failure.Code == http.StatusForbidden):
		return fmt.Errorf("%s: %w; %s", a.server, err, a.credential())
	case told:
		return fmt.Errorf("%s: %w", a.server, err)
	}
	return err
}

// credential says what was shown, and what may be.
func (a *askedPlace) credential() string {
	switch {
	case a.tokenFile != "":
		return "the token was that of " + a.tokenFile
	case os.Getenv(tokenEnv) != "":
		return "the token was that of " + tokenEnv
	}
	return "no token was sent: put one into " + tokenEnv + " or a file that --token-file names ('gorb token new' on the director makes one)"
}
