package sources

import (
	"errors"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// urlError is why a request gave nothing.
type urlError struct {
	name string
	text string // clean: what a server or a network said is in it
	err  error
}

func (e *urlError) Error() string { return e.name + ": " + e.text }
func (e *urlError) Unwrap() error { return e.err }

// local is the side of a connection that is another at every attempt, in what package net says of it.
var local = regexp.MustCompile(`\S+:[0-9]+->`)

// failed names the source before an error, leaves out what must not be said and makes the rest fit to be printed.
func (u *URL) failed(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // the address has been said, and its query must not be
	}
	text := local.ReplaceAllString(err.Error(), "")
	for _, secret := range u.hidden {
		text = strings.ReplaceAll(text, secret, "[hidden]")
	}
	return &urlError{name: u.name, text: said(text), err: err}
}

// steady is what two errors have in common that are the same failure twice. What a page says beside its status may be a
// time or the number of the request, and so may what the network says: the numbers in it count for nothing.
func steady(err error) string {
	if e, ok := errors.AsType[*statusError](err); ok {
		return e.status
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return -1
		}
		return r
	}, err.Error())
}

// said is what somebody else said, fit for a line of a log: short, and without anything that a terminal obeys.
func said(text string) string {
	var b strings.Builder
	n := 0
	for _, r := range text {
		if n++; n > maxSaid {
			b.WriteString("…")
			break
		}
		if unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRune(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}
