package httpapi

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash"
	"sync"
	"sync/atomic"

	"github.com/gorb-io/gorb/pkg/spec"
)

// declared is what the answers say of a service as it is declared. It is shared, and not to be changed.
type declared struct {
	options  json.RawMessage // without secrets
	tag      string
	backends []string // their names, in order
}

// declarations keep what was said of services for as long as the configuration counts: to make it takes longer than all
// the rest of an answer, and those who watch a service ask again and again. It may be used from anywhere.
type declarations struct {
	newest atomic.Pointer[declarationsOf]
}

type declarationsOf struct {
	desired  *spec.Desired
	services sync.Map // from *spec.Service to *declared
}

// of returns what is said of a service of a configuration.
func (c *declarations) of(d *spec.Desired, s *spec.Service) *declared {
	known := c.newest.Load()
	if known == nil || known.desired != d {
		known = &declarationsOf{desired: d}
		c.newest.Store(known)
	}
	if said, there := known.services.Load(s); there {
		return said.(*declared)
	}
	said := &declared{options: spec.HideSecrets(s.OptionsJSON()), tag: tagOfService(s), backends: names(s)}
	known.services.Store(s, said)
	return said
}

// tagKey is of this process alone. Tags are of secrets too, and shown to anybody: without it, who has guessed a secret could
// tell by the tag that he is right. A tag of an earlier run fits nothing, and its owner reads the object again.
var tagKey = func() (key [sha256.Size]byte) {
	_, _ = rand.Read(key[:]) // it never fails
	return key
}()

// newTag begins a tag, and endTag ends it.
func newTag() hash.Hash {
	h := sha256.New()
	h.Write(tagKey[:])
	return h
}

func endTag(h hash.Hash) string {
	const size = 16 // bytes: no two are the same by chance
	return `"` + hex.EncodeToString(h.Sum(nil)[:size]) + `"`
}

// tagOfService is the ETag of a service: of what is declared of it, backends included.
func tagOfService(s *spec.Service) string {
	h := newTag()
	h.Write(s.OptionsJSON())
	for i := range s.Backends {
		h.Write([]byte("\n" + s.Backends[i].Name + "\n"))
		h.Write(s.BackendOptionsJSON(&s.Backends[i]))
	}
	return endTag(h)
}

// tagOfBackend is the ETag of a backend.
func tagOfBackend(s *spec.Service, b *spec.Backend) string {
	h := newTag()
	h.Write(s.BackendOptionsJSON(b))
	return endTag(h)
}
