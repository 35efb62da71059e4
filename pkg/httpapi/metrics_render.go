package httpapi

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/prometheus/common/expfmt"
)

const (
	// freshRenderings is how many renderings may be on their way to clients before who comes gets the newest one of his format,
	// if that is not older than staleAfter: anybody may ask, and read slowly. As nobody reads for longer than longestScrape,
	// there are never more of a format than longestScrape / staleAfter beyond these.
	freshRenderings = 4
	staleAfter      = 15 * time.Second
)

// rendering is an answer. It is shared, so that nobody who reads it slowly keeps others from it, or from another one; and it is
// there while somebody is sent it, and no longer.
type rendering struct {
	small   []byte                 // as gzip
	plain   func() ([]byte, error) // made when somebody asks for it
	at      time.Time              // when the source had been asked
	readers atomic.Int64           // clients who are sent it
}

var errSlowSource = errors.New("it takes too long to find out how the backends are")

// rendering asks the source, or returns what somebody got from it after this was asked for. Who has it is one of its readers.
func (m *metrics) rendering(ctx context.Context, asked time.Time, format expfmt.Format) (*rendering, error) {
	if take(ctx, m.gathering) != nil {
		return nil, errSlowSource
	}
	defer func() { <-m.gathering }()
	m.held = slices.DeleteFunc(m.held, func(w weak.Pointer[rendering]) bool {
		r := w.Value()
		return r == nil || r.readers.Load() == 0
	})
	kind := format.FormatType()
	r := m.newest[kind].Value()
	if r == nil || !m.usable(r, asked) {
		s, err := gather(ctx, m.source)
		if err != nil && ctx.Err() != nil {
			return nil, errSlowSource
		}
		if err != nil {
			return nil, err
		}
		r = &rendering{at: time.Now()}
		if r.small, err = m.render(s, format); err != nil {
			return nil, err
		}
		r.plain = sync.OnceValues(r.inflate)
		m.newest[kind] = weak.Make(r)
	}
	r.readers.Add(1)
	if known := m.newest[kind]; !slices.Contains(m.held, known) {
		m.held = append(m.held, known)
	}
	return r, nil
}

// usable says whether who asked then can be given a rendering that there is.
func (m *metrics) usable(r *rendering, asked time.Time) bool {
	return r.at.After(asked) || len(m.held) >= freshRenderings && time.Since(r.at) < staleAfter
}

// render writes everything, as small as it can be had quickly.
func (m *metrics) render(s *snapshot, format expfmt.Format) ([]byte, error) {
	process, err := m.process.Gather()
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	small, _ := gzip.NewWriterLevel(&text, gzip.BestSpeed) // which is a level
	out := bufio.NewWriterSize(small, 64<<10)
	s.families(out)
	encoder := expfmt.NewEncoder(out, format)
	for _, family := range process {
		if err := encoder.Encode(family); err != nil {
			return nil, err
		}
	}
	if end, ok := encoder.(expfmt.Closer); ok { // OpenMetrics has a last line
		if err := end.Close(); err != nil {
			return nil, err
		}
	}
	err = errors.Join(out.Flush(), small.Close())
	return text.Bytes(), err
}

// inflate makes of it what clients are sent that do not understand gzip.
func (r *rendering) inflate() ([]byte, error) {
	in, err := gzip.NewReader(bytes.NewReader(r.small))
	if err != nil {
		return nil, err
	}
	plain := make([]byte, binary.LittleEndian.Uint32(r.small[len(r.small)-4:])) // its length is at the end (RFC 1952, 2.3.1)
	_, err = io.ReadFull(in, plain)
	return plain, err
}

// write sends it to a client in parts, each of which it has to take in time.
func (r *rendering) write(to *hurry, small bool) error {
	text := r.small
	if small {
		to.Header().Set("Content-Encoding", "gzip")
	} else {
		var err error
		if text, err = r.plain(); err != nil {
			return err
		}
	}
	for part := range slices.Chunk(text, 64<<10) {
		if _, err := to.Write(part); err != nil {
			return err
		}
	}
	return nil
}
