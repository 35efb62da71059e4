//go:build !linux

package main

import "errors"

var errNotLinux = errors.New("IPVS is a part of Linux")

func play(string) error       { return errNotLinux }
func playConsul(string) error { return errNotLinux }
