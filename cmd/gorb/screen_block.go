package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/reconcile"
)

// A block is what is said of a service: a title, a row for each backend and one for all, and remarks.
type block struct {
	title   string
	rows    []row
	remarks []string
}

// row is what is said of a backend.
type row struct {
	cells   []string // as columns
	remark  string   // what else there is to say, beside them
	beneath string   // and on a line of its own
}

// columns are the titles of the cells of a row, and how many of them, the first, are words; the others are numbers.
type columns struct {
	titles []string
	words  int
}

func (s *status) columns() columns {
	c := columns{[]string{"", "METHOD", "WEIGHT", "ACTIVE", "INACT", "PERSIST", "CONN/S", "PKT/S", "IN B/S", "OUT B/S"}, 2}
	if s.health != nil {
		c.titles, c.words = slices.Insert(c.titles, 1, "STATE"), 3
	}
	return c
}

// cells are those of a row.
func (s *status) cells(name, state, method, weight string, numbers ...[]string) []string {
	first := []string{"  " + name, state, method, weight}
	if s.health == nil {
		first = slices.Delete(first, 1, 2)
	}
	return append(first, slices.Concat(numbers...)...)
}

func (s *status) block(key kernel.ServiceKey) block {
	v, stats, health := s.table[key], s.stats[key], s.health[key]
	owned, isOwned := s.memory.Services[key]
	b := block{title: strings.Join(append([]string{titled(key, owned.Name) + ": " + v.Scheduler}, traits(key, v)...), ", ")}
	if !isOwned && !s.lost {
		b.title += "; not gorb's"
	}
	if source, held := s.held[reconcile.Ref{Service: key}]; held {
		b.title += "; held, " + short(source) + " leaves it out"
	}
	b.title += health.healthTitle()
	var total kernel.Conns
	var weight uint64
	for _, d := range reconcile.Canonical(v.Dests) {
		if s.shows(key, d.DestKey) {
			b.rows = append(b.rows, s.row(key, d, stats.Dests[d.DestKey], owned))
		}
		weight += uint64(d.Weight)
		total.Active += d.Conns.Active
		total.Inactive += d.Conns.Inactive
		total.Persistent += d.Conns.Persistent
		if d.Unknown != "" {
			b.remarks = append(b.remarks, fmt.Sprintf("gorb cannot edit %s: %s", d.DestKey, d.Unknown))
		}
	}
	for _, d := range health.absent(v.Dests) {
		if s.shows(key, d.DestKey) {
			b.rows = append(b.rows, s.absentRow(health, d.DestKey))
		}
	}
	name := "total"
	if len(v.Dests) == 0 && len(b.rows) == 0 {
		name = "no backends"
	}
	b.rows = append(b.rows, row{cells: s.cells(name, "", "", fmt.Sprint(weight), connCells(total), rateCells(stats.Stats))})
	if remark := s.waitRemark(health); remark != "" {
		b.remarks = append(b.remarks, remark)
	}
	if v.Unknown != "" {
		b.remarks = append(b.remarks, "gorb leaves it alone: "+v.Unknown)
	}
	if d, ok := reconcile.DriftOf(key, v); ok {
		b.remarks = append(b.remarks, fmt.Sprintf("order: %s (gorb reorder %s)", d, called(key, owned.Name)))
	}
	return b
}

// row is what is said of a backend that the kernel has.
func (s *status) row(key kernel.ServiceKey, d kernel.RealServer, stats kernel.Stats, o reconcile.Owned) row {
	b := s.health[key].of(d.DestKey)
	return row{
		cells: s.cells(nameCell(d.DestKey.String(), b), s.stateCell(b), methodOf(d.Dest), weightCell(fmt.Sprint(d.Weight), b),
			connCells(d.Conns), rateCells(stats)),
		remark:  s.remark(key, d, o),
		beneath: s.healthLine(b),
	}
}

// absentRow is what is said of a declared backend that the kernel does not have.
func (s *status) absentRow(h *serviceHealth, d kernel.DestKey) row {
	b := h.of(d)
	return row{
		cells: s.cells(nameCell(d.String(), b), s.stateCell(b), "-", weightCell("-", b),
			slices.Repeat([]string{"-"}, len(connCells(kernel.Conns{}))+len(rateCells(kernel.Stats{})))),
		remark:  h.absentRemark(b),
		beneath: s.healthLine(b),
	}
}

// writeBlocks writes blocks with their columns aligned.
func writeBlocks(w io.Writer, c columns, blocks []block) {
	widths := make([]int, len(c.titles))
	widen := func(cells []string) {
		for i, cell := range cells {
			widths[i] = max(widths[i], len(cell))
		}
	}
	widen(c.titles)
	for _, b := range blocks {
		for _, r := range b.rows {
			widen(r.cells)
		}
	}
	write := func(r row) {
		var line strings.Builder
		for i, cell := range r.cells {
			if i < c.words {
				fmt.Fprintf(&line, "%-*s  ", widths[i], cell)
				continue
			}
			fmt.Fprintf(&line, "%*s  ", widths[i], cell)
		}
		line.WriteString(r.remark)
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
		if r.beneath != "" {
			fmt.Fprintf(w, "    %s\n", r.beneath)
		}
	}
	write(row{cells: c.titles})
	for _, b := range blocks {
		fmt.Fprintln(w, b.title)
		for _, r := range b.rows {
			write(r)
		}
		for _, r := range b.remarks {
			fmt.Fprintf(w, "  %s\n", r)
		}
	}
}
