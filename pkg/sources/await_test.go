package sources

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

// awaiting runs layers with a document and a store in a bubble.
func awaiting(t *testing.T, text string, test func(t *testing.T, l *Layers, s *OverrideStore, out chan *spec.Desired)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, err := OpenOverrides("")
		must(t, err)
		l := NewLayers(zerolog.Nop(), []Top{{Source: newPlayed("x"), First: document(t, text)}}, nil)
		l.Overrides = s
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		out := make(chan *spec.Desired)
		go l.loop(ctx, make(chan Reading), out)
		synctest.Wait()
		test(t, l, s, out)
	})
}

func TestAwait(t *testing.T) {
	const text = "[services.web]\nhost = \"10.0.0.1\"\nport = 80\n[services.web.backends.a]\nhost = \"10.1.0.1\"\n"
	awaiting(t, text, func(t *testing.T, l *Layers, s *OverrideStore, out chan *spec.Desired) {
		equal(t, "serial", uint64(1), (<-out).Serial)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := l.Await(ended, 1)
		equal(t, "ended", true, errors.Is(err, context.Canceled))

		var g sync.WaitGroup
		for range 1000 {
			g.Go(func() {
				if j, err := l.Await(t.Context(), 5); err != nil || j.Revision < 5 || j.Desired.Serial != 2 {
					t.Error(j, err)
				}
			})
		}
		synctest.Wait()
		w, err := s.Write(t.Context(), []Write{
			{Override: override(spec.Patch, "web/a", `{"weight":5}`)},
			{Override: override(spec.Patch, "web", `{"port":"x"}`)},
			{Override: override(spec.Patch, "dns", `{"port":53}`)},
			{Override: override(spec.Hide, "web/b", ``)},
			{Override: override(spec.Patch, "web/a", `{"port":81}`)},
		}, nil)
		must(t, err)
		j, err := l.Await(t.Context(), w.Revision)
		must(t, err)
		g.Wait()
		for object, want := range map[[2]string]string{
			{"web", "a"}: "in force <nil>", {"dns", ""}: "dangling <nil>", {"web", "b"}: "idle <nil>",
			{"web", ""}: "aside override web: services.web.port: \"x\" is a string, wanted a whole number",
		} {
			effect, why := j.Of(spec.OverrideKey{Service: object[0], Backend: object[1]})
			equal(t, object[0], want, fmt.Sprint(effect, " ", why))
		}
		equal(t, "handed over", j.Desired.Serial, (<-out).Serial)

		// What changes nothing is no new Desired.
		w, err = s.Write(t.Context(), []Write{{Override: override("", "dns", "")}}, nil)
		must(t, err)
		j, err = l.Await(t.Context(), w.Revision)
		must(t, err)
		equal(t, "serial", uint64(2), j.Desired.Serial)
	})
}

func TestAwaitWhereNothingCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := OpenOverrides("")
		must(t, err)
		l := NewLayers(zerolog.Nop(), []Top{{Source: newPlayed("x")}}, nil)
		l.Overrides = s
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go l.loop(ctx, make(chan Reading), make(chan *spec.Desired))
		putOverride(t, s, override(spec.Hide, "web", ""))
		j, err := l.Await(t.Context(), 1)
		must(t, err)
		effect, why := j.Of(spec.OverrideKey{Service: "web"})
		equal(t, "effect", "none: there is no configuration yet: nothing has been heard of x", fmt.Sprint(effect, ": ", why))
		time.Sleep(time.Minute)
	})
}
