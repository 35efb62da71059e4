package sources

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gorb-io/gorb/pkg/spec"
)

const (
	mostKeys    = 1 << 18 // under a prefix; the largest director that gorb is designed for has 210,000
	mostIgnored = 10      // of keys that are not read, how many are named
	mostWrong   = 100     // problems, as many as one document has at most
)

// A tree makes documents of what Consul's KV store holds. Under a prefix that is one table a key, as GORB keeps them or
// as gorb's own documents nest them:
//
//	services/NAME                  a service, in either
//	services/NAME/backends/NAME    a backend
//	backends/NAME                  a backend as GORB writes it, whose vsid names the service
//	services                       {}, and nothing else: that there are no services is meant
//
// Empty keys that end in "/" are folders, as Consul's user interface makes them. What else is under services/ and
// backends/ is an error; what is beside them belongs to somebody else.
type tree struct {
	name string // the source's
	base string // consul://HOST:PORT
	path string // a key, or a prefix that ends in "/" or is ""

	decoded map[string]decoded // of the keys that were there last, by part.name
}

// decoded is what a value gave, so that one put among 200,000 keys does not have all of them decoded.
type decoded struct {
	data []byte
	doc  *spec.Document
}

// A part is a document of one key.
type part struct {
	name string // such as consul://HOST:PORT/gorb/prod/services/web#1234
	at   []string
	data []byte
}

// document makes one document of what is there, and says of what texts. It also names keys under the prefix that it does
// not look at.
func (t *tree) document(pairs []pair) (doc *spec.Document, texts []Part, ignored []string, err error) {
	if !isPrefix(t.path) {
		doc, texts, err = t.whole(pairs)
		return doc, texts, nil, err
	}
	parts, ignored, wrong := t.parts(pairs)
	docs := make([]*spec.Document, 0, len(parts))
	now := make(map[string]decoded, len(parts))
	texts = make([]Part, 0, len(parts))
	for _, p := range parts {
		texts = append(texts, p.text())
		if was, ok := t.decoded[p.name]; ok && bytes.Equal(was.data, p.data) {
			now[p.name] = was
			docs = append(docs, was.doc)
			continue
		}
		doc, err := p.decode()
		if err != nil {
			problems, ok := errors.AsType[spec.Problems](err)
			if !ok {
				return nil, nil, ignored, err
			}
			wrong = append(wrong, problems...)
			continue
		}
		now[p.name] = decoded{p.data, doc}
		docs = append(docs, doc)
	}
	t.decoded = now
	switch {
	case len(wrong) > mostWrong:
		more := len(wrong) - mostWrong
		wrong = append(wrong[:mostWrong:mostWrong], spec.Problem{Source: t.name, Message: fmt.Sprintf("and %d more", more)})
		fallthrough
	case len(wrong) > 0:
		return nil, nil, ignored, wrong
	case len(docs) == 0:
		return nil, nil, ignored, t.refused("no service under %q; the key \"services\" there with the value {} says that there are none", t.path)
	}
	doc, err = spec.Join(t.name, docs...)
	return doc, texts, ignored, err
}

// refused is what is wrong with the tree as a whole.
func (t tree) refused(format string, args ...any) spec.Problems {
	return spec.Problems{{Source: t.name, Message: fmt.Sprintf(format, args...)}}
}

// whole is document for a key that holds a whole document.
func (t tree) whole(pairs []pair) (*spec.Document, []Part, error) {
	if len(pairs) == 0 {
		return nil, nil, t.refused("there is no key %q", t.path)
	}
	p := part{name: t.source(pairs[0]), data: pairs[0].value}
	doc, err := p.decode()
	if err == nil && doc.Empty() {
		return nil, nil, refusal(p.name, "there is no key in it; an empty [services] says that there are none")
	}
	return doc, []Part{p.text()}, err
}

// parts sorts out what is under the prefix: what is to be decoded, what is nobody's business here, and what is wrong.
// The order is that of the keys.
func (t tree) parts(pairs []pair) (parts []part, ignored []string, wrong spec.Problems) {
	if len(pairs) > mostKeys {
		return nil, nil, t.refused("%d keys under %q are over %d", len(pairs), t.path, mostKeys)
	}
	size := 0
	for _, p := range pairs {
		size += len(p.value)
	}
	if size > spec.MaxRemoteSize {
		return nil, nil, t.refused("the values under %q are over %d MiB", t.path, spec.MaxRemoteSize>>20)
	}
	pairs = slices.Clone(pairs)
	slices.SortFunc(pairs, func(a, b pair) int { return strings.Compare(a.key, b.key) })

	beside := 0
	for _, p := range pairs {
		at, reason := t.place(p)
		switch {
		case reason != "":
			wrong = append(wrong, spec.Problem{Source: t.source(p), Message: reason})
		case at != nil:
			parts = append(parts, part{name: t.source(p), at: at, data: p.value})
		case !isPrefix(p.key):
			if beside++; beside <= mostIgnored {
				ignored = append(ignored, printable(p.key))
			}
		}
	}
	if beside > mostIgnored {
		ignored = append(ignored, fmt.Sprintf("and %d more", beside-mostIgnored))
	}
	return parts, ignored, wrong
}

// place is where the table that a key holds belongs; nil: nowhere. Else it says what is wrong with the key.
func (t tree) place(p pair) (at []string, wrong string) {
	key, ok := strings.CutPrefix(p.key, t.path)
	if !ok {
		return nil, "" // Consul's answer is to another question
	}
	at = strings.Split(key, "/")
	if at[0] != "services" && at[0] != "backends" {
		return nil, ""
	}
	empty := len(bytes.TrimSpace(p.value)) == 0
	switch {
	case at[len(at)-1] == "" && empty: // a folder
		return nil, ""
	case at[len(at)-1] == "":
		return nil, "the key ends in / like a folder and has a value"
	case key == "services":
		if string(bytes.TrimSpace(p.value)) != "{}" {
			return nil, "only {} may stand here; a service has a key of its own, services/NAME"
		}
	case key == "backends":
		return nil, "" // no name of GORB's; whose it is does not matter
	case len(at) == 2, len(at) == 4 && at[0] == "services" && at[2] == "backends":
		if empty {
			return nil, "the value is empty; {} is a table without keys"
		}
	default:
		return nil, "not services/NAME, services/NAME/backends/NAME or backends/NAME"
	}
	return at, ""
}

// source is what problems and explanations call a key: its address, and the index of its last change.
func (t tree) source(p pair) string {
	return t.base + (&url.URL{Path: "/" + p.key}).EscapedPath() + "#" + strconv.FormatUint(p.index, 10)
}

// decode decodes a value.
func (p part) decode() (*spec.Document, error) { return p.text().decode() }

// text is the part as it is kept: JSON where it begins with "{", else TOML.
func (p part) text() Part {
	f := spec.TOML
	if bytes.HasPrefix(bytes.TrimSpace(p.data), []byte("{")) {
		f = spec.JSON
	}
	return Part{Name: p.name, Format: f, At: p.at, Data: p.data}
}
