package reconcile

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/spec"
)

// TestIncomplete has a gorb start that has not heard every source: it adds and edits, and removes nothing until it has.
func TestIncomplete(t *testing.T) {
	h := newHosted(t, Memory{})
	d := onDummy(webService("10.1.0.1:80", "10.1.0.2:80"))
	other := d.Services[0]
	other.Name, other.Port = "other", 81
	d.Services = append(d.Services, other)
	d.IPVS.Backup = &spec.SyncDaemon{Interface: "lo"}
	mustPass(t, h.Keeper, d)
	ops := len(h.host.Ops())

	part := onDummy(webService("10.1.0.1:80", "10.1.0.3:80"))
	part.Services[0].Method = "rr"
	part.Incomplete = true
	for _, o := range []Options{{}, {NoDrain: true}, {Flush: true}} {
		r, err := h.Pass(t.Context(), part, o)
		if err != nil || len(r.Errs) > 0 || len(r.Plan.Draining) > 0 {
			t.Fatalf("%v, %v; draining %v", err, r.Errs, r.Plan.Draining)
		}
	}
	web, other81 := h.table.model[web], h.table.model[key("10.0.0.1:81")]
	if web.Scheduler != "rr" || len(web.Dests) != 3 || len(other81.Dests) != 2 {
		t.Errorf("there is %v and %v", web, other81)
	}
	for _, b := range append(web.Dests, other81.Dests...) {
		if b.Weight != 100 {
			t.Errorf("%s has weight %d", b.DestKey, b.Weight)
		}
	}
	mustPass(t, h.Keeper, onDummy(&spec.Desired{Incomplete: true}))
	if !h.has(vip) || len(h.host.Ops()) != ops {
		t.Errorf("done on the host: %v", h.host.Ops()[ops:])
	}

	part.Incomplete = false
	part.IPVS = d.IPVS
	if _, err := h.Pass(t.Context(), part, Options{NoDrain: true}); err != nil {
		t.Fatal(err)
	}
	if web := h.table.model[key("10.0.0.1:80")]; len(web.Dests) != 2 || len(h.table.model) != 1 {
		t.Errorf("once all is heard there is %v", h.table.model)
	}
}

// TestIncompleteFlush has -f wait until every source was heard, and a configuration that differs in that alone counts.
func TestIncompleteFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, desired := kernel.NewFake(), make(chan *spec.Desired)
		mustApply(t, fake, []kernel.Op{{Kind: kernel.AddService, Key: key("10.9.9.9:80"), Service: webTable()[web].Service}})
		there := func() bool { _, ok := mustObserve(t, fake)[key("10.9.9.9:80")]; return ok }
		r := New(NewKeeper(fake, nil, NewStore("", Place{}), Memory{}), true, zerolog.Nop())
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = r.Run(ctx, Wakes{Desired: desired}) }()
		d := webService("10.1.0.1:80")
		d.Incomplete = true
		desired <- d
		time.Sleep(time.Minute)
		synctest.Wait()
		if !there() {
			t.Error("it did not wait")
		}
		desired <- webService("10.1.0.1:80")
		time.Sleep(time.Second)
		synctest.Wait()
		if there() {
			t.Error("it is forgotten")
		}
	})
}
