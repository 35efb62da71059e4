package kernel

import (
	"errors"
	"os"
	"regexp"
	"testing"
)

func TestBootID(t *testing.T) {
	id, err := BootID()
	if err != nil || !regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(id) {
		t.Errorf("got %q, %v", id, err)
	}
}

func TestNamespaceID(t *testing.T) {
	id, err := NamespaceID()
	if err != nil || !regexp.MustCompile(`^[0-9]+:[0-9]+$`).MatchString(id) {
		t.Errorf("got %q, %v", id, err)
	}
	if _, err := NamespaceIDAt("/nosuch"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a namespace that is not there: %v", err)
	}
}
