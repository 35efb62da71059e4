package httpapi

import (
	"errors"
	"net/http"

	"github.com/gorb-io/gorb/pkg/spec"
)

// What GORB said of requests that it refused (http.go, core/options.go, pulse/options.go, util/time.go of GORB).
const (
	errMissing  = "endpoint information is missing"
	errProtocol = "specified protocol is unknown"
	errMethod   = "specified forwarding method is unknown"
	errFlag     = "specified flag is unknown"
	errPulse    = "specified pulse type is unknown"
	errInterval = "invalid interval format"
	errPositive = "pulse interval must be positive"
	errFamilies = "incompatible address families"
	errExists   = "specified object already exists"
	errNotThere = "unable to locate specified object"
	errIPVS     = "error while calling into IPVS"
)

// asGORB makes a failure of what is wrong with an object. What GORB refused has GORB's status and, where it had one, its
// text; a body that cannot be read or has a value of another type is 400, an address that another has 409, and all else 422.
func asGORB(err error) error {
	list, ok := errors.AsType[spec.Problems](err)
	if !ok || len(list) == 0 {
		return err
	}
	worst := Fail(http.StatusUnprocessableEntity, unusable)
	for _, p := range list {
		if code, text := inGORB(p); code == http.StatusBadRequest && worst.Code != code || code == http.StatusConflict && worst.Code > code {
			worst = Fail(code, text)
		}
	}
	worst.Problems = newProblems(list)
	return worst
}

// inGORB is the status and the text of a problem.
func inGORB(p spec.Problem) (code int, text string) {
	of, key := p.Field()
	switch p.Kind {
	case spec.KindSyntax, spec.KindType:
		return http.StatusBadRequest, p.Message
	case spec.KindTaken:
		return http.StatusConflict, errExists
	case spec.KindFamilies:
		return http.StatusBadRequest, errFamilies
	case spec.KindMissing:
		if key == "host" || key == "port" {
			return http.StatusBadRequest, errMissing
		}
	case spec.KindUnder, spec.KindOver:
		return outOfRange(key, p)
	case spec.KindValue:
		switch known := unknowns[unknown{of, key}]; {
		case known != "":
			return http.StatusBadRequest, known
		case key == "host": // which GORB took for a name, and could not resolve
			return http.StatusBadRequest, p.Message
		}
	}
	return http.StatusUnprocessableEntity, unusable
}

// unknown is a key whose value is none of those that there are.
type unknown struct {
	of  spec.ObjectKind
	key string
}

var unknowns = map[unknown]string{
	{spec.ServiceObject, "protocol"}:       errProtocol,
	{spec.ServiceObject, "flags"}:          errFlag,
	{spec.BackendObject, "method"}:         errMethod,
	{spec.BackendObject, "pulse.type"}:     errPulse,
	{spec.BackendObject, "pulse.interval"}: errInterval,
}

// outOfRange is of numbers that GORB's decoder had no room for, and of an interval that is none.
func outOfRange(key string, p spec.Problem) (code int, text string) {
	switch {
	case key == "pulse.interval" && p.Kind == spec.KindUnder:
		return http.StatusBadRequest, errPositive
	case key == "port" || key == "weight":
		return http.StatusBadRequest, p.Message
	}
	return http.StatusUnprocessableEntity, unusable
}
