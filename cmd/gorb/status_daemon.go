package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/gorb-io/gorb/pkg/httpapi"
	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/reconcile"
	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// How much of a long list is shown; the rest is counted.
const (
	mostSources = 20
	mostNames   = 10
	mostLines   = 10
	mostText    = 500 // bytes of a line that somebody else wrote
)

// ask asks the gorb that keeps this table, and notes why it cannot be asked.
func (s *status) ask(ctx context.Context, a *asking) {
	s.socket = a.socket
	var answer httpapi.Status
	if s.unasked = a.do(ctx, "GET", "/status", nil, &answer); s.unasked != nil {
		return
	}
	if where, err := place(); err == nil && a.server == "" && where != (reconcile.Place{BootID: answer.Table.BootID, Namespace: answer.Table.Namespace}) {
		s.unasked = fmt.Errorf("%s: the gorb there keeps the table of another network namespace; --socket names another", a.socket)
		return
	}
	s.daemon = &answer
	if !slices.ContainsFunc(answer.Sources, func(s httpapi.Source) bool { return s.Held != nil }) {
		return
	}
	var list httpapi.HeldList
	if s.unasked = a.do(ctx, "GET", "/held", nil, &list); s.unasked != nil {
		return
	}
	s.held = make(map[reconcile.Ref]string, len(list.Held))
	for _, h := range list.Held {
		ref := reconcile.Ref{Service: reconcile.KeyOf(&spec.Service{
			Protocol: h.Protocol, Host: h.Host, Port: h.Port, Fwmark: h.Fwmark, Family: h.Family,
		})}
		if h.Backend.IsValid() {
			ref.Dest = kernel.DestKey{Addr: h.Backend}
		}
		s.held[ref] = h.Source
	}
}

// stateDir is that of the gorb that runs; "": it has none, or cannot be asked.
func (s *status) stateDir() string {
	if s.daemon == nil {
		return ""
	}
	return s.daemon.StateDir
}

// printDaemon writes what the gorb that runs knows, or why it cannot be asked.
func (s *status) printDaemon(w io.Writer) {
	if s.daemon == nil {
		if errors.Is(s.unasked, httpapi.ErrNoDaemon) {
			fmt.Fprintf(w, "no gorb runs that can be asked at %s (--socket names another place)\n", s.socket)
		} else {
			fmt.Fprintf(w, "the gorb that runs cannot be asked: %s\n", short(s.unasked.Error()))
		}
		return
	}
	d := s.daemon
	state := "ready"
	if !d.Ready {
		state = "not ready"
	}
	fmt.Fprintf(w, "gorb %s (pid %d): %s\n", short(d.Version), d.PID, state)
	for _, reason := range d.NotReady {
		fmt.Fprintf(w, "  %s\n", short(reason))
	}
	if s.unasked != nil {
		fmt.Fprintf(w, "  what is held is not marked below: %s\n", short(s.unasked.Error()))
	}
	if !d.Table.LastPass.IsZero() {
		fmt.Fprintf(w, "last pass %s, the last over the whole table %s; %s\n",
			s.ago(d.Table.LastPass), s.ago(d.Table.WholePass), plural(d.Table.Failed, "problem"))
		lines(w, "  ", d.Table.Problems, d.Table.Failed)
	}
	s.printListening(w)
	s.printChecks(w)
	s.printSources(w)
	// What is refused of a source is said beneath it.
	isRefused := func(s httpapi.Source) bool { return s.State == sources.Refused }
	if d.Refused != "" && !slices.ContainsFunc(d.Sources, isRefused) {
		fmt.Fprintln(w, "the newest configuration is refused, and the last good one counts:")
		text := strings.Split(d.Refused, "\n")
		lines(w, "  ", text, len(text))
	}
	if d.Doubted > 0 {
		fmt.Fprintf(w, "files are in doubt: %s would leave, and they are read again before that counts\n", plural(d.Doubted, "service"))
	}
	s.printOverrides(w)
	s.printConsul(w)
}

// printListening writes where the API is to be had over TCP, where it is to be.
func (s *status) printListening(w io.Writer) {
	l := s.daemon.API
	switch {
	case l == nil:
	case l.Error != "":
		fmt.Fprintf(w, "the API does not listen at %s, and it is tried again: %s\n", short(l.Listen), short(l.Error))
	case l.TLS:
		fmt.Fprintf(w, "the API listens at %s, with TLS\n", short(l.Listen))
	default:
		fmt.Fprintf(w, "the API listens at %s\n", short(l.Listen))
	}
}

// printConsul writes how the registration with Consul is, where there is to be one.
func (s *status) printConsul(w io.Writer) {
	c := s.daemon.Consul
	if c == nil {
		return
	}
	fmt.Fprintf(w, "registration with Consul at %s: %s for %s; %s registered\n",
		short(c.Address), c.State, duration(max(0, s.now.Sub(c.Since))), plural(c.Registered, "service"))
	if c.Error != "" {
		said := strings.Split(c.Error, "\n")
		lines(w, "  ", said, len(said))
	}
}

// printSources writes a line for each source, the lowest layer first, and what is wrong with it.
func (s *status) printSources(w io.Writer) {
	list := s.daemon.Sources
	if len(list) == 0 {
		return
	}
	shown := worthShowing(list)
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SOURCE\tSTATE\tSINCE\tLAST GOOD\tVERSION")
	for _, source := range shown {
		version := "-"
		if source.Version != "" {
			version = short(source.Version)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n",
			cell(source.Name), source.State, s.ago(source.Since), s.ago(source.Good), cell(version))
	}
	_ = table.Flush() // into memory
	rows := strings.SplitAfter(text.String(), "\n")
	fmt.Fprint(w, rows[0])
	for i, source := range shown {
		fmt.Fprint(w, rows[i+1])
		if source.Error != "" {
			said := strings.Split(source.Error, "\n")
			lines(w, "  ", said, len(said))
		}
		if h := source.Held; h != nil {
			fmt.Fprintf(w, "  holds the removal of %d of %d: %s; asked again %s\n", h.Count, h.Of,
				names(h.Names, h.Count), s.at(h.Until))
			fmt.Fprintf(w, "  they go at once with: gorb accept %s\n", shellWord(source.Name))
		}
	}
	if n := len(list) - len(shown); n > 0 {
		fmt.Fprintf(w, "and %s besides\n", plural(n, "source"))
	}
}

// worthShowing is the sources that are shown: all, or if they are many those that are not good first.
func worthShowing(list []httpapi.Source) []httpapi.Source {
	spare := len(list) - mostSources
	shown := make([]httpapi.Source, 0, mostSources)
	for _, source := range slices.Backward(list) {
		if well := source.State == sources.Good && source.Held == nil; well && spare > 0 {
			spare--
			continue
		}
		shown = append(shown, source)
	}
	slices.Reverse(shown)
	return shown[:min(len(shown), mostSources)]
}

// printOverrides writes how many overrides there are, and which have no effect.
func (s *status) printOverrides(w io.Writer) {
	d := s.daemon
	if d.Overrides == 0 {
		fmt.Fprintln(w, "no overrides")
		return
	}
	fmt.Fprintln(w, plural(d.Overrides, "override"))
	if n := len(d.Dangling); n > 0 {
		fmt.Fprintf(w, "  %d dangling, because the object is gone: %s\n", n, names(d.Dangling, n))
	}
	if n := len(d.Idle); n > 0 {
		fmt.Fprintf(w, "  %d idle, because what they hide is not there: %s\n", n, names(d.Idle, n))
	}
	if n := len(d.Aside); n > 0 {
		fmt.Fprintf(w, "  %d set aside, because they do not go with the documents:\n", n)
		var said []string
		for _, a := range d.Aside[:min(n, mostLines)] {
			said = append(said, a.Object+": "+a.Error)
		}
		lines(w, "    ", said, n)
	}
}

// lines writes some lines that somebody else wrote, and how many of all are left out.
func lines(w io.Writer, indent string, list []string, all int) {
	list = list[:min(len(list), mostLines)]
	for _, text := range list {
		fmt.Fprintf(w, "%s%s\n", indent, short(text))
	}
	if n := all - len(list); n > 0 {
		fmt.Fprintf(w, "%sand %d more\n", indent, n)
	}
}

// names is the first of some names, and how many of all are left out.
func names(list []string, all int) string {
	list = list[:min(len(list), mostNames)]
	text := make([]string, len(list))
	for i, name := range list {
		text[i] = short(name)
	}
	if n := all - len(list); n > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(text, ", "), n)
	}
	return strings.Join(text, ", ")
}

// short is a text that somebody else wrote: on one line, and not too long.
func short(text string) string {
	text = line(text)
	if len(text) > mostText {
		text = strings.ToValidUTF8(text[:mostText], "") + "…"
	}
	return text
}

// cell is short for a cell of a table.
func cell(text string) string { return strings.ReplaceAll(short(text), "\t", `\t`) }

// shellWord is a word that a shell takes for what it is.
func shellWord(word string) string {
	plainByte := func(r rune) bool { return !strings.ContainsRune(" \t\n'\"\\$`*?[]();&|<>~#!{}", r) }
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plainByte(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(short(word), "'", `'\''`) + "'"
}

// ago is how long ago something was.
func (s *status) ago(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return duration(max(0, s.now.Sub(t))) + " ago"
}

// at is when something will be.
func (s *status) at(t time.Time) string {
	if wait := t.Sub(s.now); wait > 0 {
		return "in " + duration(wait)
	}
	return "now"
}
