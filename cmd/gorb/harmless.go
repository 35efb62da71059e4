package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// harmless is a writer to what may be a terminal. Much of what gorb prints was written elsewhere: names, reasons, what a server
// answered. A terminal obeys the control characters in that, so they are written as \u001b, which JSON and TOML read as the
// character that it was; newlines and tabs stay.
type harmless struct {
	mu   sync.Mutex // guards everything below
	out  io.Writer
	half []byte // the beginning of a character, whose rest is to come
}

// Write does what io.Writer says.
func (p *harmless) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := b
	if len(p.half) > 0 {
		text, p.half = append(p.half, b...), nil
	}
	if cut := halfRune(text); cut > 0 {
		p.half = append(p.half, text[len(text)-cut:]...)
		text = text[:len(text)-cut]
	}
	if err := p.write(text); err != nil {
		return 0, err
	}
	return len(b), nil
}

// end writes what is left.
func (p *harmless) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.write(p.half) // there is nobody left to be told
	p.half = nil
}

func (p *harmless) write(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	if isPlain(text) {
		_, err := p.out.Write(text)
		return err
	}
	_, err := io.WriteString(p.out, plainText(string(text)))
	return err
}

// halfRune is how many bytes at the end of a text begin a character that is not all there.
func halfRune(text []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if last := text[len(text)-n:]; utf8.RuneStart(last[0]) {
			if !utf8.FullRune(last) {
				return n
			}
			break
		}
	}
	return 0
}

// isPlain says whether a text is of printable ASCII, tabs and newlines, as nearly all are.
func isPlain(text []byte) bool {
	for _, c := range text {
		if c != '\n' && c != '\t' && (c < ' ' || c > '~') {
			return false
		}
	}
	return true
}

// plainText is a text without control characters but newlines and tabs, and without what is no UTF-8. What reverses the
// direction of writing counts as one.
func plainText(text string) string {
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == '\n' || r == '\t':
			b.WriteRune(r)
		case r == utf8.RuneError:
			if _, size := utf8.DecodeRuneInString(text[i:]); size == 1 {
				fmt.Fprintf(&b, `\x%02x`, text[i])
				continue
			}
			b.WriteRune(r)
		case r <= 0xffff && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// line is a text that somebody else wrote, on one line.
func line(text string) string { return strings.ReplaceAll(text, "\n", `\n`) }
