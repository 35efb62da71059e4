package main

import (
	"fmt"
	"strings"

	"github.com/gorb-io/gorb/pkg/httpapi"
)

// errHeldOf says that removals are held, for which plan and apply fail. What is held the output says.
func errHeldOf(held []httpapi.HeldOf) error {
	var parts []string
	for _, h := range held {
		parts = append(parts, fmt.Sprintf("%d of %s", h.Count, h.Source))
	}
	return fmt.Errorf("removals are held: %s; --accept-removals does them", strings.Join(parts, ", "))
}

// named returns an error with the name of its source before it, once.
func named(source string, err error) string {
	return source + ": " + strings.TrimPrefix(err.Error(), source+": ")
}
