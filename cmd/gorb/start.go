package main

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/gorb-io/gorb/pkg/sources"
	"github.com/gorb-io/gorb/pkg/spec"
)

// start reads every file once, and makes the sources. A missing default file is no error: the configuration is empty.
func (d *daemon) start(ctx context.Context, names []string) (*spec.Desired, []sources.Top, error) {
	once, err := d.once(&d.files)
	if err != nil {
		return nil, nil, err
	}
	if len(names) == 0 {
		names = []string{defaultFile}
		_, err := os.Stat(defaultFile)
		d.unlisted = errors.Is(err, fs.ErrNotExist)
	}
	if store := d.legacy.source(); store != "" {
		if d.unlisted {
			names = nil
		}
		names, d.unlisted = append(names, store), false
	}
	if d.unlisted {
		desired, err := spec.Merge()
		return desired, sources.Tops(sources.NewFile(defaultFile, 0, once.Format, d.log, nil)), err
	}
	once.Away = true // they may be slow, or down, and are not waited for
	all, err := once.Read(ctx, names)
	if err != nil {
		return nil, nil, err
	}
	desired, err := judged(all)
	if err != nil {
		return nil, nil, err
	}
	if !all.Skipped {
		if desired, err = resolve(d.legacy.over(d.files.override(desired))); err != nil {
			return nil, nil, err
		}
	}
	tops := make([]sources.Top, len(all.Args))
	for i, a := range all.Args {
		if tops[i], err = a.Top(i, once.Format, d.log); err != nil {
			return nil, nil, err
		}
	}
	return desired, tops, nil
}

// judged merges what was read. Where not everything is there yet, it is [gorb] and [consul] alone: what is here need not
// be whole without the rest.
func judged(all sources.Loaded) (*spec.Desired, error) {
	if !all.Skipped {
		return spec.Merge(all.Docs...)
	}
	return spec.Settings(all.Docs...)
}
