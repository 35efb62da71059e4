//go:build !linux

package main

import (
	"context"
	"errors"
	"io"
	"time"
)

var errLinux = errors.New("IPVS is a part of Linux")

func do(context.Context, string, string, string, table) error { return errLinux }

func inside(context.Context, string, options, time.Duration) (report, error) {
	return report{}, errLinux
}

func initialise([]string) int { return 1 }

func bootQemu(context.Context, io.Writer, string, []string) (int, error) { return 0, errLinux }
