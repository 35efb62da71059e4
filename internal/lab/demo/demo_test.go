package main

import (
	"testing"

	"github.com/gorb-io/gorb/internal/lab"
)

// TestDemo plays `make demo`, which fails by itself if something does not happen that should.
func TestDemo(t *testing.T) { perform(t, play) }

// TestDemoConsul plays `make demo-consul`.
func TestDemoConsul(t *testing.T) {
	lab.RequireConsul(t)
	perform(t, playConsul)
}

func perform(t *testing.T, play func(gorb string) error) {
	gorb := lab.Binary(t)
	lab.Run(t, func(t *testing.T) {
		if err := play(gorb); err != nil {
			t.Fatal(err)
		}
	})
}
