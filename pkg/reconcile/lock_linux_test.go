package reconcile

import (
	"errors"
	"os"
	"strings"
	"testing"
)

func TestLock(t *testing.T) {
	dir := t.TempDir()
	place := Place{Namespace: "test:" + t.Name()}
	lock, err := Acquire(place, dir)
	if err != nil {
		t.Fatal(err)
	}
	var held *HeldError
	for range 300 { // more than a listening socket queues
		if _, err = Acquire(place, ""); !errors.As(err, &held) || held.PID != os.Getpid() || held.Dir != "" {
			t.Fatalf("the same table: %v", err)
		}
	}
	if !strings.HasSuffix(err.Error(), "keeps this table") {
		t.Errorf("the same table: %v", err)
	}
	elsewhere := Place{Namespace: place.Namespace + "2"}
	if _, err = Acquire(elsewhere, dir); !errors.As(err, &held) || held.PID != os.Getpid() || held.Dir != dir {
		t.Errorf("the same directory: %v", err)
	}
	if other, err := Acquire(elsewhere, t.TempDir()); err != nil {
		t.Errorf("another table: %v", err)
	} else if err := other.Release(); err != nil {
		t.Error(err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	again, err := Acquire(place, dir)
	if err != nil {
		t.Fatalf("after the release: %v", err)
	}
	if err := again.Release(); err != nil {
		t.Error(err)
	}
}
