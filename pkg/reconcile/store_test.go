package reconcile

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gorb-io/gorb/pkg/kernel"
)

var here = Place{BootID: "boot", Namespace: "4:1"}

func someMemory() Memory {
	return Memory{
		web: {
			Name: "web", Drain: time.Minute, Tunnels: []kernel.DestKey{dest("10.1.0.1:80")},
			Draining: map[kernel.DestKey]Drain{dest("10.1.0.2:80"): {Since: noon, Until: noon.Add(time.Minute)}},
		},
		{Family: kernel.IPv6, Mark: 7}: {Name: "marked"},
	}
}

func TestStoreRemembers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	s := NewStore(dir, here)
	if err := s.Prepare(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load(); !errors.Is(err, ErrForgotten) {
		t.Fatalf("at first: %v", err)
	}
	if err := s.Save(someMemory()); err != nil {
		t.Fatal(err)
	}
	got, err := NewStore(dir, here).Load()
	if d := cmp.Diff(someMemory(), got, cmpOptions); d != "" || err != nil {
		t.Errorf("error %v, memory (-want +got):\n%s", err, d)
	}
	info, err := os.Stat(filepath.Join(dir, "ownership.json"))
	if err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
	if err := os.Remove(filepath.Join(dir, "ownership.json")); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(someMemory()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "ownership.json")); err == nil {
		t.Error("what is saved already is written again")
	}
}

func TestStoreForgets(t *testing.T) {
	dir := t.TempDir()
	if err := NewStore(dir, here).Save(someMemory()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "ownership.json")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		text  string
		place Place
		want  string
	}{
		{"another boot", string(good), Place{"other", here.Namespace}, "of another boot"},
		{"another namespace", string(good), Place{here.BootID, "4:2"}, "of another network namespace"},
		{"cut short", string(good[:len(good)/2]), here, "damaged"},
		{"empty", "", here, "damaged"},
		{"another version", strings.Replace(string(good), `"version": 1`, `"version": 9`, 1), here, "version 9"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			s := NewStore(dir, tt.place)
			m, err := s.Load()
			if len(m) > 0 || !errors.Is(err, ErrForgotten) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("memory %v, error %v", m, err)
			}
			if err := s.Save(someMemory()); err != nil {
				t.Fatal(err)
			}
			aside, err := os.ReadFile(path + ".damaged")
			if damaged := strings.Contains(tt.name, "cut"); damaged && (err != nil || string(aside) != tt.text) {
				t.Errorf("what was damaged is not kept: %q, %v", aside, err)
			}
		})
	}
}

func TestSweep(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a[b]")
	s := NewStore(dir, here)
	if err := s.Prepare(); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(someMemory()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".ownership.json123", ".writable-7", "ownership.json.damaged", "other"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Sweep(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if d := cmp.Diff([]string{"other", "ownership.json", "ownership.json.damaged"}, names); d != "" {
		t.Errorf("what is left (-want +got):\n%s", d)
	}
}

// TestUnwritableMemory sees that nothing is made that could not be remembered, while what is gorb's already goes on.
func TestUnwritableMemory(t *testing.T) {
	dir := t.TempDir()
	store := NewStore(dir, here)
	fake := kernel.NewFake()
	setUp(t, fake, webTable(realServer("10.1.0.1:80", 1, 0, 0)))
	keeper := NewKeeper(fake, store, Memory{web: {Name: "web", Drain: time.Minute}})
	desired := webService("10.1.0.1:80")
	other := desired.Services[0]
	other.Name, other.Port = "other", 81
	desired.Services = append(desired.Services, other)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	r := mustPass(t, keeper, desired)
	if len(r.Errs) != 1 || !strings.Contains(r.Errs[0].Error(), "ownership.json") {
		t.Errorf("errors %v", r.Errs)
	}
	now := mustObserve(t, fake)
	if d, _ := now[web].Dest(dest("10.1.0.1:80")); d.Weight != 100 {
		t.Errorf("gorb's own service was not edited: weight %d", d.Weight)
	}
	if _, there := now[key("10.0.0.1:81")]; there {
		t.Error("a service was made that is not remembered")
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if r := mustPass(t, keeper, desired); len(r.Errs) > 0 {
		t.Errorf("when it can be written again: %v", r.Errs)
	}
	if _, there := mustObserve(t, fake)[key("10.0.0.1:81")]; !there {
		t.Error("the service is still missing")
	}
}

// TestMemoryIsWrittenBeforeTheKernel has the kernel refuse everything: the memory is there all the same.
func TestMemoryIsWrittenBeforeTheKernel(t *testing.T) {
	dir := t.TempDir()
	fake := kernel.NewFake()
	fake.Fail = func(op kernel.Op) error {
		if m, err := NewStore(dir, here).Load(); err != nil || m[op.Key].Name != "web" {
			t.Errorf("at %v the memory is %v, %v", op, m, err)
		}
		return errors.New("refused")
	}
	mustPass(t, NewKeeper(fake, NewStore(dir, here), nil), webService("10.1.0.1:80"))
}

// TestForgottenOnlyWhenGone has a dump that misses a service of gorb's: it is not forgotten.
func TestForgottenOnlyWhenGone(t *testing.T) {
	fake := kernel.NewFake()
	setUp(t, fake, webTable(realServer("10.1.0.1:80", 1, 0, 0)))
	keeper := NewKeeper(torn{fake}, NewStore("", Place{}), Memory{web: {Name: "web"}})
	empty := webService()
	empty.Services = nil
	mustPass(t, keeper, empty)
	if _, mine := keeper.memory[web]; !mine {
		t.Fatal("a torn dump made gorb forget a service")
	}
	keeper.kernel = fake
	mustPass(t, keeper, empty)
	if _, mine := keeper.memory[web]; mine || len(mustObserve(t, fake)) > 0 {
		t.Error("the service is still there, or remembered")
	}
}

// FuzzDecodeMemory sees that no file makes gorb crash, and that what is read is written alike.
func FuzzDecodeMemory(f *testing.F) {
	good, err := encodeMemory(here, someMemory())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"version": 1, "services": [{"address": "10.0.0.1:80", "draining": [{"backend": "[::1]:80"}]}]}`))
	f.Add([]byte(`{"version": 2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		place, m, err := decodeMemory(data)
		if err != nil {
			return
		}
		again, err := encodeMemory(place, m)
		if err != nil {
			return // a time that JSON cannot say
		}
		if _, same, err := decodeMemory(again); err != nil || len(same) != len(m) {
			t.Errorf("%s\nis written as\n%s\nand read as %v, %v", data, again, same, err)
		}
	})
}

// torn is a kernel whose whole dumps miss everything.
type torn struct{ *kernel.Fake }

func (k torn) Observe(ctx context.Context, keys ...kernel.ServiceKey) (kernel.Table, error) {
	if len(keys) == 0 {
		return kernel.Table{}, nil
	}
	return k.Fake.Observe(ctx, keys...)
}
