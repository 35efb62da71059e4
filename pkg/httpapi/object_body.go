package httpapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/gorb-io/gorb/pkg/spec"
)

// objectBody reads an object, or a patch of one, as GORB's users write it, and returns it with the keys of the file and
// addresses for names.
func (a *api) objectBody(ctx context.Context, c *caller, at object, kind spec.OverrideKind) ([]byte, error) {
	text, err := readBody(c.Request, mediaMergePatch, "application/x-www-form-urlencoded") // which is what curl -d says
	if err != nil {
		return nil, err
	}
	sent, err := spec.FromPublished(spec.Override{Kind: kind, Service: at.service, Backend: at.backend, Body: text})
	if err != nil {
		return nil, asGORB(err)
	}
	return a.resolved(ctx, sent)
}

// readBody reads the body of a request, which is JSON whatever of the other types it says to be.
func readBody(r *http.Request, others ...string) ([]byte, error) {
	if err := checkMedia(r, others...); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(r.Body)
	switch {
	case err != nil:
		return nil, badBody(err)
	case len(bytes.TrimSpace(text)) == 0:
		return nil, Fail(http.StatusBadRequest, io.EOF.Error()) // GORB's word
	}
	return text, nil
}

// checkMedia refuses a body of another type, or one that is compressed.
func checkMedia(r *http.Request, others ...string) error {
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return Fail(http.StatusUnsupportedMediaType, fmt.Sprintf("the body must be as it is, not in Content-Encoding %q", coding))
	}
	given := r.Header.Get("Content-Type")
	if given == "" {
		return nil
	}
	kind, _, err := mime.ParseMediaType(given)
	for _, known := range append(others, mediaJSON) {
		if err == nil && kind == known {
			return nil
		}
	}
	known := mediaJSON
	if slices.Contains(others, mediaMergePatch) && r.Method == http.MethodPatch {
		known += " or " + mediaMergePatch
	}
	return Fail(http.StatusUnsupportedMediaType, "the body must be "+known)
}

// badBody is why a body cannot be read.
func badBody(err error) *Failure {
	if big, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return Fail(http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is over %d MiB", big.Limit>>20))
	}
	return Fail(http.StatusBadRequest, "the body cannot be read: "+err.Error())
}
