package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gorb-io/gorb/internal/lab"
)

// restAt is where the API is, without a configuration that says otherwise.
const restAt = "http://127.0.0.1:4672"

// restRequest makes a request of the API in the story's network namespace, and wants a status; the body of the answer is its
// standard output: rest CODE METHOD PATH [BODY [ARGUMENT OF CURL...]]. Far does it from the namespace far$NS, and until-rest
// does it again until it has that status.
func restRequest(ts *testscript.TestScript, neg bool, args []string) {
	if got := restStatus(ts, ts.Getenv("NS"), neg, args); got != args[0] {
		ts.Fatalf("the status is %s, want %s", got, args[0])
	}
}

func farRequest(ts *testscript.TestScript, neg bool, args []string) {
	if got := restStatus(ts, "far"+ts.Getenv("NS"), neg, args); got != args[0] {
		ts.Fatalf("the status is %s, want %s", got, args[0])
	}
}

func untilRest(ts *testscript.TestScript, neg bool, args []string) {
	var got string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if got = restStatus(ts, ts.Getenv("NS"), neg, args); got == args[0] {
			return
		}
	}
	ts.Fatalf("after %v the status is still %s, want %s", patience, got, args[0])
}

// restStatus is the status of the answer, or why there is none.
func restStatus(ts *testscript.TestScript, ns string, neg bool, args []string) string {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: rest|far|until-rest CODE METHOD PATH [BODY [ARGUMENT OF CURL...]]")
	}
	_ = ts.Exec("ip", append([]string{"netns", "exec", ns}, restCurl(args[1], args[2], args[3:]...)...)...) // standard error says it
	return strings.TrimSpace(ts.ReadFile("stderr"))
}

// restCurl is a command line that prints the body of an answer, and its status as standard error.
func restCurl(method, path string, bodyAndArgs ...string) []string {
	path = patient(method, path)
	if strings.HasPrefix(path, "/") {
		path = restAt + path
	}
	line := []string{"curl", "-sS", "--max-time", "60", "-X", method, "-w", "%{stderr}%{http_code}", path}
	if len(bodyAndArgs) > 0 {
		if bodyAndArgs[0] != "" {
			line = append(line, "-d", bodyAndArgs[0])
		}
		line = append(line, bodyAndArgs[1:]...)
	}
	return line
}

// newNamespace makes another network namespace, which goes when the story ends: new-namespace NAME.
func newNamespace(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: new-namespace NAME")
	}
	ts.Check(lab.AddNamespace(args[0]))
	ts.Defer(func() { ts.Check(lab.DeleteNamespace(args[0])) })
}

// makeCertificates writes ca.pem, and server.pem and client.pem with their keys, that it signed: certificates ADDRESS NAME.
func makeCertificates(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: certificates ADDRESS-OF-SERVER NAME-OF-CLIENT")
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	from := time.Now().Add(-time.Hour)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: from, NotAfter: from.AddDate(1, 0, 0), BasicConstraintsValid: true, IsCA: true,
		Subject: pkix.Name{CommonName: "ca"},
	}
	write := func(file, kind string, der []byte, err error) {
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(file), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	write("ca.pem", "CERTIFICATE", der, err)
	for i, name := range []string{"server", "client"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		ts.Check(err)
		one := &x509.Certificate{SerialNumber: big.NewInt(int64(i + 2)), NotBefore: from, NotAfter: from.AddDate(1, 0, 0)}
		one.Subject.CommonName = args[i]
		one.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		if address := net.ParseIP(args[i]); address != nil {
			one.IPAddresses = []net.IP{address}
		} else {
			one.DNSNames = []string{args[i]}
		}
		der, err := x509.CreateCertificate(rand.Reader, one, ca, key.Public(), caKey)
		write(name+".pem", "CERTIFICATE", der, err)
		der, err = x509.MarshalPKCS8PrivateKey(key)
		write(name+".key", "PRIVATE KEY", der, err)
	}
}

// A restClient is curl in a network namespace.
type restClient struct {
	t  *testing.T
	ns string
	at string // where the API is
}

// ask makes a request, and returns status and body of the answer.
func (c restClient) ask(method, path, body string, args ...string) (code, answer string) {
	c.t.Helper()
	line := restCurl(method, c.at+path, append([]string{body}, args...)...)
	var out, status strings.Builder
	err := lab.Do(c.ns, func() error {
		curl := exec.Command(line[0], line[1:]...)
		curl.Stdout, curl.Stderr = &out, &status
		return curl.Run()
	})
	if err != nil {
		c.t.Fatalf("%s %s: %v\n%s", method, path, err, status.String())
	}
	return status.String(), out.String()
}

// want makes a request that must have a status, and decodes the answer into into; nil: it is dropped.
func (c restClient) want(code, method, path, body string, into any, args ...string) {
	c.t.Helper()
	got, answer := c.ask(method, path, body, args...)
	if got != code {
		c.t.Fatalf("%s %s %s: %s, want %s\n%s", method, path, body, got, code, answer)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal([]byte(answer), into); err != nil {
		c.t.Fatalf("%s %s: %v\n%s", method, path, err, answer)
	}
}

// rest waits until the API of a gorb answers, and returns a client of it.
func (k *keeping) rest() restClient {
	k.t.Helper()
	out, err := lab.Try(k.ns, "curl", "-sS", "--retry", "30", "--retry-delay", "1", "--retry-connrefused", "-o", "/dev/null", restAt+"/service")
	if err != nil {
		k.t.Fatalf("the API does not answer: %v\n%s", err, out)
	}
	return restClient{k.t, k.ns, restAt}
}

// backendBody is the body of a backend that nobody checks.
func backendBody(host string, weight int) string {
	return fmt.Sprintf(`{"host": %q, "port": 80, "weight": %d, "pulse": {"type": "none"}}`, host, weight)
}
