package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/gorb-io/gorb/internal/lab"
)

// kernelWeights returns the weights of all backends, by service and backend, as `ipvsadm -Ln` lists them.
func kernelWeights(t *testing.T, ns string) map[string]string {
	t.Helper()
	weights, service := map[string]string{}, ""
	for line := range strings.Lines(lab.Exec(t, ns, "ipvsadm", "-Ln")) {
		switch words := strings.Fields(line); {
		case len(words) > 1 && words[0] == "TCP":
			service = words[1]
		case len(words) > 3 && words[0] == "->":
			weights[service+" "+words[1]] = words[3]
		}
	}
	return weights
}

// status is what `gorb status --json` says of the gorb that runs; nothing as long as that does not answer.
func (k *keeping) status() statusJSON {
	k.t.Helper()
	var s statusJSON
	out, err := lab.Try(k.ns, "gorb", "status", "--json", "--state-dir", k.state, "--socket", k.socket())
	if err != nil {
		return s
	}
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		k.t.Fatalf("%v:\n%s", err, out)
	}
	return s
}

// awaitStatus waits until the status is as wanted.
func (k *keeping) awaitStatus(what string, so func(*statusJSON) bool) {
	k.t.Helper()
	var s statusJSON
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if s = k.status(); so(&s) {
			return
		}
	}
	text, _ := json.MarshalIndent(s.Services, "", "\t")
	k.t.Fatalf("after %v the status does not say %s:\n%s", patience, what, text)
}
