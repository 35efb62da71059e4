package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/gorb-io/gorb/pkg/spec"
)

// spelledByGORB are the long flags that GORB's users write with one dash, as Go's flag package takes them, and how gorb
// has them. pflag would read -vipi as -v -i pi.
var spelledByGORB = map[string]string{
	"-vipi":               "--vip-interface",
	"-store":              "--store",
	"-store-sync-time":    "--store-sync-time",
	"-store-service-path": "--store-service-path",
	"-store-backend-path": "--store-backend-path",
}

// shortOfGORB are its flags of one letter, which pflag takes with one dash alone.
const shortOfGORB = "-c -f -h -i -l -v"

// spell writes the flags of GORB's command lines as pflag takes them.
func spell(args []string) []string {
	out := slices.Clone(args)
	for i, arg := range out {
		if arg == "--" {
			break
		}
		name, value, given := strings.Cut(arg, "=")
		if strings.HasPrefix(name, "--") {
			name = name[1:] // Go's flag package takes two dashes, too
		}
		long, known := spelledByGORB[name]
		switch {
		case known && given:
			out[i] = long + "=" + value
		case known:
			out[i] = long
		case strings.HasPrefix(arg, "--") && len(name) == 2 && strings.Contains(shortOfGORB, name):
			out[i] = arg[1:]
		}
	}
	return out
}

// legacy is the flags that GORB had and that gorb has for its users: the configuration says the same better.
type legacy struct {
	vip      string
	store    string
	syncTime int64
	services string
	backends string
}

// What GORB called the trees of its store.
const (
	gorbServices = "services"
	gorbBackends = "backends"
)

func (l *legacy) declare(fs *pflag.FlagSet) {
	fs.StringVar(&l.vip, "vip-interface", "", "interface that gets the addresses of the services; wins over [gorb] vip_interface (GORB: -vipi)")
	fs.StringVar(&l.store, "store", "", "consul://HOST:PORT/PATH, one source more, the last, as GORB took it (GORB: -store)")
	fs.Int64Var(&l.syncTime, "store-sync-time", 60, "accepted and without effect: what changes in the store counts at once")
	fs.StringVar(&l.services, "store-service-path", gorbServices, "accepted as \"services\" alone")
	fs.StringVar(&l.backends, "store-backend-path", gorbBackends, "accepted as \"backends\" alone")
	for _, name := range []string{"store-sync-time", "store-service-path", "store-backend-path"} {
		fs.Lookup(name).Hidden = true
	}
}

// check says which of the flags cannot be followed.
func (l *legacy) check() error {
	if err := checkStore(l.store); err != nil {
		return err
	}
	if l.vip != "" { // which GORB took for none, whoever wrote it
		if err := spec.CheckInterface(l.vip); err != nil {
			return fmt.Errorf("-vipi: %w", err)
		}
	}
	for _, tree := range [][3]string{
		{"-store-service-path", l.services, gorbServices}, {"-store-backend-path", l.backends, gorbBackends},
	} {
		if tree[1] != tree[2] {
			return fmt.Errorf("%s %s: gorb reads %s/ under the path of the store; move the keys there, or put them into a file",
				tree[0], tree[1], tree[2])
		}
	}
	return nil
}

// stores say what to use in place of the stores that GORB had and gorb does not.
var stores = map[string]string{
	"etcd":      "etcd is not a source of gorb; write the services into a file, or serve them by HTTP, or keep them in Consul",
	"zookeeper": "ZooKeeper is not a source of gorb; write the services into a file, or serve them by HTTP, or keep them in Consul",
	"boltdb":    "it never worked in GORB; gorb keeps what REST writes in state_dir by itself",
}

// checkStore says why what -store names is no source; "" is none, as GORB had it.
func checkStore(store string) error {
	scheme, rest, isURL := strings.Cut(store, "://")
	switch {
	case store == "":
		return nil
	case stores[strings.ToLower(scheme)] != "":
		return fmt.Errorf("-store %s: %s", scheme, stores[strings.ToLower(scheme)])
	case !isURL || strings.ToLower(scheme) != "consul":
		return fmt.Errorf("-store %q is not a URL such as consul://127.0.0.1:8500/gorb", store)
	case strings.Contains(rest, ","):
		return errors.New("-store: Consul is asked at one address, the agent's of this host; one consul:// URL is enough")
	}
	if host, path := cutPath(rest); path == "" {
		return fmt.Errorf("-store consul://%s has no path: gorb does not watch all of Consul's keys; move services/ and backends/ below one, "+
			"such as gorb/, and name that: consul://%s/gorb", host, host)
	}
	return nil
}

// source is the store as an argument of run, where a prefix of keys ends in a slash; "": there is none.
func (l *legacy) source() string {
	_, rest, there := strings.Cut(l.store, "://")
	if !there {
		return ""
	}
	host, path := cutPath(rest)
	return "consul://" + host + "/" + path + "/"
}

// cutPath parts what follows the scheme of a store. Slashes around the path are not of it.
func cutPath(rest string) (host, path string) {
	host, path, _ = strings.Cut(rest, "/")
	return host, strings.Trim(path, "/")
}

// checkListen says why an address is not one to listen at.
func checkListen(listen string, given bool) error {
	if !given || listen == "" {
		return nil
	}
	if err := spec.CheckListen(listen); err != nil {
		return fmt.Errorf("-l: %w", err)
	}
	return nil
}

// flushPools is what GORB's README writes behind -f, which takes no value.
const flushPools = "flush-pools"

// checkFlush says why what stands behind -f is no source. In GORB it ended the flags, and was not looked at.
func checkFlush(flush bool, sources []string) error {
	if flush && len(sources) > 0 && sources[0] == flushPools {
		return fmt.Errorf("-f takes no value, or -f=true and -f=false: leave out %s; a file of that name is ./%s", flushPools, flushPools)
	}
	return nil
}

// over lets -vipi win over [gorb].
func (l *legacy) over(d *spec.Desired) *spec.Desired {
	if l.vip == "" {
		return d
	}
	return d.WithVIP(l.vip)
}
