package sources

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	maxEntries   = 10_000  // of the audit
	maxEntryBody = 4 << 10 // of what was sent, in bytes
	maxEntryText = 1 << 10 // of any other text in an entry

	// amendTime is how long the amendment of an entry may wait for a write that takes it to the disk.
	amendTime = 200 * time.Millisecond
)

// Entry is one line of the audit: who did what, and what came of it.
type Entry struct {
	ID     uint64    `json:"-"` // given by the store, growing
	At     time.Time `json:"at"`
	Who    string    `json:"who"`              // "token ci", "uid 0", "anybody"
	From   string    `json:"from,omitempty"`   // "10.0.0.7:5123", "socket, pid 4321"
	What   string    `json:"what"`             // "PUT /service/web/a?ttl=1h"
	Object string    `json:"object,omitempty"` // "web/a"; "": no single one
	// Body is what was sent, in JSON. Of what is longer than 4 KiB, and of what is no JSON, there is a string with its
	// beginning, and after "…" how many bytes it had.
	Body     json.RawMessage `json:"body,omitempty"`
	Reason   string          `json:"reason,omitempty"`
	Status   int             `json:"status"`           // of the answer: 200
	Result   string          `json:"result,omitempty"` // "changed"; of what was refused the error
	Revision uint64          `json:"revision,omitempty"`
}

// tidy is the entry as it is kept: bounded, and valid in JSON.
func (e Entry) tidy() Entry {
	if e.At.IsZero() {
		e.At = time.Now()
	}
	e.At = e.At.UTC().Round(0)
	for _, text := range []*string{&e.Who, &e.From, &e.What, &e.Object, &e.Reason, &e.Result} {
		*text = cut(*text, maxEntryText)
	}
	e.Body = tidyBody(e.Body)
	return e
}

// cut is the beginning of a text that is too long, with how long it was.
func cut(s string, most int) string {
	if n := len(s); n > most {
		s = fmt.Sprintf("%s… (%d bytes)", strings.ToValidUTF8(s[:most], ""), n)
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

func tidyBody(body json.RawMessage) json.RawMessage {
	if body = bytes.TrimSpace(body); len(body) == 0 {
		return nil
	}
	var compact bytes.Buffer
	// What is far too long is not read for that.
	if len(body) <= 4*maxEntryBody && json.Compact(&compact, body) == nil && compact.Len() <= maxEntryBody {
		return compact.Bytes()
	}
	text, _ := compactJSON(cut(string(body), maxEntryBody)) // of a string it cannot fail
	return text
}

// Record keeps an entry of what wrote no override: of what was refused, or was about something else. It returns its ID
// when it is on disk.
func (s *OverrideStore) Record(ctx context.Context, e Entry) (uint64, error) {
	w, err := s.Write(ctx, nil, &e)
	return w.Entry, err
}

// Amend says what became of what an entry is about, such as that the kernel has it. It does not wait for the disk: the
// next write takes it along, or Run soon after. Where that fails, each write after it tries again, Run every half minute, and
// Close. It is an error that there is no such entry any more.
func (s *OverrideStore) Amend(id uint64, status int, result string) error {
	if _, found := s.state.Load().entry(id); !found {
		return fmt.Errorf("the audit has no entry %d", id)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer trigger(s.amended)
	result = cut(result, maxEntryText)
	// One amendment of an entry waits at most, so that a disk that hangs does not have them pile up.
	if i := slices.IndexFunc(s.waiting, func(r *request) bool { return r.amends == id }); i >= 0 {
		s.waiting[i].status, s.waiting[i].result = status, result
		return nil
	}
	s.waiting = append(s.waiting, &request{amends: id, status: status, result: result, done: make(chan struct{})})
	return nil
}

// Audit returns entries, the newest first: those before an ID, or for 0 the newest, and at most so many.
func (s *OverrideStore) Audit(before uint64, most int) []Entry {
	state := s.state.Load()
	end := len(state.audit)
	if before != 0 {
		end, _ = state.entry(before)
	}
	var page []Entry
	for _, e := range slices.Backward(state.audit[max(0, end-max(most, 0)):end]) {
		page = append(page, *e)
	}
	return page
}

func (s *overrideState) entry(id uint64) (int, bool) {
	return slices.BinarySearchFunc(s.audit, id, func(e *Entry, id uint64) int { return cmp.Compare(e.ID, id) })
}

// entryKey is the key of an entry in the file, in whose order entries are read.
func entryKey(id uint64) []byte { return binary.BigEndian.AppendUint64(nil, id) }

// encodeEntry returns the value of an entry in the file.
func encodeEntry(e *Entry) ([]byte, error) {
	payload, err := compactJSON(e)
	if err != nil {
		return nil, err
	}
	return seal(string(entryKey(e.ID)), payload), nil
}

// decodeEntry is the reverse. A key that it does not know is a newer gorb's, and no harm.
func decodeEntry(key, value []byte) (*Entry, error) {
	if len(key) != 8 {
		return nil, errors.New("its key is none")
	}
	payload, err := unseal(string(key), value)
	if err != nil {
		return nil, err
	}
	var e Entry
	if err := json.Unmarshal(payload, &e); err != nil {
		return nil, err
	}
	e.ID = binary.BigEndian.Uint64(key)
	return &e, nil
}
