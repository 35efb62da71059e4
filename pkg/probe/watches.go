package probe

import (
	"context"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/gorb-io/gorb/pkg/spec"
)

// Kinds makes watches of a configuration. What TLS trusts and shows is shared by all watches that name the same files.
// The zero value is ready; it belongs to one goroutine.
type Kinds struct {
	tls map[TLSFiles]*TLS // as many as the configurations named, which are few
}

// Watches returns the watches of the backends of a service whose pulse is other than none. They share no memory with the
// service, nor with the text that it was read from: one that is not made anew for a long time keeps only itself. Which
// are urgent is left open.
func (k *Kinds) Watches(s *spec.Service) []Watch {
	var (
		all   []Watch
		ready = make(map[*spec.Pulse]*prepared)
		name  = strings.Clone(s.Name)
		text  []byte
	)
	for i := range s.Backends {
		b := &s.Backends[i]
		pulse := s.PulseOf(b)
		p := ready[pulse]
		if p == nil {
			p = k.prepare(pulse)
			ready[pulse] = p
		}
		if p.make == nil {
			continue
		}
		if all == nil {
			all = make([]Watch, 0, len(s.Backends)-i)
		}
		var w Watch
		w, text = p.watch(name, b, text)
		all = append(all, w)
	}
	return all
}

// tlsOf returns what stands for files.
func (k *Kinds) tlsOf(f TLSFiles) (*TLS, error) {
	if t := k.tls[f]; t != nil {
		return t, nil
	}
	t, err := NewTLS(f)
	if err != nil {
		return nil, err
	}
	if k.tls == nil {
		k.tls = make(map[TLSFiles]*TLS)
	}
	k.tls[f] = t
	return t, nil
}

// prepared is what all backends that have a pulse share.
type prepared struct {
	recipe // without a make: there is nothing to check
	kind   string
	policy Policy
	args   spec.Args
	common writing // of the args, for the Target
}

func (k *Kinds) prepare(pulse *spec.Pulse) *prepared {
	convert := kinds[pulse.Type]
	if convert == nil {
		return &prepared{}
	}
	p := &prepared{kind: strings.Clone(pulse.Type), policy: policyOf(pulse), args: owned(pulse.Args)}
	p.common.leaving(&p.args)
	p.recipe = convert(k, &p.args, &p.common)
	p.common.shorten()
	return p
}

// watch makes the watch of a backend. The buffer is for the next.
func (p *prepared) watch(service string, b *spec.Backend, text []byte) (Watch, []byte) {
	host, port := p.args.Host, p.args.Port
	if !host.IsValid() {
		host = b.Host
	}
	if port == 0 {
		port = b.Port
	}
	at := spot{addr: netip.AddrPortFrom(host, port)}
	text = append(at.addr.AppendTo(text[:0]), p.common...)
	if p.named {
		text = strconv.AppendQuote(append(text, " of="...), service)
		text = strconv.AppendQuote(append(text, '/'), b.Name)
	}
	args := len(text)
	text = append(text, b.Name...)
	whole := string(text) // one allocation for both
	at.ref = Ref{Service: service, Backend: whole[args:]}
	return Watch{
		Ref: at.ref, Target: Target{Kind: p.kind, Args: whole[:args]}, Policy: p.policy, Keeps: p.keeps,
		Checker: func() Checker { return p.checker(at) },
	}, text
}

// checker makes a checker, if only one that says why there is none.
func (p *prepared) checker(at spot) Checker {
	c, err := p.make(at)
	if err != nil {
		return unmakable{err}
	}
	return c
}

// unmakable is a check that cannot be made.
type unmakable struct{ why error }

// Check says why.
func (c unmakable) Check(ctx context.Context, t *Trace) Result {
	a := begin(ctx, t)
	return a.end(&localError{c.why})
}

// Once makes a check of what is watched, beside all others, and takes down what it does.
func (w *Watch) Once(ctx context.Context) (Result, *Trace) {
	ctx, cancel := context.WithTimeout(ctx, w.Policy.Timeout)
	defer cancel()
	c, t := w.Checker(), new(Trace)
	if closer, ok := c.(io.Closer); ok {
		defer closer.Close()
	}
	return c.Check(declare(ctx, w.Policy.Timeout), t), t
}

// policyOf is how a pulse judges.
func policyOf(p *spec.Pulse) Policy {
	policy := Policy{
		Interval: p.Interval, FastInterval: p.FastInterval, Timeout: p.Timeout, Rise: p.Rise, Fall: p.Fall,
		Backoff: p.Backoff, MaxInterval: p.MaxInterval, InitialWait: p.InitialWait,
		Window: p.Window, SlowStart: p.SlowStart,
	}
	switch p.Initial {
	case spec.InitialUp:
		policy.Initial = InitialUp
	case spec.InitialDown:
		policy.Initial = InitialDown
	}
	switch p.Restore {
	case spec.RestoreSlowStart:
		policy.Restore = SlowStart
	case spec.RestoreImmediate:
		policy.Restore = Immediate
	}
	return policy
}

// owned copies args: their strings may be parts of a whole document.
func owned(a spec.Args) spec.Args {
	for _, text := range []*string{
		&a.Send, &a.Expect, &a.Regexp, &a.Method, &a.Path, &a.HostHeader, &a.Body, &a.ExpectBody, &a.ExpectBodyRegexp,
		&a.ServerName, &a.CAFile, &a.CertFile, &a.KeyFile,
	} {
		*text = strings.Clone(*text)
	}
	headers := maps.Clone(a.Headers)
	clear(headers)
	for name, value := range a.Headers {
		headers[strings.Clone(name)] = strings.Clone(value)
	}
	a.Headers, a.Statuses, a.Command = headers, slices.Clone(a.Statuses), slices.Clone(a.Command)
	for i := range a.Command {
		a.Command[i] = strings.Clone(a.Command[i])
	}
	return a
}
