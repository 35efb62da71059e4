package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/gorb-io/gorb/pkg/httpapi"
	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/reconcile"
	"github.com/gorb-io/gorb/pkg/spec"
)

// late is from where on it is said that checks are late. A little of it is that they are spread.
const late = 2 * time.Second

// serviceHealth is what the gorb that runs says of a service's backends.
type serviceHealth struct {
	httpapi.ServiceState
	backends map[kernel.DestKey]*httpapi.BackendHealth
}

// askHealth asks the gorb that keeps this table how the backends are, and notes why that is not known. Of a part of the
// table it asks for no more.
func (s *status) askHealth(ctx context.Context, a *asking) {
	if s.daemon == nil || s.daemon.Health == nil {
		return
	}
	names := url.Values{}
	for _, c := range s.chosen {
		for _, key := range c.keys {
			if name := s.memory.Services[key].Name; name != "" {
				names.Add("service", name)
			}
		}
	}
	if s.chosen != nil && len(names) == 0 {
		return // no others are checked
	}
	var answer httpapi.Health
	if s.unchecked = a.do(ctx, "GET", "/health?"+names.Encode(), nil, &answer); s.unchecked == nil {
		s.health, s.healthList = healthByKey(&answer), answer.Services
	}
}

// healthByKey sorts what is said of backends by what the kernel knows them by.
func healthByKey(h *httpapi.Health) map[kernel.ServiceKey]*serviceHealth {
	all := make(map[kernel.ServiceKey]*serviceHealth, len(h.Services))
	for i := range h.Services {
		service := &h.Services[i]
		of := &serviceHealth{service.ServiceState, make(map[kernel.DestKey]*httpapi.BackendHealth, len(service.Backends))}
		for j := range service.Backends {
			b := &service.Backends[j]
			of.backends[kernel.DestKey{Addr: b.Address}] = b
		}
		all[of.key()] = of
	}
	return all
}

// key is what the kernel knows the service by.
func (h *serviceHealth) key() kernel.ServiceKey {
	return reconcile.KeyOf(&spec.Service{Protocol: h.Protocol, Host: h.Host, Port: h.Port, Fwmark: h.Fwmark, Family: h.Family})
}

// of is what is said of a backend; nil: nothing is.
func (h *serviceHealth) of(d kernel.DestKey) *httpapi.BackendHealth {
	if h == nil {
		return nil
	}
	return h.backends[d]
}

// absent are the declared backends that are not among those of the kernel.
func (h *serviceHealth) absent(in []kernel.RealServer) []kernel.RealServer {
	if h == nil {
		return nil
	}
	there := make(map[netip.AddrPort]bool, len(in))
	for _, d := range in {
		there[d.Addr] = true
	}
	var out []kernel.RealServer
	for key := range h.backends {
		if !there[key.Addr] {
			out = append(out, kernel.RealServer{DestKey: key})
		}
	}
	return reconcile.Canonical(out)
}

// printChecks writes how the checks are as a whole, and what is wrong with them.
func (s *status) printChecks(w io.Writer) {
	h := s.daemon.Health
	if h == nil {
		return
	}
	c := h.Backends
	if c.Up+c.Down+c.Unanswered == 0 && h.Engine.Probes == 0 {
		fmt.Fprintln(w, "checks: no backend is checked")
	} else {
		newest := "no result yet"
		if !h.Engine.Newest.IsZero() {
			newest = "newest result " + brief(s.now.Sub(h.Engine.Newest)) + " ago"
		}
		fmt.Fprintf(w, "checks: %s, %s; %s\n", plural(c.Up+c.Down+c.Unanswered, "backend"), countWords(c), newest)
	}
	if by := time.Duration(h.Engine.LateMS) * time.Millisecond; by >= late {
		text := fmt.Sprintf("they are late: one has been due for %s", duration(by))
		if n := h.Engine.Queued; n > 0 {
			text += fmt.Sprintf(", and %d wait for others to end ([probe] max_checks, max_exec)", n)
		}
		fmt.Fprintf(w, "  %s\n", text)
	}
	if n := h.Engine.Stuck; n > 0 {
		fmt.Fprintf(w, "  %s not ended though the timeout is over\n", plural(n, "check"))
	}
	if n := h.Engine.Unmade; n > 0 {
		fmt.Fprintf(w, "  the last check of %s could not be made, and says nothing\n", plural(n, "backend"))
	}
	if h.AllDown.Count > 0 {
		fmt.Fprintf(w, "  all backends are down: %s\n", names(h.AllDown.Names, h.AllDown.Count))
	}
	if h.Waiting.Count > 0 {
		fmt.Fprintf(w, "  what is to leave waits for a backend that stays to come up: %s\n", names(h.Waiting.Names, h.Waiting.Count))
	}
	if s.unchecked != nil {
		fmt.Fprintf(w, "  how each backend is cannot be shown: %s\n", short(s.unchecked.Error()))
	}
}

// printHealth writes how the backends are where the kernel's table cannot be read.
func (s *status) printHealth(w io.Writer) {
	if len(s.healthList) == 0 {
		return
	}
	var blocks []block
	for i := range s.healthList {
		h := &s.healthList[i]
		of := &serviceHealth{ServiceState: h.ServiceState}
		b := block{title: titled(of.key(), h.Name) + of.healthTitle()}
		if remark := s.waitRemark(of); remark != "" {
			b.remarks = append(b.remarks, remark)
		}
		for j := range h.Backends {
			has := &h.Backends[j]
			weight := "?"
			if has.Effective != nil {
				weight = fmt.Sprint(*has.Effective)
			}
			b.rows = append(b.rows, row{
				cells:   []string{"  " + nameCell(has.Address.String(), has), s.stateCell(has), weightCell(weight, has)},
				beneath: s.healthLine(has),
			})
		}
		blocks = append(blocks, b)
	}
	fmt.Fprintln(w)
	writeBlocks(w, columns{[]string{"", "STATE", "WEIGHT"}, 2}, blocks)
}

// countWords is how many checked backends are in which state: "17 up, 3 down".
func countWords(c httpapi.Counts) string {
	text := fmt.Sprintf("%d up", c.Up)
	if c.Down > 0 {
		text += fmt.Sprintf(", %d down", c.Down)
	}
	if c.Unanswered > 0 {
		text += fmt.Sprintf(", %d unanswered", c.Unanswered)
	}
	return text
}

// healthTitle is what stands out in the title of a service.
func (h *serviceHealth) healthTitle() string {
	text := ""
	if h != nil && h.AllDown {
		text += "; ALL DOWN"
	}
	if h != nil && h.Waiting != nil {
		text += "; what is to leave waits"
	}
	return text
}

// waitRemark says what that which is to leave waits for; "": nothing does.
func (s *status) waitRemark(h *serviceHealth) string {
	if h == nil || h.Waiting == nil {
		return ""
	}
	text := fmt.Sprintf("what is to leave waits since %s: %s", s.clock(h.Waiting.Since), short(h.Waiting.Why))
	if !h.Waiting.Until.IsZero() {
		text += "; it waits until " + s.clock(h.Waiting.Until) + " at the longest"
	}
	return text
}

// healthLine is what else there is to say of a backend: why it has not its whole weight, and of its checks what was not
// good. Where a part of the table was asked for, it is everything.
func (s *status) healthLine(b *httpapi.BackendHealth) string {
	if b == nil || b.State == httpapi.Unchecked {
		return ""
	}
	var parts []string
	if why := whyText(b); why != "" {
		parts = append(parts, short(why))
	}
	if r := b.Last; r != nil && r.Outcome != httpapi.CheckOK && !strings.Contains(b.Why, r.Text) {
		what := "its last check failed: "
		if r.Outcome == httpapi.CheckUnmade {
			what = "its last check could not be made: "
		}
		parts = append(parts, what+short(r.Text))
	}
	share := fmt.Sprintf("%d of the last %d checks were good", b.Good, b.Of)
	if b.Of > 1 && (b.Good < b.Of || s.chosen != nil) && !strings.Contains(b.Why, share) {
		parts = append(parts, share)
	}
	if s.chosen != nil {
		by := fmt.Sprintf("checked by %s %s", b.Check.Type, short(b.Check.Target))
		if r := b.Last; r != nil {
			by += fmt.Sprintf(", last %s ago in %s", brief(s.now.Sub(r.At)), took(r.TookMS))
		}
		parts = append(parts, by)
	}
	return strings.Join(parts, "; ")
}

// whyText is why a backend has the weight that it has. One that has its whole weight without an answer needs a word as well.
func whyText(b *httpapi.BackendHealth) string {
	switch {
	case b.Why != "" || b.State != httpapi.Unanswered:
		return b.Why
	case b.Of > 0:
		return "not known yet"
	}
	return "not checked yet"
}

// absentRemark says why a declared backend is not in the kernel, as far as health knows.
func (h *serviceHealth) absentRemark(b *httpapi.BackendHealth) string {
	if h.OnDown == "remove" && b.State == httpapi.Down {
		return "taken out while it is down"
	}
	return "not in the kernel"
}
