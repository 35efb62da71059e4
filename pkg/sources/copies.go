package sources

import (
	"errors"
	"io/fs"
	"time"

	"github.com/gorb-io/gorb/pkg/spec"
)

// Copies are the last good copies as Layers uses them: documents.
type Copies struct{ Files *LastGood }

// Load decodes a source's copy, as what came from elsewhere. Without one it returns nil and no error.
func (c Copies) Load(name string) (*spec.Document, time.Time, error) {
	return decodeCopy(c.Files.Load(name))
}

// Before is Load for what counted before something of the source was held.
func (c Copies) Before(name string) (*spec.Document, error) {
	doc, _, err := decodeCopy(c.Files.Before(name))
	return doc, err
}

// Hold keeps the copy that there is for Before, until it is called without held.
func (c Copies) Hold(name string, held bool) error { return c.Files.Hold(name, held) }

func decodeCopy(kept GoodCopy, err error) (*spec.Document, time.Time, error) {
	if errors.Is(err, fs.ErrNotExist) {
		return nil, time.Time{}, nil
	}
	if err != nil {
		return nil, time.Time{}, err
	}
	doc, err := kept.document()
	return doc, kept.At, err
}

// Save keeps what a source delivered.
func (c Copies) Save(name string, r Reading) error {
	if len(r.Parts) == 0 {
		return nil // of a source whose documents cannot be made again
	}
	return c.Files.Save(GoodCopy{Source: name, Version: r.Version, At: time.Now(), Parts: r.Parts})
}

// document makes one document of the texts, as the source did.
func (c GoodCopy) document() (*spec.Document, error) {
	docs := make([]*spec.Document, len(c.Parts))
	for i, p := range c.Parts {
		doc, err := p.decode()
		if err != nil {
			return nil, err
		}
		docs[i] = doc
	}
	if len(docs) == 1 && c.Parts[0].At == nil {
		return docs[0], nil
	}
	return spec.Join(c.Source, docs...)
}

// decode decodes what came from elsewhere.
func (p Part) decode() (*spec.Document, error) {
	return spec.DecodeWith(p.Name, p.Format, p.Data, spec.Options{Origin: spec.Remote, At: p.At})
}
