package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/pflag"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// defaultFile is the configuration where no SOURCE is named.
const defaultFile = "/etc/gorb/gorb.toml"

// files are the flags of the commands that read a configuration.
type files struct {
	format string
	iface  string
}

func (f *files) declare(fs *pflag.FlagSet) {
	fs.StringVar(&f.format, "format", "", "format of files and URLs, toml, json or yaml (default by their ending, or Content-Type; toml for -)")
	fs.StringVarP(&f.iface, "interface", "i", "", "interface whose first address services without host get (default eth0)")
}

// formatOf returns the format of the flag, which is "" where it was not given.
func (f *files) formatOf() (spec.Format, error) {
	switch format := spec.Format(strings.ToLower(f.format)); format {
	case "", spec.TOML, spec.JSON, spec.YAML:
		return format, nil
	}
	return "", &usageError{err: fmt.Errorf("--format %s: it is toml, json or yaml", f.format)}
}

// once is how this command reads its sources one time.
func (p *program) once(f *files) (sources.Once, error) {
	format, err := f.formatOf()
	return sources.Once{Stdin: p.stdin, Format: format}, err
}

// load reads every source once and merges them. Services may still lack their host.
func (p *program) load(ctx context.Context, f *files, names []string) (*spec.Desired, error) {
	if len(names) == 0 {
		names = []string{defaultFile}
	}
	once, err := p.once(f)
	if err != nil {
		return nil, err
	}
	all, err := once.Read(ctx, names)
	if err != nil {
		return nil, err
	}
	desired, err := spec.Merge(all.Docs...)
	if err != nil {
		return nil, err
	}
	return f.override(desired), nil
}

// override lets the flags win over [gorb].
func (f *files) override(d *spec.Desired) *spec.Desired {
	if f.iface == "" {
		return d
	}
	return d.WithInterface(f.iface)
}

// checkInterface says why the interface of the flag has no address, as one that does not exist; nobody may need it now.
func (f *files) checkInterface() error {
	if f.iface == "" {
		return nil
	}
	_, err := kernel.InterfaceAddr(f.iface, nil)
	return err
}

// resolve gives the services without host the first address of the interface that is not a virtual one.
func resolve(d *spec.Desired) (*spec.Desired, error) {
	if len(d.NeedHost()) == 0 {
		return d, nil
	}
	addr, err := kernel.InterfaceAddr(d.Gorb.Interface, virtualHosts(d))
	if err != nil {
		addr = netip.Addr{} // WithHost says which services lack it
		if _, problems := d.WithHost(addr); problems != nil {
			return nil, fmt.Errorf("%w\n%w", problems, err)
		}
		return nil, err
	}
	return d.WithHost(addr)
}

// virtualHosts are the addresses that gorb puts on an interface itself.
func virtualHosts(d *spec.Desired) map[netip.Addr]bool {
	virtual := map[netip.Addr]bool{}
	if d.Gorb.VIP.Name != "" {
		for i := range d.Services {
			virtual[d.Services[i].Host] = true
		}
	}
	return virtual
}

// problemsOf returns the problems that an error is made of.
func problemsOf(err error) (spec.Problems, bool) {
	var problems spec.Problems
	ok := errors.As(err, &problems)
	return problems, ok
}

// warn prints what is allowed and likely a mistake.
func (p *program) warn(warnings spec.Problems) {
	for _, w := range warnings {
		fmt.Fprintf(p.stderr, "warning: %s\n", w)
	}
}
