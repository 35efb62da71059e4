//go:build !linux

package lab

import "errors"

func search() (machine, error) { return nil, errors.New("IPVS is a part of Linux") }
