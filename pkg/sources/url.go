package sources

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

const (
	pollInterval = 30 * time.Second
	pollTimeout  = 10 * time.Second
	firstRetry   = time.Second
)

// A URL polls an address and delivers whole documents. Create it with NewURL.
//
// It asks with If-None-Match and If-Modified-Since once it has something to compare with. Every answer but 200 and 304 is
// a failure, and so are one that is cut off, one that is over spec.MaxRemoteSize, packed or unpacked, and one that is not there
// whole within the timeout. After a failure it asks again after a second, then ever later, up to the interval.
//
// The files with certificates, keys, the token and headers are read for each request, so that they can be renewed; one
// that cannot be read is a failure. A ca_file is trusted instead of the system's authorities. A proxy is used as HTTPS_PROXY,
// HTTP_PROXY and NO_PROXY say (http.ProxyFromEnvironment). Every request has a connection of its own: a name that leads
// elsewhere, and a certificate that is no longer good, are noticed at the next poll.
type URL struct {
	decl   spec.SourceDecl
	at     *url.URL
	name   string
	layer  int
	log    zerolog.Logger
	open   func() (http.RoundTripper, error) // what a request is made with
	retry  *backoff.ExponentialBackOff
	hidden []string // what must not be said, of the request that is being made

	asked chan struct{} // of capacity one: Reload
	again chan struct{} // of capacity one: Confirm

	// What follows belongs to Run.
	page *page // what the newest 200 gave; nil: there was none
	last outcome
	doc  *spec.Document // of last
	err  error          // of last
	same bool           // last is what the one before it was
}

// page is what a 200 gave.
type page struct {
	validators
	is   outcome
	part Part
	doc  *spec.Document
	err  error // why the document cannot be used
}

// NewURL prepares the polling of a declared address as the given layer, counted from 0. The error says what of the
// declaration cannot be; the files that it names are not looked at. Where it has no name of its own, the source is called
// by its address, without what the query says, which may be a credential.
func NewURL(decl spec.SourceDecl, layer int, log zerolog.Logger) (*URL, error) {
	at, err := parseURL(decl.URL)
	if err != nil {
		return nil, err
	}
	name := title(decl)
	if err := checkClient(decl, at); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if decl.Interval <= 0 {
		decl.Interval = pollInterval
	}
	if decl.Timeout <= 0 {
		decl.Timeout = pollTimeout
	}
	u := &URL{
		decl:  decl,
		at:    at,
		name:  name,
		layer: layer,
		log:   log.With().Str("component", "sources").Str("source", name).Logger(),
		retry: retries(decl.Interval),
		asked: make(chan struct{}, 1),
		again: make(chan struct{}, 1),
	}
	u.open = u.transport
	return u, nil
}

// parseURL is the address that a declaration gives. No error repeats it, because a password may be in it.
func parseURL(text string) (*url.URL, error) {
	at, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("the url of a source is not one")
	case at.User != nil:
		return nil, fmt.Errorf("%s: a user or password in a url is refused, because urls are logged; use header_files or bearer_token_file", shown(at))
	case at.Scheme != "https" && at.Scheme != "http" || at.Hostname() == "":
		return nil, fmt.Errorf("%s: the url must be https://HOST/… or http://HOST/…", shown(at))
	}
	at.Fragment, at.RawFragment = "", ""
	return at, nil
}

// shown is an address without what may be a credential.
func shown(at *url.URL) string {
	clean := *at
	clean.User, clean.RawQuery, clean.Fragment, clean.RawFragment = nil, "", "", ""
	return clean.String()
}

// retries is how long to wait after each of a row of failures: never over the interval, and never two directors alike.
func retries(interval time.Duration) *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	// The library's cap comes before its jitter, which may make half as much again of it.
	b.MaxInterval = time.Duration(float64(interval) / (1 + b.RandomizationFactor))
	b.InitialInterval = min(firstRetry, b.MaxInterval)
	return b
}

// Name returns what the operator calls the source.
func (u *URL) Name() string { return u.name }

// Reload has the address asked now. A Reading follows even if nothing has changed. It never blocks and may be called
// from anywhere.
func (u *URL) Reload() { trigger(u.asked) }

// Confirm has the address asked again. A Reading follows even if nothing has changed, which a 304 says as well as the
// same bytes.
func (u *URL) Confirm() { trigger(u.again) }

// Run asks at once and then at every interval, give or take a tenth, and sends a Reading first thing and whenever the
// answer is other than before, good or bad. It blocks until ctx is done and then returns nil; it never closes out.
func (u *URL) Run(ctx context.Context, out chan<- Reading) error {
	if u.at.Scheme == "http" && (u.decl.BearerTokenFile != "" || len(u.decl.HeaderFiles) > 0) {
		u.log.Warn().Msg("credentials are sent unencrypted, use https")
	}
	wake := time.NewTimer(0) // the next request: now
	defer wake.Stop()
	for {
		answer := Reading{Layer: u.layer}
		select {
		case <-ctx.Done():
			return nil
		case <-u.asked:
			answer.Asked = true
		case <-u.again:
			answer.Again = true
		case <-wake.C:
		}
		got, err := u.fetch(ctx)
		if ctx.Err() != nil {
			return nil
		}
		u.take(got, err)
		if u.news(&answer) {
			select {
			case <-ctx.Done():
				return nil
			case out <- answer:
			}
		}
		wake.Reset(u.pause(err))
	}
}

// pause is how long to wait before the next request. A document that cannot be used is no failure of the server's.
func (u *URL) pause(err error) time.Duration {
	if err != nil {
		return u.retry.NextBackOff()
	}
	u.retry.Reset()
	return time.Duration(float64(u.decl.Interval) * (0.9 + 0.2*rand.Float64()))
}

// take takes in what a request gave, or why it gave nothing.
func (u *URL) take(got answered, err error) {
	if err == nil && !got.unchanged {
		u.turn(got)
	}
	is := outcome{}
	if err != nil {
		is, u.doc, u.err = outcome{err: steady(err)}, nil, err
	} else {
		is, u.doc, u.err = u.page.is, u.page.doc, u.page.err
	}
	u.same, u.last = is == u.last, is
}

// turn takes in a 200. What is byte for byte the document before it is not decoded again.
func (u *URL) turn(got answered) {
	sum := sha256.New()
	fmt.Fprintln(sum, got.format)
	sum.Write(got.data)
	is := outcome{sum: [sha256.Size]byte(sum.Sum(nil))}
	if u.page == nil || u.page.is != is {
		u.page = &page{is: is, part: Part{Name: u.name, Format: got.format, Data: got.data}}
		u.page.doc, u.page.err = decodeRemote(u.name, got.format, got.data)
	}
	u.page.validators = got.validators
}

// decodeRemote decodes what came from elsewhere: it may not say what only a local file may. A document without a key is
// refused, because that is what a page looks like while it is written.
func decodeRemote(name string, f spec.Format, data []byte) (*spec.Document, error) {
	doc, err := spec.DecodeWith(name, f, data, spec.Options{Origin: spec.Remote})
	switch {
	case err != nil:
		return nil, err
	case doc.Empty():
		return nil, refusal(name, "there is no key in it; an empty [services] says that there are none")
	}
	return doc, nil
}

// news completes an answer with the last outcome, and says whether anybody is to hear of it.
func (u *URL) news(answer *Reading) bool {
	answer.Document, answer.Err, answer.Same = u.doc, u.err, u.same
	if u.doc != nil {
		answer.Version, answer.Parts = u.page.version, []Part{u.page.part}
	}
	return !answer.Same || answer.Asked || answer.Again
}

// Read asks once, for what needs the document and does not wait for another. It is not for a URL that runs.
func (u *URL) Read(ctx context.Context) Reading {
	got, err := u.fetch(ctx)
	u.take(got, err)
	r := Reading{Layer: u.layer}
	u.news(&r)
	return r
}
