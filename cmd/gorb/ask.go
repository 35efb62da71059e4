package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/gorb-io/gorb/pkg/httpapi"
	"github.com/gorb-io/gorb/pkg/spec"
)

// defaultSocket is where a gorb that runs is asked, unless its configuration says otherwise.
const defaultSocket = "/run/gorb/gorb.sock"

// How long an answer of a gorb that runs is waited for.
const (
	usualPatience = 10 * time.Second
	workPatience  = time.Minute // what it is asked takes its time, and it has its own bound for that
)

// asking is the flags of the commands that ask a gorb that runs.
type asking struct {
	askedPlace
	json     bool
	patience time.Duration // 0: as usual
}

func (a *asking) declare(fs *pflag.FlagSet) {
	a.askedPlace.declare(fs, defaultSocket, "the unix socket of the gorb that is asked")
	fs.BoolVar(&a.json, "json", false, "print JSON")
}

// do asks, and decodes the answer into into; nil: it is dropped.
func (a *asking) do(ctx context.Context, method, path string, body, into any) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	patience := cmp.Or(a.patience, usualPatience)
	if patience > usualPatience { // one that answers nobody is not waited for
		var silent *httpapi.SilentError
		if err := client.Within(usualPatience).Do(ctx, "GET", "/sources", nil, nil); errors.As(err, &silent) {
			return silent
		}
	}
	return a.explained(client.Within(patience).Do(ctx, method, path, body, into))
}

// An objectName names a service, or a backend of one.
type objectName struct {
	service string
	backend string // "": the service itself
}

// objectOf reads what names an object: "web", "web/a".
func objectOf(word string) (objectName, error) {
	service, backend, isBackend := strings.Cut(word, "/")
	if service == "" || strings.Contains(backend, "/") || isBackend && backend == "" {
		return objectName{}, &usageError{err: fmt.Errorf("%q is no object: SERVICE, or SERVICE/BACKEND", word)}
	}
	return objectName{service, backend}, nil
}

// objectsOf reads several.
func objectsOf(words []string) ([]objectName, error) {
	var objects []objectName
	for _, word := range words {
		o, err := objectOf(word)
		if err != nil {
			return nil, err
		}
		objects = append(objects, o)
	}
	return objects, nil
}

// onlyArg is the argument of a command that takes one, which wanted describes and kind calls.
func onlyArg(command string, args []string, wanted, kind string) (string, error) {
	switch len(args) {
	case 0:
		return "", &usageError{err: fmt.Errorf("%s takes %s", command, wanted)}
	case 1:
		return args[0], nil
	}
	return "", &usageError{err: fmt.Errorf("%s takes one %s, and got %d", command, kind, len(args))}
}

func (o objectName) String() string {
	return spec.Override{Service: o.service, Backend: o.backend}.Object()
}

// path is the object in the path of a request.
func (o objectName) path() string {
	path := "/" + httpapi.Segment(o.service)
	if o.backend != "" {
		path += "/" + httpapi.Segment(o.backend)
	}
	return path
}

// inWords has the daemon's problems with what was sent begin with what that was, as those of a file begin with its name.
func inWords(err error, what string) error {
	var failure *httpapi.Failure
	if !errors.As(err, &failure) || len(failure.Problems) == 0 {
		return err
	}
	var problems spec.Problems
	for _, p := range failure.Problems {
		problems = append(problems, spec.Problem{Source: what, Path: p.Path, Message: p.Message})
	}
	return problems
}
