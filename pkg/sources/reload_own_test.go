package sources

import (
	"context"
	"net/netip"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/rs/zerolog"

	"github.com/gorb-io/gorb/pkg/spec"
)

// TestReloadFindsAnotherOwnAddress has the interface get another address: 'gorb reload' goes by that, though no file changed.
func TestReloadFindsAnotherOwnAddress(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gorb.toml")
	write(t, path, "[services.web]\nport = 80\n")
	doc, err := Read(t.Context(), path, "", nil)
	must(t, err)
	var own atomic.Pointer[netip.Addr]
	is := func(s string) { a := netip.MustParseAddr(s); own.Store(&a) }
	is("192.0.2.1")
	l := NewLayers(zerolog.Nop(), Tops(NewFile(path, 0, "", zerolog.Nop(), doc)), func(d *spec.Desired) (*spec.Desired, error) {
		if len(d.NeedHost()) == 0 {
			return d, nil
		}
		return d.WithHost(*own.Load())
	})
	ctx, cancel := context.WithCancel(t.Context())
	out, done := make(chan *spec.Desired), make(chan error, 1)
	go func() { done <- l.Run(ctx, out) }()
	defer func() { cancel(); must(t, <-done) }()
	equal(t, "at first", "192.0.2.1", receive(t, out).Services[0].Host.String())
	is("192.0.2.2")
	must(t, l.Reload())
	equal(t, "after the reload", "192.0.2.2", receive(t, out).Services[0].Host.String())
}
