package spec

import (
	"fmt"
	"slices"
	"strings"
)

// oneOf expects one of a few words.
func oneOf[T ~string](c *checker, v any, words ...T) opt[T] {
	s, ok := v.(string)
	if ok && slices.Contains(words, T(s)) {
		return some(T(s))
	}
	known := make([]string, len(words))
	for i, w := range words {
		known[i] = string(w)
	}
	if c.describes(func(s *Schema) { s.words(known) }) {
		return opt[T]{}
	}
	if !ok {
		c.wrongType(v, "one of "+strings.Join(known, ", "))
	} else {
		c.notOneOf(s, known)
	}
	return opt[T]{}
}

func among(s string, words []string) bool { return slices.Contains(words, s) }

// notOneOf reports a word that is not known.
func (c *checker) notOneOf(s string, known []string) {
	if c.full() {
		c.more++
		return
	}
	if near, ok := nearest(s, known); ok {
		c.addf("%s is not known, did you mean %q?", quote(s), near)
		return
	}
	c.addf("%s is not known; known are %s", quote(s), strings.Join(known, ", "))
}

// unknownKey reports the key that the walk is at.
func (c *checker) unknownKey(key string, known []string) {
	if c.full() {
		c.more++
		return
	}
	near, ok := nearest(key, known)
	message := fmt.Sprintf("there is no such key, did you mean %q?", near)
	switch {
	case !ok:
		message = "there is no such key; there are " + strings.Join(known, ", ")
	case strings.EqualFold(key, near):
		message = fmt.Sprintf("there is no such key; it is written %q, case matters", near)
	}
	c.report.add(pending{path: c.at, kind: KindUnknownKey, message: message})
}
