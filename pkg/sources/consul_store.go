package sources

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/hashicorp/consul/api"

	"github.com/gorb-io/gorb/pkg/spec"
)

// mostAnswer bounds Consul's answer in bytes: the values in base64, and some 150 bytes of JSON around each key.
const mostAnswer = 96 << 20

// errFiltered is that Consul left out what the token may not read: a policy that was changed would look like keys that
// were deleted. Consul says so since 1.11, and not to those who come without a token.
var errFiltered = errors.New("Consul left out keys that the token may not read")

// A pair is a key of Consul's and its value.
type pair struct {
	key   string
	value []byte
	index uint64 // of the last change
}

// An answer is what Consul said to a question.
type answer struct {
	index uint64            // X-Consul-Index
	pairs []pair            // what is there; nil: nothing
	sum   [sha256.Size]byte // of keys and values: that a value was written anew as it was is no change
	err   error
}

// A store asks one Consul agent or server. Its methods belong to one goroutine at a time.
type store struct {
	decl    spec.SourceDecl
	address string // "": CONSUL_HTTP_ADDR's
	tls     bool   // spoken whatever the environment says
	most    int    // of an answer, in bytes
	reuse   bool   // one connection serves many questions, until rest

	client    *api.Client // nil: to be made
	transport *http.Transport
}

func newStore(decl spec.SourceDecl, at *url.URL) store {
	return store{
		decl:    decl,
		address: at.Host,
		tls:     at.RawQuery == "tls" || decl.CAFile != "" || decl.CertFile != "",
		most:    mostAnswer,
	}
}

// ask asks for a key, or for all under a prefix.
func (s *store) ask(ctx context.Context, path string, q question) answer {
	a, err := s.query(ctx, path, q)
	if err == nil {
		return a
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return answer{err: err} // nothing is wrong
	}
	s.client = nil // certificates and keys may be others by the next attempt
	if ctx.Err() != nil {
		return answer{err: fmt.Errorf("%s: no answer in time", s.decl.Name)}
	}
	return answer{err: fmt.Errorf("%s: %w", s.decl.Name, plain(err))}
}

func (s *store) query(ctx context.Context, path string, q question) (answer, error) {
	if err := s.open(); err != nil {
		return answer{}, err
	}
	token, err := s.token()
	if err != nil {
		return answer{}, err
	}
	options := (&api.QueryOptions{
		WaitIndex: q.index, WaitTime: q.wait,
		AllowStale: s.decl.Stale && !q.consistent,
		Token:      token,
		Datacenter: s.decl.Datacenter, Namespace: s.decl.Namespace,
	}).WithContext(ctx)

	var (
		list api.KVPairs
		meta *api.QueryMeta
	)
	if isPrefix(path) {
		list, meta, err = s.client.KV().List(path, options)
	} else {
		var one *api.KVPair
		if one, meta, err = s.client.KV().Get(path, options); one != nil {
			list = api.KVPairs{one}
		}
	}
	if err != nil {
		return answer{}, err
	}
	if meta.ResultsFilteredByACLs {
		return answer{}, errFiltered
	}
	a := answer{index: meta.LastIndex}
	for _, p := range list {
		if p == nil {
			return answer{}, errors.New("the answer is not Consul's: null in place of a key")
		}
		a.pairs = append(a.pairs, pair{key: p.Key, value: p.Value, index: p.ModifyIndex})
	}
	a.sum = sumOf(a.pairs)
	return a, nil
}

// isPrefix says whether a path is a prefix of keys, and not a key.
func isPrefix(path string) bool { return path == "" || strings.HasSuffix(path, "/") }

// sumOf identifies keys and values.
func sumOf(pairs []pair) (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, p := range pairs {
		length := binary.AppendUvarint(nil, uint64(len(p.key)))
		h.Write(binary.AppendUvarint(length, uint64(len(p.value))))
		io.WriteString(h, p.key)
		h.Write(p.value)
	}
	h.Sum(sum[:0])
	return sum
}
