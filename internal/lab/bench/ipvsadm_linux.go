package main

import (
	"context"
	"fmt"
	"strings"
)

// measureIpvsadm measures ipvsadm(8), from the start of the program to its end.
func (s *stage) measureIpvsadm(ctx context.Context) error {
	t := s.table
	t.weight, t.last = 100, 100
	if err := s.ipvsadmRestore(ctx, ipvsadmCreate, t.adds(), t); err != nil {
		return err
	}
	t.weight, t.last = 200, 200
	if err := s.ipvsadmRestore(ctx, ipvsadmWeigh, t.edits(), t); err != nil {
		return err
	}
	t.last = 300
	edit := append([]string{"-e"}, t.backendArgs(t.services-1, t.backends-1)...)
	if _, err := s.ipvsadm(ctx, ipvsadmChange, "", t, edit...); err != nil {
		return err
	}
	r, err := s.ipvsadm(ctx, ipvsadmRead, "", t, "-Ln")
	if err != nil {
		return err
	}
	if got := strings.Count(string(r.out), ":") - 2; got != t.objects() { // two are in the heading
		return fmt.Errorf("ipvsadm -Ln: it printed %d of %d services and backends", got, t.objects())
	}
	_, err = s.ipvsadm(ctx, ipvsadmRemove, "", table{}, "-C")
	return err
}

// ipvsadmRestore has ipvsadm read operations.
func (s *stage) ipvsadmRestore(ctx context.Context, m method, operations string, t table) error {
	file, err := s.write("ipvsadm", operations)
	if err != nil {
		return err
	}
	_, err = s.ipvsadm(ctx, m, file, t, "-R")
	return err
}

// ipvsadm runs ipvsadm, after which the table should be t.
func (s *stage) ipvsadm(ctx context.Context, m method, input string, t table, args ...string) (ran, error) {
	r, err := s.run(ctx, input, "ipvsadm", args...)
	if err != nil {
		return r, err
	}
	s.took(m, r.wall, r)
	return r, s.finished(ctx, m.name, t)
}
