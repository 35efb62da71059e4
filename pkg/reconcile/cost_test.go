package reconcile

import (
	"context"
	"slices"
	"testing"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/spec"
)

// TestCost counts what passes over many services read and write.
func TestCost(t *testing.T) {
	k := &counted{Kernel: kernel.NewFake()}
	desired := large(1000, 100)
	keeper := NewKeeper(k, nil, NewStore("", Place{}), Memory{})
	checkCost(t, keeper, desired, func() (reads, writes int) {
		reads, writes = k.reads, k.writes
		k.reads, k.writes = 0, 0
		return reads, writes
	}, cost{whole: 1000, one: 1})
}

// counted is a kernel that counts the services read and the operations.
type counted struct {
	Kernel
	reads, writes int
}

func (c *counted) Observe(ctx context.Context, keys ...kernel.ServiceKey) (kernel.Table, error) {
	t, err := c.Kernel.Observe(ctx, keys...)
	c.reads += max(len(keys), len(t))
	return t, err
}

func (c *counted) Apply(ctx context.Context, ops []kernel.Op) []error {
	c.writes += len(ops)
	return c.Kernel.Apply(ctx, ops)
}

// cost is what readings may cost: that of the whole table, and that of one service.
type cost struct{ whole, one int }

// checkCost has the loop make passes. spent gives what was read and written since it was last asked.
func checkCost(t *testing.T, k *Keeper, desired *spec.Desired, spent func() (reads, writes int), allowed cost) {
	t.Helper()
	r := New(k, false, zerolog.Nop())
	r.desired = k.indexOf(desired)
	r.pass(t.Context(), causeStart)
	spent()
	check := func(what string, wantReads, wantWrites int) {
		t.Helper()
		if reads, writes := spent(); reads != wantReads || writes != wantWrites {
			t.Errorf("%s: %d reads and %d writes, want %d and %d", what, reads, writes, wantReads, wantWrites)
		}
		if r.clean == nil {
			t.Errorf("%s: the pass failed", what)
		}
	}
	r.pass(t.Context(), causeResync)
	check("a whole pass over an unchanged table", allowed.whole, 0)

	changed := *desired
	changed.Services = slices.Clone(desired.Services)
	s := &changed.Services[len(changed.Services)/2]
	s.Backends = slices.Clone(s.Backends)
	s.Backends[1].Weight = 7
	r.desired = k.indexOf(&changed)
	r.pass(t.Context(), causeConfig)
	check("one weight", allowed.one, 1)
	r.pass(t.Context(), causeResync)
	check("a whole pass after it", allowed.whole, 0)
}
