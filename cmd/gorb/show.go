package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/reconcile"
)

// printPlan prints a plan for people: what they should know on lines that begin with #, the operations as arguments of
// ipvsadm(8), and a summary.
func printPlan(w io.Writer, plan *reconcile.Plan) error {
	out := bufio.NewWriter(w)
	for _, a := range plan.Adopted {
		fmt.Fprintf(out, "# %s is in the table already, and becomes gorb's\n", title(plan, a.Key))
		for _, b := range a.Removes {
			fmt.Fprintf(out, "#   its backend %s is not declared and leaves (weight %d, %d active connections)\n",
				b.DestKey, b.Weight, b.Conns.Active)
		}
	}
	leaving := map[reconcile.Ref]reconcile.Draining{}
	for _, d := range plan.Draining {
		if d.Begun {
			fmt.Fprintf(out, "# draining: %s of %s, %d active and %d inactive connections, until %s\n",
				d.Dest, title(plan, d.Service), d.Conns.Active, d.Conns.Inactive, d.Until.Format(time.TimeOnly))
			continue
		}
		leaving[d.Ref] = d
	}
	for _, key := range plan.Leaving {
		fmt.Fprintf(out, "# %s is no longer declared, and goes when its backends have gone:\n# %s\n",
			title(plan, key), kernel.Op{Kind: kernel.DeleteService, Key: key})
	}
	for _, l := range plan.LeftAlone {
		fmt.Fprintf(out, "# leaves %s alone: %s\n", object(plan, l), l.Reason)
	}
	for _, a := range plan.Elsewhere {
		fmt.Fprintf(out, "# %s is not put on the vip_interface: it is on %s, put there by somebody else\n", a.Addr, a.Interface)
	}
	for _, problem := range plan.Problems {
		fmt.Fprintf(out, "# cannot be: %v\n", problem)
	}
	for step := range plan.Steps() {
		if step.Note != "" {
			fmt.Fprintf(out, "# %s\n", step.Note)
		}
		fmt.Fprintln(out, step)
		if d, ok := leaving[reconcile.Ref{Service: step.Op.Key, Dest: step.Op.DestKey}]; ok {
			fmt.Fprintf(out, "# and once it has no connections, after %s at the latest:\n# %s\n",
				duration(d.Until.Sub(d.Since)), deletion(d.Ref))
		}
	}
	fmt.Fprintln(out, summary(plan))
	return out.Flush()
}

// deletion is the operation that ends a drain.
func deletion(r reconcile.Ref) kernel.Op {
	return kernel.Op{Kind: kernel.DeleteDest, Key: r.Service, DestKey: r.Dest}
}

// title returns a service of a plan as it is spoken of.
func title(plan *reconcile.Plan, key kernel.ServiceKey) string { return titled(key, plan.Names[key]) }

// object returns what is left alone as it is spoken of.
func object(plan *reconcile.Plan, l reconcile.LeftAlone) string {
	if l.Dest == (kernel.DestKey{}) {
		return title(plan, l.Key)
	}
	return fmt.Sprintf("%s of %s", l.Dest, title(plan, l.Key))
}

// summary returns a plan in one line.
func summary(plan *reconcile.Plan) string {
	var parts []string
	if len(plan.Ops) > 0 {
		parts = append(parts, tally(plan.Ops))
	}
	if n := len(plan.HostOps()); n > 0 {
		parts = append(parts, plural(n, "change")+" around the table")
	}
	if len(parts) == 0 {
		parts = append(parts, "nothing to do")
	}
	if len(plan.Draining) > 0 {
		leaving := plural(len(plan.Draining), "backend")
		if n := len(plan.Leaving); n > 0 {
			leaving = plural(n, "service") + " and " + leaving
		}
		parts = append(parts, leaving+" leaving")
	}
	if len(plan.LeftAlone) > 0 {
		parts = append(parts, leftAlone(plan.LeftAlone)+" left alone")
	}
	if n := len(plan.Problems); n > 0 {
		parts = append(parts, plural(n, "declaration")+" that cannot be")
	}
	if n := len(plan.Foreign); n > 0 {
		parts = append(parts, plural(n, "other service")+" not gorb's and left alone")
	}
	return strings.Join(parts, "; ")
}

// leftAlone counts what is left alone in words: "1 service and 2 backends".
func leftAlone(list []reconcile.LeftAlone) string {
	services, backends := 0, 0
	for _, l := range list {
		if l.Dest == (kernel.DestKey{}) {
			services++
		} else {
			backends++
		}
	}
	var parts []string
	if services > 0 {
		parts = append(parts, plural(services, "service"))
	}
	if backends > 0 {
		parts = append(parts, plural(backends, "backend"))
	}
	return strings.Join(parts, " and ")
}

// duration writes a duration without the zeros that Go adds: "5m", not "5m0s".
func duration(d time.Duration) string {
	s := d.Round(time.Second).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// tally counts operations in words: "2 services and 5 backends to add, 1 backend to change".
func tally(ops []kernel.Op) string {
	counts := map[kernel.OpKind]int{}
	for _, op := range ops {
		counts[op.Kind]++
	}
	var parts []string
	for _, verb := range []struct {
		text               string
		services, backends kernel.OpKind
	}{
		{"to add", kernel.AddService, kernel.AddDest},
		{"to change", kernel.EditService, kernel.EditDest},
		{"to delete", kernel.DeleteService, kernel.DeleteDest},
	} {
		var things []string
		if n := counts[verb.services]; n > 0 {
			things = append(things, plural(n, "service"))
		}
		if n := counts[verb.backends]; n > 0 {
			things = append(things, plural(n, "backend"))
		}
		if len(things) > 0 {
			parts = append(parts, strings.Join(things, " and ")+" "+verb.text)
		}
	}
	return strings.Join(parts, ", ")
}

// planJSON is the JSON of plan.
type planJSON struct {
	Operations []opJSON        `json:"operations"`
	Draining   []drainingJSON  `json:"draining"`
	Leaving    []string        `json:"leaving"` // services that go when their backends have gone
	Adopted    []adoptedJSON   `json:"adopted"`
	LeftAlone  []leftAloneJSON `json:"left_alone"`
	Foreign    []string        `json:"foreign"`
	Elsewhere  []elsewhereJSON `json:"elsewhere"` // addresses of services on other interfaces than the declared one
	Problems   []string        `json:"problems"`  // what is declared and cannot be here
	Summary    string          `json:"summary"`
}

type opJSON struct {
	Args    string `json:"args,omitempty"`    // of ipvsadm(8), for an operation on the table
	Command string `json:"command,omitempty"` // for one around it
	Service string `json:"service,omitempty"`
	Name    string `json:"name,omitempty"`
	Backend string `json:"backend,omitempty"`
	Note    string `json:"note,omitempty"`
	Error   string `json:"error,omitempty"`
}

type drainingJSON struct {
	Service  string    `json:"service"`
	Name     string    `json:"name,omitempty"`
	Backend  string    `json:"backend"`
	Active   uint32    `json:"active"`
	Inactive uint32    `json:"inactive"`
	Begun    bool      `json:"begun"`
	Until    time.Time `json:"until"`
	Then     string    `json:"then"`
}

type adoptedJSON struct {
	Service string   `json:"service"`
	Name    string   `json:"name"`
	Removes []string `json:"removes"`
}

type elsewhereJSON struct {
	Address   string `json:"address"`
	Interface string `json:"interface"`
}

type leftAloneJSON struct {
	Service string `json:"service"`
	Name    string `json:"name,omitempty"`
	Backend string `json:"backend,omitempty"` // where only that is left alone
	Reason  string `json:"reason"`
}

func newPlanJSON(plan *reconcile.Plan) planJSON {
	out := planJSON{
		Operations: []opJSON{}, Draining: drainingList(plan), Leaving: keyList(plan.Leaving), Adopted: []adoptedJSON{},
		LeftAlone: []leftAloneJSON{}, Foreign: keyList(plan.Foreign), Elsewhere: []elsewhereJSON{}, Problems: []string{},
		Summary: summary(plan),
	}
	for step := range plan.Steps() {
		out.Operations = append(out.Operations, newOpJSON(plan, step))
	}
	for _, a := range plan.Elsewhere {
		out.Elsewhere = append(out.Elsewhere, elsewhereJSON{a.Addr.String(), a.Interface})
	}
	for _, problem := range plan.Problems {
		out.Problems = append(out.Problems, problem.Error())
	}
	for _, a := range plan.Adopted {
		removes := []string{}
		for _, b := range a.Removes {
			removes = append(removes, b.DestKey.String())
		}
		out.Adopted = append(out.Adopted, adoptedJSON{a.Key.String(), plan.Names[a.Key], removes})
	}
	for _, l := range plan.LeftAlone {
		j := leftAloneJSON{Service: l.Key.String(), Name: plan.Names[l.Key], Reason: l.Reason}
		if l.Dest != (kernel.DestKey{}) {
			j.Backend = l.Dest.String()
		}
		out.LeftAlone = append(out.LeftAlone, j)
	}
	return out
}

func keyList(keys []kernel.ServiceKey) []string {
	list := []string{}
	for _, key := range keys {
		list = append(list, key.String())
	}
	return list
}

func newOpJSON(plan *reconcile.Plan, step reconcile.Step) opJSON {
	if step.Host != nil {
		return opJSON{Command: step.String(), Note: step.Note}
	}
	op := step.Op
	o := opJSON{Args: op.String(), Service: op.Key.String(), Name: plan.Names[op.Key], Note: step.Note}
	if op.DestKey != (kernel.DestKey{}) {
		o.Backend = op.DestKey.String()
	}
	return o
}

func drainingList(plan *reconcile.Plan) []drainingJSON {
	list := []drainingJSON{}
	for _, d := range plan.Draining {
		list = append(list, drainingJSON{
			Service: d.Service.String(), Name: plan.Names[d.Service], Backend: d.Dest.String(),
			Active: d.Conns.Active, Inactive: d.Conns.Inactive, Begun: d.Begun, Until: d.Until,
			Then: deletion(d.Ref).String(),
		})
	}
	return list
}
