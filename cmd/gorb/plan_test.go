package main

import (
	"errors"
	"testing"

	"github.com/gorb-io/gorb/pkg/reconcile"
)

func TestVerdict(t *testing.T) {
	alone := []reconcile.LeftAlone{{Key: webKey, Reason: "it has attribute 99"}}
	for _, tt := range []struct {
		name string
		plan reconcile.Plan
		want string
	}{
		{"nothing to do", reconcile.Plan{}, ""},
		{"left alone", reconcile.Plan{LeftAlone: alone}, "leaves tcp 10.0.0.1:80 alone: it has attribute 99"},
		{"cannot be", reconcile.Plan{Problems: []error{errors.New("there is no such setting")}}, "there is no such setting"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got string
			if err := verdict(&tt.plan); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("it says %q, and not %q", got, tt.want)
			}
		})
	}
}
