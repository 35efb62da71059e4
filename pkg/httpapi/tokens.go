package httpapi

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

const (
	tokenPrefix = "gorb_"   // so that programs that search for leaked secrets can know one
	tokenBytes  = 32        // 256 bits
	hashPrefix  = "sha256:" // before the hash of a token, in hexadecimal
)

// NewToken makes a bearer token, and the hash of it that the configuration has. The token is not kept anywhere.
func NewToken() (token, hash string) {
	var b [tokenBytes]byte
	_, _ = rand.Read(b[:]) // it never fails
	token = tokenPrefix + base64.RawURLEncoding.EncodeToString(b[:])
	sum := sha256.Sum256([]byte(token))
	return token, hashPrefix + hex.EncodeToString(sum[:])
}

// isMade says whether a secret has the form of NewToken. A right one that has cannot have been guessed.
func isMade(secret string) bool {
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(secret, tokenPrefix))
	return err == nil && len(b) == tokenBytes && strings.HasPrefix(secret, tokenPrefix)
}

type tokenHash [sha256.Size]byte

// token is one of [[api.tokens]].
type token struct {
	name   string
	role   spec.Role
	hashes func() []tokenHash // now
}

// newToken makes a token of its declaration. It is one also where that cannot be used: it then has no hashes, or those of
// its lines that can.
func newToken(t spec.APIToken, log zerolog.Logger, now func() time.Time, changed func()) (*token, error) {
	out := &token{name: t.Name, role: t.Role}
	if t.File != "" {
		file := &watched[[]tokenHash]{paths: []string{t.File}, parse: parseHashes, changed: changed, now: now}
		file.log = log.With().Str("token", t.Name).Logger()
		out.hashes = file.get
		return out, named("[[api.tokens]]", t.Name, file.begin())
	}
	h, err := parseHash(t.Hash)
	list := []tokenHash{h}
	if err != nil {
		list = nil
	}
	out.hashes = func() []tokenHash { return list }
	return out, named("[[api.tokens]]", t.Name, err)
}

// named says what is wrong with which entry of a table.
func named(table, name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %q: %w", table, name, err)
}

// token returns whose a secret is, or nil. Whatever it is, it takes as long.
func (p *policy) token(secret string) *token {
	sum := sha256.Sum256([]byte(secret))
	found := -1
	for i, t := range p.tokens {
		for _, h := range t.hashes() {
			found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(h[:], sum[:]), i, found)
		}
	}
	if found < 0 {
		return nil
	}
	return p.tokens[found]
}

// parseHashes reads a file of hashes, one to a line; from # on a line is for people. What is wrong in one line does not
// keep the others from counting. Lines are not repeated in the error: what is there by mistake can be a token.
func parseHashes(texts [][]byte) (list []tokenHash, err error) {
	var bad []error
	n := 0
	for line := range bytes.Lines(texts[0]) {
		n++
		text, _, _ := strings.Cut(string(line), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		h, err := parseHash(text)
		if err != nil {
			bad = append(bad, fmt.Errorf("line %d: %w", n, err))
			continue
		}
		list = append(list, h)
	}
	const most = 5
	if len(bad) > most {
		bad = append(bad[:most], errors.New("and so on"))
	}
	return list, errors.Join(bad...)
}

func parseHash(s string) (h tokenHash, err error) {
	if strings.HasPrefix(s, tokenPrefix) {
		return h, errors.New("this is a token itself, which nobody else should see; its hash belongs here")
	}
	digits, ok := strings.CutPrefix(s, hashPrefix)
	b, err := hex.DecodeString(digits)
	if !ok || err != nil || len(b) != len(h) {
		return h, errors.New(`this is no hash of a token: "sha256:" and 64 hexadecimal digits, as 'gorb token new' prints it`)
	}
	return tokenHash(b), nil
}
