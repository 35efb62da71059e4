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

// defaultFile is the configuration where no FILE is named.
const defaultFile = "/etc/gorb/gorb.toml"

// files are the flags of the commands that read a configuration.
type files struct {
	format string
	iface  string
}

func (f *files) declare(fs *pflag.FlagSet) {
	fs.StringVar(&f.format, "format", "", "format of the files, toml or json (default by their ending; toml for -)")
	fs.StringVarP(&f.iface, "interface", "i", "", "interface whose first address services without host get (default eth0)")
}

// formatOf returns the format of the flag, which is "" where it was not given.
func (f *files) formatOf() (spec.Format, error) {
	switch format := spec.Format(strings.ToLower(f.format)); format {
	case "", spec.TOML, spec.JSON:
		return format, nil
	}
	return "", &usageError{err: fmt.Errorf("--format %s: it is toml or json", f.format)}
}

// read reads every file once. The error is the problems of all of them, and of the whole as far as it can be judged, unless
// ctx has ended.
func (p *program) read(ctx context.Context, f *files, names []string) ([]*spec.Document, error) {
	format, err := f.formatOf()
	if err != nil {
		return nil, err
	}
	var docs []*spec.Document
	var all spec.Problems
	for _, name := range names {
		doc, err := sources.Read(ctx, name, format, p.stdin)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			all = append(all, asProblems(name, err)...)
		}
		if doc != nil {
			docs = append(docs, doc)
		}
	}
	if len(all) == 0 {
		return docs, nil
	}
	if len(docs) == len(names) {
		_, err := spec.Merge(docs...)
		return nil, err
	}
	return nil, all
}

// asProblems returns the problems that an error about a file is made of; what the operating system said is one.
func asProblems(name string, err error) spec.Problems {
	if problems, ok := problemsOf(err); ok {
		return problems
	}
	return spec.Problems{{Source: name, Message: strings.TrimPrefix(err.Error(), name+": ")}}
}

// load reads every file once and merges them. Services may still lack their host.
func (p *program) load(ctx context.Context, f *files, names []string) (*spec.Desired, error) {
	if len(names) == 0 {
		names = []string{defaultFile}
	}
	docs, err := p.read(ctx, f, names)
	if err != nil {
		return nil, err
	}
	desired, err := spec.Merge(docs...)
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

// resolve gives the services without host the first address of the interface that is not a virtual one.
func resolve(d *spec.Desired) (*spec.Desired, error) {
	if len(d.NeedHost()) == 0 {
		return d, nil
	}
	virtual := map[netip.Addr]bool{}
	if d.Gorb.VIP.Name != "" {
		for i := range d.Services {
			virtual[d.Services[i].Host] = true
		}
	}
	addr, err := kernel.InterfaceAddr(d.Gorb.Interface, virtual)
	if err != nil {
		addr = netip.Addr{} // WithHost says which services lack it
		if _, problems := d.WithHost(addr); problems != nil {
			return nil, fmt.Errorf("%w\n%w", problems, err)
		}
		return nil, err
	}
	return d.WithHost(addr)
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
