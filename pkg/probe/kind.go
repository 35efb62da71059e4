package probe

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"sync"

	"github.com/gorb-io/gorb/pkg/spec"
)

// kinds are the kinds that there are, by the type of pulse. Each converts the args of a pulse, which are its own to keep,
// and writes down what of them decides what a check does.
var kinds = map[string]func(*Kinds, *spec.Args, *writing) recipe{
	spec.PulseTCP:   tcpKind,
	spec.PulseHTTP:  httpKind,
	spec.PulseHTTPS: httpsKind,
	spec.PulseExec:  execKind,
}

// recipe is what a kind makes of the args of a pulse. It serves all backends that have the pulse.
type recipe struct {
	make  func(spot) (Checker, error) // may be called from anywhere
	named bool                        // a check does something else for a backend of another name
	keeps bool                        // a checker keeps a connection between checks
}

// spot is what is checked of a backend.
type spot struct {
	ref  Ref
	addr netip.AddrPort
}

// compiling compiles a regular expression when it is needed first; "" is none.
func compiling(text string) func() (*regexp.Regexp, error) {
	if text == "" {
		return noRegexp
	}
	return sync.OnceValues(func() (*regexp.Regexp, error) { return regexp.Compile(text) })
}

func noRegexp() (*regexp.Regexp, error) { return nil, nil }

// writing is args in one form: those that were left out are left out, and others are another text.
type writing []byte

func (w *writing) key(key string) { *w = append(append(append(*w, ' '), key...), '=') }

// text writes an arg; "" was left out.
func (w *writing) text(key, value string) {
	if value != "" {
		w.key(key)
		*w = strconv.AppendQuoteToASCII(*w, value)
	}
}

// flag writes an arg that is true; false was left out.
func (w *writing) flag(key string, value bool) {
	if value {
		w.key(key)
		*w = append(*w, "true"...)
	}
}

// list writes an arg that is several texts.
func (w *writing) list(key string, values []string) {
	w.key(key)
	for i, v := range values {
		if i > 0 {
			*w = append(*w, ',')
		}
		*w = strconv.AppendQuoteToASCII(*w, v)
	}
}

// table writes an arg that is a table; an empty one was left out.
func (w *writing) table(key string, values map[string]string) {
	if len(values) == 0 {
		return
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		all = append(all, name, values[name])
	}
	w.list(key, all)
}

// leaving writes from where a check leaves.
func (w *writing) leaving(a *spec.Args) {
	if a.Source.IsValid() {
		w.text("source", a.Source.String())
	}
	if a.Mark != 0 {
		w.key("mark")
		*w = strconv.AppendUint(*w, uint64(a.Mark), 10)
	}
}

const (
	// maxWriting is how much of args stands as it is, because every backend has a copy: a body may have 64 KiB.
	maxWriting = 192
	// shown is how much of longer ones does; a sum stands for all of them.
	shown = 96
)

// shorten bounds the writing.
func (w *writing) shorten() {
	if len(*w) > maxWriting {
		*w = fmt.Appendf((*w)[:shown:shown], "... sha256=%x", sha256.Sum256(*w))
	}
}
