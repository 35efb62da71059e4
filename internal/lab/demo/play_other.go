//go:build !linux

package main

import "errors"

func play(string) error { return errors.New("IPVS is a part of Linux") }
