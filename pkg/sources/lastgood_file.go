package sources

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/gorb-io/gorb/pkg/spec"
)

// A file has three parts: a line with what it is, its version and the sum of the rest, a line of JSON about the parts,
// and their texts one after the other. It can be looked at with head and tail.
const (
	goodMagic   = "gorb-last-good"
	goodVersion = "1"

	maxGoodData  = 64 << 20 // of all parts
	maxGoodParts = 1 << 19
	maxGoodFile  = 4 * maxGoodData
)

type goodHeader struct {
	Source  string     `json:"source"`
	Version string     `json:"version,omitempty"`
	At      time.Time  `json:"at"`
	Parts   []goodPart `json:"parts"`
}

type goodPart struct {
	Name   string      `json:"name"`
	Format spec.Format `json:"format"`
	At     []string    `json:"at,omitempty"`
	Size   int         `json:"size"`
}

// encodeGood makes the text of a file.
func encodeGood(c GoodCopy) ([]byte, error) {
	h := goodHeader{Source: c.Source, Version: c.Version, At: c.At.UTC(), Parts: make([]goodPart, len(c.Parts))}
	size := 0
	for i, p := range c.Parts {
		h.Parts[i] = goodPart{p.Name, p.Format, p.At, len(p.Data)}
		size += len(p.Data)
	}
	if size > maxGoodData || len(c.Parts) > maxGoodParts {
		return nil, fmt.Errorf("%d bytes in %d texts are too much to keep (%d MiB, %d)", size, len(c.Parts),
			maxGoodData>>20, maxGoodParts)
	}
	header, err := compactJSON(h)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.Grow(len(header) + size + 128)
	b.WriteString(goodLine(""))
	start := b.Len()
	b.Write(header)
	b.WriteByte('\n')
	for _, p := range c.Parts {
		b.Write(p.Data)
	}
	if b.Len() > maxGoodFile {
		return nil, fmt.Errorf("%d bytes are too much to keep (%d MiB)", b.Len(), maxGoodFile>>20)
	}
	sum := sha256.Sum256(b.Bytes()[start:])
	copy(b.Bytes(), goodLine(hex.EncodeToString(sum[:])))
	return b.Bytes(), nil
}

// goodLine is the first line of a file, with room for a sum that is not known yet.
func goodLine(sum string) string {
	return fmt.Sprintf("%s %s %-*s\n", goodMagic, goodVersion, 2*sha256.Size, sum)
}

// decodeGood is the reverse of encodeGood.
func decodeGood(data []byte) (GoodCopy, error) {
	first, rest, _ := bytes.Cut(data, []byte("\n"))
	words := strings.Fields(string(first[:min(len(first), 256)]))
	if len(words) != 3 || words[0] != goodMagic {
		return GoodCopy{}, errors.New("it is not a copy of gorb's")
	}
	if words[1] != goodVersion {
		return GoodCopy{}, errors.New("it was written by another version of gorb")
	}
	if sum := sha256.Sum256(rest); words[2] != hex.EncodeToString(sum[:]) {
		return GoodCopy{}, errors.New("its checksum is wrong")
	}
	header, rest, _ := bytes.Cut(rest, []byte("\n"))
	var h goodHeader
	if err := json.Unmarshal(header, &h); err != nil {
		return GoodCopy{}, err
	}
	c := GoodCopy{Source: h.Source, Version: h.Version, At: h.At.UTC(), Parts: make([]Part, len(h.Parts))}
	for i, p := range h.Parts {
		if p.Size < 0 || p.Size > len(rest) {
			return GoodCopy{}, fmt.Errorf("the text of %s is not all there", quoteShort(p.Name))
		}
		c.Parts[i] = Part{Name: p.Name, Format: p.Format, At: p.At, Data: rest[:p.Size:p.Size]}
		rest = rest[p.Size:]
	}
	if len(rest) > 0 {
		return GoodCopy{}, fmt.Errorf("%d bytes belong to no text", len(rest))
	}
	return c, nil
}

// sumOf identifies what parts say.
func sumOfParts(parts []Part) [sha256.Size]byte {
	h := sha256.New()
	var lengths []byte
	write := func(texts ...string) { // each after its length, so that none looks like two
		for _, text := range texts {
			lengths = binary.AppendUvarint(lengths[:0], uint64(len(text)))
			h.Write(lengths)
			io.WriteString(h, text)
		}
	}
	for _, p := range parts {
		write(p.Name, string(p.Format), strconv.Itoa(len(p.At)))
		write(p.At...)
		h.Write(binary.AppendUvarint(lengths[:0], uint64(len(p.Data))))
		h.Write(p.Data)
	}
	return [sha256.Size]byte(h.Sum(nil))
}
