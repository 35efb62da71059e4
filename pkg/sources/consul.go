package sources

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

const (
	defaultSettle  = 200 * time.Millisecond
	defaultBlock   = 5 * time.Minute // of a blocking query, as Consul's own default is
	longestBlock   = 10 * time.Minute
	defaultTimeout = 10 * time.Second
)

// A Consul watches a key of Consul's KV store that holds a whole document, or a prefix whose keys hold a table each, and
// delivers whole documents. Create it with NewConsul.
//
// What is delivered has been still for the declaration's Settle. A key that is gone and a prefix with nothing under it
// are failures, never documents without services; only the key services under the prefix, with the value {}, says that
// there being none is meant. See watch for when Consul is asked what.
type Consul struct {
	name  string
	layer int
	tree  tree
	store store
	log   zerolog.Logger
	pace  pace
	retry backoff.BackOff

	asked chan struct{} // of capacity one: Reload
	again chan struct{} // of capacity one: Confirm

	// What follows belongs to Run.
	last outcome // of the newest reading
	held outcome // what doc and err were made of
	doc  *spec.Document
	text []Part // that doc was made of
	err  error
}

// NewConsul prepares the watching of consul://HOST:PORT/PATH as the given layer, counted from 0. A path that ends in "/"
// is a prefix, and so is none at all; else it is a key. Without HOST:PORT it is CONSUL_HTTP_ADDR's agent. TLS is spoken
// with ?tls, where the declaration names a certificate, and where CONSUL_HTTP_SSL says so. The rest of Consul's usual
// environment counts where the declaration says nothing. A zero duration in the declaration is its default.
func NewConsul(decl spec.SourceDecl, layer int, log zerolog.Logger) (*Consul, error) {
	name := decl.Name
	at, err := parseConsul(decl.URL)
	switch {
	case err != nil && name == "":
		return nil, fmt.Errorf("consul source: %w", err) // the address may have a secret in it
	case err != nil:
		return nil, refusal(name, err.Error())
	case name == "":
		name = decl.URL
	}
	decl.Name = name
	retry := backoff.NewExponentialBackOff()
	retry.MaxInterval = 15 * time.Second
	return &Consul{
		name:  name,
		layer: layer,
		tree:  tree{name: name, base: "consul://" + at.Host, path: strings.TrimPrefix(at.Path, "/")},
		store: newStore(decl, at),
		log:   log.With().Str("component", "sources").Str("source", name).Logger(),
		pace:  paceOf(decl),
		retry: retry,
		asked: make(chan struct{}, 1),
		again: make(chan struct{}, 1),
	}, nil
}

// parseConsul reads a consul URL.
func parseConsul(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // the rest repeats the URL, and what secrets are in it
		}
		return nil, fmt.Errorf("is not a URL: %w", err)
	case u.Scheme != "consul" || u.Opaque != "":
		return nil, errors.New("is not consul://HOST:PORT/PATH")
	case u.User != nil:
		return nil, errors.New("a password does not belong into the address; there are token_file, CONSUL_HTTP_TOKEN and CONSUL_HTTP_AUTH")
	case u.RawQuery != "" && u.RawQuery != "tls", u.Fragment != "":
		return nil, errors.New("the address may end in ?tls and nothing else; other settings are keys of [[sources]]")
	}
	if u.Host != "" && u.Port() == "" {
		u.Host += ":8500"
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u, nil
}

// Name returns what the operator calls the source.
func (c *Consul) Name() string { return c.name }

// Reload has Consul asked now, and waits at most a second for stillness. A Reading that is Asked follows even if nothing
// has changed. It never blocks and may be called from anywhere.
func (c *Consul) Reload() { trigger(c.asked) }

// Confirm has Consul asked again. A Reading that is Again follows even if nothing has changed.
func (c *Consul) Confirm() { trigger(c.again) }

// Run watches the store and sends a Reading first thing and then whenever what is there is other than before, good or
// bad. It blocks until ctx is done and then returns nil; it never closes out.
func (c *Consul) Run(ctx context.Context, out chan<- Reading) error {
	w := newWatch(c.pace)
	next := time.NewTimer(0) // when to ask
	defer next.Stop()

	var asking inquiry // the zero value: no question is out
	for {
		select {
		case <-ctx.Done():
			asking.end()
			return nil
		case <-c.asked:
			w.demand(demands{asked: true})
		case <-c.again:
			w.demand(demands{again: true})
		case <-next.C:
			asking = c.inquire(ctx, w.ask(time.Now()))
			continue
		case a := <-asking.answer:
			asking.cancel()
			asking = inquiry{}
			if !c.take(ctx, w, a, out) {
				return nil
			}
		}
		switch {
		case asking.answer == nil:
			next.Reset(w.pause(time.Now()))
		case w.impatient():
			asking.cancel() // which answers it, and the next question follows
		}
	}
}

// An inquiry is a question that is out.
type inquiry struct {
	answer <-chan answer
	cancel context.CancelFunc
}

func (c *Consul) inquire(ctx context.Context, q question) inquiry {
	ctx, cancel := context.WithTimeout(ctx, q.limit)
	into := make(chan answer, 1)
	go func() { into <- c.store.ask(ctx, c.tree.path, q) }()
	return inquiry{answer: into, cancel: cancel}
}

// end gives the question up and waits until nobody works on it.
func (i inquiry) end() {
	if i.answer != nil {
		i.cancel()
		<-i.answer
	}
}

// take takes in an answer and sends what is to be said; it is false when ctx has ended.
func (c *Consul) take(ctx context.Context, w *watch, a answer, out chan<- Reading) bool {
	if a.err != nil {
		if ctx.Err() != nil {
			return false
		}
		if w.interrupted() {
			return true // by a demand: nothing failed
		}
	}
	turn := w.take(time.Now(), a)
	r := Reading{Layer: c.layer, Asked: turn.owed.asked, Again: turn.owed.again}
	var is outcome
	switch {
	case a.err != nil:
		w.fail(time.Now(), c.retry.NextBackOff())
		r.Err, is = a.err, outcome{err: a.err.Error()}
	case turn.deliver:
		c.retry.Reset()
		is = outcome{sum: a.sum}
		if is != c.held {
			c.decode(a)
			c.held = is
		}
		r.Document, r.Err, r.Parts, r.Version = c.doc, c.err, c.text, strconv.FormatUint(a.index, 10)
	default:
		c.retry.Reset()
		return true
	}
	r.Same = is == c.last
	if r.Same && !r.Asked && !r.Again {
		return true
	}
	c.last = is
	select {
	case <-ctx.Done():
		return false
	case out <- r:
		return true
	}
}

// decode makes a document of what the store holds, or says why there is none.
func (c *Consul) decode(a answer) {
	doc, text, ignored, err := c.tree.document(a.pairs)
	if len(ignored) > 0 {
		c.log.Info().Strs("keys", ignored).Msg("keys beside services and backends are not read")
	}
	if err != nil {
		doc, text = nil, nil
	}
	c.doc, c.text, c.err = doc, text, err
}

// Read asks once, and waits at most a second for stillness, for what needs the document and does not wait for another. It
// is not for a Consul that runs.
func (c *Consul) Read(ctx context.Context) Reading {
	ctx, cancel := context.WithCancel(ctx)
	out := make(chan Reading)
	ended := make(chan error, 1)
	c.Reload()
	go func() { ended <- c.Run(ctx, out) }()
	select {
	case r := <-out:
		cancel()
		<-ended
		return r
	case <-ended:
		cancel()
		return Reading{Layer: c.layer, Err: ctx.Err()}
	}
}
