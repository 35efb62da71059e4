package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/sources/consultest"
)

// TestLegacyFlags has command lines of GORB, as its users wrote them for Go's flag package, come to what they meant.
func TestLegacyFlags(t *testing.T) {
	for line, want := range map[string]string{
		"":                                   "",
		"-v -i eth1 -f -l :4673":             "flush=true interface=eth1 listen=:4673 verbose=true",
		"-v=true -i=eth1 -f=false -l=:0":     "flush=false interface=eth1 listen=:0 verbose=true",
		"--v --i eth1 --f --l=127.0.0.1:1":   "flush=true interface=eth1 listen=127.0.0.1:1 verbose=true",
		"-c http://127.0.0.1:8500 -i eth0":   "consul=http://127.0.0.1:8500 interface=eth0",
		"-vipi lo":                           "vip-interface=lo",
		"-vipi=lo -v":                        "verbose=true vip-interface=lo",
		"--vipi lo -i lo":                    "interface=lo vip-interface=lo",
		"--vipi=lo":                          "vip-interface=lo",
		"-store consul://127.0.0.1:8500/x":   "store=consul://127.0.0.1:8500/x",
		"-store=consul://a/x -vipi dummy0":   "store=consul://a/x vip-interface=dummy0",
		"--store consul://a -f":              "flush=true store=consul://a",
		"-store-sync-time 0":                 "store-sync-time=0",
		"--store-sync-time=-5":               "store-sync-time=-5",
		"-store-service-path services":       "store-service-path=services",
		"-store-backend-path=backends -v":    "store-backend-path=backends verbose=true",
		"-l 10.0.0.1:4672 -- -vipi":          "listen=10.0.0.1:4672 [-vipi]",
		"-f -i eth0 gorb.toml":               "flush=true interface=eth0 [gorb.toml]",
		"-v gorb.toml -vipi lo":              "verbose=true vip-interface=lo [gorb.toml]",
		"-c http://a:8500 -vipi lo -store= ": "consul=http://a:8500 store= vip-interface=lo",
	} {
		fs, _ := new(program).flagSet(runCommand())
		if err := fs.Parse(spell(strings.Fields(line))); err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		var got []string
		for _, name := range []string{
			"consul", "flush", "interface", "listen", "store", "store-backend-path", "store-service-path", "store-sync-time", "verbose", "vip-interface",
		} {
			if f := fs.Lookup(name); f.Changed {
				got = append(got, name+"="+f.Value.String())
			}
		}
		if fs.NArg() > 0 {
			got = append(got, fmt.Sprint(fs.Args()))
		}
		if diff := cmp.Diff(want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", line, diff)
		}
	}
}

// TestLegacyStores says of each kind of store whether it is a source; testdata/host/gorb-flags.txtar has the sentences.
func TestLegacyStores(t *testing.T) {
	for store, want := range map[string]string{
		"":                                       "",
		"consul://127.0.0.1:8500":                "refused",
		"consul://127.0.0.1:8500/gorb":           "consul://127.0.0.1:8500/gorb/",
		"Consul://127.0.0.1:8500//gorb/prod/":    "consul://127.0.0.1:8500/gorb/prod/",
		"consul://a:8500/x,consul://b:8500/x":    "refused",
		"consul://a:8500/x,etcd://b:2379/other/": "refused",
		"etcd://127.0.0.1:2379/gorb":             "refused",
		"etcd://a,etcd://b/x":                    "refused",
		"zookeeper://127.0.0.1:2181":             "refused",
		"boltdb://gorb.db":                       "refused",
		"redis://127.0.0.1":                      "refused",
		"127.0.0.1:8500":                         "refused",
	} {
		l := legacy{store: store, services: gorbServices, backends: gorbBackends}
		got := l.source()
		if l.check() != nil {
			got = "refused"
		}
		if got != want {
			t.Errorf("-store %s: %s, want %s", store, got, want)
		}
	}
}

// TestLegacyStoreIsASource starts with -store and without a word of Consul in gorb.toml: what GORB wrote there counts, and
// so does what changes there, its weights too (B25). gorb itself writes nothing there (B15).
func TestLegacyStoreIsASource(t *testing.T) {
	kv := consultest.New(t)
	kv.Put(
		"lb/services/web", `{"host":"10.0.0.1","port":80,"protocol":"tcp","method":"wrr","flags":"","persistent":false}`,
		"lb/backends/a", `{"host":"10.1.0.1","port":8080,"weight":100,"method":"nat","pulse":{"type":"none","interval":"1m","args":null},"vsid":"web"}`,
	)
	w := newAPIWorld(t, "")
	w.end()
	w.flags = legacy{store: kv.URL("lb")}
	w.start()
	w.wantTable("-A -t 10.0.0.1:80 -s wrr\n-a -t 10.0.0.1:80 -r 10.1.0.1:8080 -m -w 100\n")
	kv.Put("lb/backends/a", `{"host":"10.1.0.1","port":8080,"weight":7,"method":"nat","pulse":{"type":"none","interval":"1m","args":null},"vsid":"web"}`)
	w.wantTable("-A -t 10.0.0.1:80 -s wrr\n-a -t 10.0.0.1:80 -r 10.1.0.1:8080 -m -w 7\n")
	before := fmt.Sprint(kv.Save())
	w.want(200, "PATCH", "/service/web/a", `{"weight": 9}`, nil)
	w.want(200, "DELETE", "/service/web/a", "", nil)
	if diff := cmp.Diff(before, fmt.Sprint(kv.Save())); diff != "" {
		t.Errorf("the store (-before +after):\n%s", diff)
	}
}

// TestInterfaceThatIsMissing is warned of by name, also where no service needs its address.
func TestInterfaceThatIsMissing(t *testing.T) {
	for iface, want := range map[string]string{"": "", "nosuch0": "interface nosuch0: it does not exist; there are: "} {
		var log strings.Builder
		d := daemon{log: zerolog.New(&log), files: files{iface: iface}}
		d.announce(&holding{})
		if warned := strings.Contains(log.String(), `"level":"warn"`); warned != (want != "") || !strings.Contains(log.String(), want) {
			t.Errorf("-i %q: %s", iface, &log)
		}
	}
}

// TestDefaultFileThatIsMissing is warned of, with what becomes of the table: by -f it is emptied.
func TestDefaultFileThatIsMissing(t *testing.T) {
	for flush, want := range map[bool]string{
		false: "the configuration is empty; what gorb made before stays until it appears",
		true:  "the configuration is empty; by -f every service in the kernel is removed, whoever made it",
	} {
		var log strings.Builder
		d := daemon{log: zerolog.New(&log), unlisted: true, flush: flush}
		d.announce(&holding{})
		if !strings.Contains(log.String(), want+`"}`) {
			t.Errorf("-f=%t: %s", flush, &log)
		}
	}
}

// wantTable waits until the kernel has a table.
func (w *apiWorld) wantTable(want string) {
	w.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		got := w.kernel.String()
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("the table is\n%swant\n%s", got, want)
		}
	}
}

// eventually waits until something holds.
func (w *apiWorld) eventually(holds func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("it does not come to be:\n%s", w.log)
		}
	}
}
