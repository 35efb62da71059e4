package main

import (
	"testing"

	"github.com/gorb-io/gorb/pkg/httpapi"
)

func TestVerdict(t *testing.T) {
	alone := []httpapi.LeftAlone{{Service: webKey.String(), Reason: "it has attribute 99"}}
	for _, tt := range []struct {
		name string
		plan httpapi.Plan
		want string
	}{
		{"nothing to do", httpapi.Plan{}, ""},
		{"left alone", httpapi.Plan{LeftAlone: alone}, "leaves tcp 10.0.0.1:80 alone: it has attribute 99"},
		{"cannot be", httpapi.Plan{Problems: []string{"there is no such setting"}}, "there is no such setting"},
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
