package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gorb-io/gorb/pkg/kernel"
	"github.com/gorb-io/gorb/pkg/reconcile"
	"github.com/gorb-io/gorb/pkg/spec"
)

// measureGorb measures gorb. What counts is the time from decoded documents to the kernel's last answer; starting the
// program, decoding, and printing are in the wall time only.
func (s *stage) measureGorb(ctx context.Context) error {
	t := s.table
	t.weight, t.last = 100, 100
	if err := s.gorbApply(ctx, t, gorbCreate, gorbCreatePass, gorbCreateWrites); err != nil {
		return err
	}
	t.weight, t.last = 200, 200
	if err := s.gorbApply(ctx, t, gorbWeigh, gorbWeighPass, gorbWeighWrites); err != nil {
		return err
	}
	t.last = 300
	if err := s.gorbDo(ctx, t, "change", gorbChange); err != nil {
		return err
	}
	if err := s.gorbDo(ctx, t, "read", gorbRead); err != nil {
		return err
	}
	return s.gorbApply(ctx, table{}, gorbRemove, gorbRemovePass, gorbRemoveWrites)
}

// gorbApply has gorb make the table. Its memory of what is its own is in a tmpfs.
func (s *stage) gorbApply(ctx context.Context, t table, all, pass, writes method) error {
	file, err := s.writeTOML(t)
	if err != nil {
		return err
	}
	r, err := s.run(ctx, "", s.gorb, "apply", "--json", "--no-drain", file)
	if err != nil {
		return err
	}
	said, err := parseApplied(r.out)
	if err != nil {
		return err
	}
	s.took(all, milliseconds(said.ReadMS+said.WriteMS), r)
	r.wall, r.calls = 0, 0 // of a part nobody knows them
	s.took(pass, milliseconds(said.PassMS), r)
	s.took(writes, milliseconds(said.WriteMS), r)
	if t != (table{}) && s.counting == nil {
		s.results.decode = append(s.results.decode, milliseconds(said.DecodeMS))
	}
	return s.finished(ctx, all.name, t)
}

// writeTOML writes gorb's configuration of a table.
func (s *stage) writeTOML(t table) (string, error) {
	return s.write("gorb.toml", t.toml(filepath.Join(s.dir, "state"), checks{}))
}

// gorbDo measures what no command of gorb does by itself, in a process of its own so that nothing is warm.
func (s *stage) gorbDo(ctx context.Context, t table, what string, m method) error {
	file, err := s.writeTOML(t)
	if err != nil {
		return err
	}
	args := []string{"-do=" + what, "-config=" + file, fmt.Sprintf("-services=%d", t.services), fmt.Sprintf("-backends=%d", t.backends)}
	if s.counting != nil {
		args = append(args, "-calls="+s.summary())
	}
	r, err := s.execute(ctx, "", s.self, args...)
	if err != nil {
		return err
	}
	var took int64
	if _, err := fmt.Sscan(string(r.out), &took, &r.calls); err != nil {
		return fmt.Errorf("-do=%s: %w", what, err)
	}
	r.wall = 0 // the process is none of gorb's
	s.took(m, time.Duration(took), r)
	return s.finished(ctx, m.name, t)
}

// do is what gorbDo runs. It prints nanoseconds and, if there is a file for them, system calls; both are those of the
// work alone.
func do(ctx context.Context, what, config, calls string, t table) error {
	if what == "serve" {
		return serve()
	}
	client, err := kernel.Open(ctx, kernel.Options{})
	if err != nil {
		return err
	}
	var work func() error
	switch what {
	case "read":
		work = func() error { return readAll(ctx, client, t) }
	case "change":
		work, err = changeOne(ctx, client, config, t)
	default:
		err = fmt.Errorf("-do=%s: there are read, change and serve", what)
	}
	if err != nil {
		return errors.Join(err, client.Close())
	}
	var a *attached
	if calls != "" {
		if a, err = attach(calls, os.Getpid()); err != nil {
			return errors.Join(err, client.Close())
		}
	}
	start := time.Now()
	err = work()
	took, n := time.Since(start), 0
	if a != nil {
		var lost error
		n, lost = a.detach()
		err = errors.Join(err, lost)
	}
	fmt.Fprintln(os.Stdout, took.Nanoseconds(), n)
	return errors.Join(err, client.Close())
}

// readAll reads the table, whose size is t's.
func readAll(ctx context.Context, client *kernel.Client, t table) error {
	observed, err := client.Observe(ctx)
	if err != nil {
		return err
	}
	objects := len(observed)
	for _, service := range observed {
		objects += len(service.Dests)
	}
	if objects != t.objects() {
		return fmt.Errorf("%d services and backends were read, of %d", objects, t.objects())
	}
	return nil
}

// changeOne returns the pass that the daemon makes when a file has changed in what it says of one service, the last of t.
func changeOne(ctx context.Context, client *kernel.Client, config string, t table) (pass func() error, err error) {
	text, err := os.ReadFile(config)
	if err != nil {
		return nil, err
	}
	doc, err := spec.Decode(config, spec.TOML, text)
	if err != nil {
		return nil, err
	}
	desired, err := spec.Merge(doc)
	if err != nil {
		return nil, err
	}
	keeper := reconcile.NewKeeper(client, nil, reconcile.NewStore("", reconcile.Place{}), reconcile.Memory{})
	return func() error {
		r, err := keeper.Pass(ctx, desired, reconcile.Options{Scope: map[kernel.ServiceKey]bool{t.key(t.services - 1): true}})
		return errors.Join(append(r.Errs, err)...)
	}, nil
}
