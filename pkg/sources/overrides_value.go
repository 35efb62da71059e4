package sources

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gorb-io/gorb/pkg/spec"
)

// endMark is behind the object in the file's key of an override that ends. No name has it.
const endMark = "\x00"

// fileKey is the key of an override in the file: "web/a".
func fileKey(key spec.OverrideKey) string {
	name := spec.Override{Service: key.Service, Backend: key.Backend}.Object()
	if key.Ends {
		name += endMark
	}
	return name
}

// storedValue is an override as it is in the file, in JSON after its sum. The key says what it is about.
type storedValue struct {
	Kind     spec.OverrideKind `json:"kind"`
	Body     json.RawMessage   `json:"body,omitempty"`
	Reason   string            `json:"reason,omitempty"`
	By       string            `json:"by,omitempty"`
	At       time.Time         `json:"at"`
	Until    time.Time         `json:"until,omitzero"`
	Revision uint64            `json:"revision"`
}

// encodeStored returns the value of an override in the file.
func encodeStored(o *StoredOverride) ([]byte, error) {
	payload, err := compactJSON(storedValue{o.Kind, o.Body, o.Reason, o.By, o.At, o.Until, o.Revision})
	if err != nil {
		return nil, err
	}
	return seal(fileKey(o.Key()), payload), nil
}

// decodeStored is the reverse, of a file of an earlier layout where it is old. It takes what tidy lets pass and nothing else, so
// that a sound sum is not all that is asked of a value.
func decodeStored(key string, value []byte, old bool) (*StoredOverride, error) {
	payload, err := unseal(key, value)
	if err != nil {
		return nil, err
	}
	var v storedValue
	d := json.NewDecoder(bytes.NewReader(payload))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	service, backend, split := strings.Cut(strings.TrimSuffix(key, endMark), "/")
	if split && backend == "" {
		return nil, errors.New("it names no backend")
	}
	o := spec.Override{
		Kind: v.Kind, Service: service, Backend: backend, Body: v.Body,
		Reason: v.Reason, By: v.By, At: v.At.UTC(), Until: v.Until.UTC(),
	}
	if isClear(o) {
		return nil, errors.New("it has no kind")
	}
	if o, err = tidy(o); err != nil {
		return nil, err
	}
	if !old && key != fileKey(o.Key()) || old && key != o.Object() {
		return nil, errors.New("it is at the place of another")
	}
	return &StoredOverride{Override: o, Revision: v.Revision}, nil
}

// seal puts the sum of a key and of what belongs to it before the latter: a value under the key of another is damage
// too.
func seal(key string, payload []byte) []byte {
	sum := sealSum(key, payload)
	return slices.Concat(sum[:], payload)
}

// unseal returns what seal was given.
func unseal(key string, value []byte) ([]byte, error) {
	if len(value) < sha256.Size {
		return nil, errors.New("it is cut off")
	}
	payload := value[sha256.Size:]
	if sum := sealSum(key, payload); !bytes.Equal(sum[:], value[:sha256.Size]) {
		return nil, errors.New("its checksum is wrong")
	}
	return payload, nil
}

func sealSum(key string, payload []byte) [sha256.Size]byte {
	return sha256.Sum256(slices.Concat([]byte(key), []byte{0}, payload))
}

// compactJSON is json.Marshal without spaces and without escapes for HTML, which would make a body longer than it was.
func compactJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// mergeBodies lays a later body over an earlier one: tables merge, values and lists replace, as layers do, and the name of
// another host goes with that. Both are JSON objects.
func mergeBodies(under, over []byte) ([]byte, error) { return mergeTables(under, over, 0) }

func mergeTables(under, over []byte, depth int) ([]byte, error) {
	const deepest = 16 // the schema needs 7
	if depth > deepest {
		return nil, fmt.Errorf("it is nested over %d deep", deepest)
	}
	var a, b map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(under, &a), json.Unmarshal(over, &b)); err != nil {
		return nil, err
	}
	if depth == 0 || depth == 2 { // the object, or a backend in it
		if _, another := b["host"]; another {
			delete(a, "host_name")
		}
	}
	for key, value := range b {
		if was, ok := a[key]; ok && isTable(was) && isTable(value) {
			merged, err := mergeTables(was, value, depth+1)
			if err != nil {
				return nil, err
			}
			value = merged
		}
		a[key] = value
	}
	return compactJSON(a)
}

// withoutNulls leaves out of a JSON object, and of the objects in it, the keys that are null: what a merge patch leaves
// of what it takes away (RFC 7386).
func withoutNulls(body []byte) ([]byte, error) {
	var table map[string]json.RawMessage
	if err := json.Unmarshal(body, &table); err != nil {
		return nil, err
	}
	for key, value := range table {
		switch {
		case string(value) == "null":
			delete(table, key)
		case isTable(value):
			left, err := withoutNulls(value)
			if err != nil {
				return nil, err
			}
			table[key] = left
		}
	}
	return compactJSON(table)
}

// isTable says whether valid JSON is an object.
func isTable(text []byte) bool {
	text = bytes.TrimLeft(text, " \t\r\n")
	return len(text) > 0 && text[0] == '{'
}
