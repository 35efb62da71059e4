package kernel

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// field is one attribute of a T, in both directions.
type field[T any] struct {
	put  func(b []byte, t *T) []byte              // appends the value
	take func(v []byte, t *T, c *codec) (ok bool) // reads it; not ok if it has another length than it should
}

// fields are the attributes of a T by their numbers. What has no field there is not known.
type fields[T any] []field[T]

// attrSet is a set of attribute numbers under 32.
type attrSet uint32

func attrsOf(numbers ...uint) (s attrSet) {
	for _, n := range numbers {
		s |= 1 << n
	}
	return s
}

func (s attrSet) has(number uint) bool { return s&(1<<number) != 0 }

// codec is what coding needs beside the bytes, kept from one message to the next.
type codec struct {
	stats bool              // whether to decode statistics
	names map[string]string // those met before: each is allocated once

	// What a message is put together from, or taken apart to. Here it is allocated once.
	svc serviceAttrs
	dst destAttrs
}

// maxNames bounds what a codec remembers. There are some fifteen schedulers, and one persistence engine.
const maxNames = 64

// name returns what stands before the first zero byte.
func (c *codec) name(v []byte) string {
	if i := bytes.IndexByte(v, 0); i >= 0 {
		v = v[:i]
	}
	if s, ok := c.names[string(v)]; ok {
		return s
	}
	if c.names == nil || len(c.names) >= maxNames {
		c.names = make(map[string]string)
	}
	s := string(v)
	c.names[s] = s
	return s
}

// append appends those attributes of t that are in which, in the order of their numbers.
func (f fields[T]) append(b []byte, t *T, which attrSet) []byte {
	for n := range uint(len(f)) {
		if which.has(n) {
			start := len(b)
			b = endAttr(f[n].put(beginAttr(b), t), start, uint16(n))
		}
	}
	return b
}

// decode reads a list of attributes into t. It returns which there were, and in unknown a sentence on the first of
// those that it cannot read: t is then not the whole truth. An error means that the list is none.
func (f fields[T]) decode(b []byte, t *T, c *codec) (had attrSet, unknown string, err error) {
	for len(b) >= attrSize {
		n, v, rest, err := nextAttr(b)
		if err != nil {
			return had, unknown, err
		}
		b = rest
		switch {
		case int(n) >= len(f) || f[n].take == nil:
			if unknown == "" {
				unknown = unknownAttr(n)
			}
		case !f[n].take(v, t, c):
			if unknown == "" {
				unknown = fmt.Sprintf("its attribute %d is %d bytes long, which this gorb does not know how to read", n, len(v))
			}
		default:
			had |= 1 << n
		}
	}
	return had, unknown, nil
}

func unknownAttr(n uint16) string {
	return fmt.Sprintf("it has the attribute %d, which this gorb does not know", n)
}

func field8[T any](at func(*T) *uint8) field[T] {
	return field[T]{
		put: func(b []byte, t *T) []byte { return append(b, *at(t)) },
		take: func(v []byte, t *T, _ *codec) bool {
			if len(v) != 1 {
				return false
			}
			*at(t) = v[0]
			return true
		},
	}
}

// field16 is a number in the byte order given: that of the machine, or for ports of the network.
func field16[T any](order interface {
	binary.ByteOrder
	binary.AppendByteOrder
}, at func(*T) *uint16,
) field[T] {
	return field[T]{
		put: func(b []byte, t *T) []byte { return order.AppendUint16(b, *at(t)) },
		take: func(v []byte, t *T, _ *codec) bool {
			if len(v) != 2 {
				return false
			}
			*at(t) = order.Uint16(v)
			return true
		},
	}
}

func field32[T any](at func(*T) *uint32) field[T] {
	return field[T]{
		put: func(b []byte, t *T) []byte { return binary.NativeEndian.AppendUint32(b, *at(t)) },
		take: func(v []byte, t *T, _ *codec) bool {
			if len(v) != 4 {
				return false
			}
			*at(t) = binary.NativeEndian.Uint32(v)
			return true
		},
	}
}

// fieldCounter is a counter of 64 bits. The older form of statistics has 32 for most.
func fieldCounter[T any](at func(*T) *uint64) field[T] {
	return field[T]{
		put: func(b []byte, t *T) []byte { return binary.NativeEndian.AppendUint64(b, *at(t)) },
		take: func(v []byte, t *T, _ *codec) bool {
			switch len(v) {
			case 4:
				*at(t) = uint64(binary.NativeEndian.Uint32(v))
			case 8:
				*at(t) = binary.NativeEndian.Uint64(v)
			default:
				return false
			}
			return true
		},
	}
}

// fieldBytes is a value of a certain length, such as an address. A shorter one is kept, so that its object can be
// named.
func fieldBytes[T any](at func(*T) []byte) field[T] {
	return field[T]{
		put: func(b []byte, t *T) []byte { return append(b, at(t)...) },
		take: func(v []byte, t *T, _ *codec) bool {
			to := at(t)
			clear(to[copy(to, v):])
			return len(v) == len(to)
		},
	}
}

// fieldName is a string with a zero byte at its end.
func fieldName[T any](at func(*T) *string) field[T] {
	return field[T]{
		put: func(b []byte, t *T) []byte { return append(append(b, *at(t)...), 0) },
		take: func(v []byte, t *T, c *codec) bool {
			*at(t) = c.name(v)
			return true
		},
	}
}

// fieldStats is a list of statistics. What in it is not known is passed over: no edit could reset it.
func fieldStats[T any](at func(*T) *Stats) field[T] {
	return field[T]{
		put: func(b []byte, t *T) []byte { return statsFields.append(b, at(t), allStats) },
		take: func(v []byte, t *T, c *codec) bool {
			if !c.stats {
				return true
			}
			_, _, err := statsFields.decode(v, at(t), c)
			return err == nil
		},
	}
}
