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
	"github.com/gorb-io/gorb/pkg/spec"
)

var here = Place{BootID: "boot", Namespace: "4:1"}

func someMemory() Memory {
	return Memory{
		Services: owned{
			web: {
				Name: "web", Drain: time.Minute,
				Draining: map[kernel.DestKey]Drain{dest("10.1.0.2:80"): {Since: noon, Until: noon.Add(time.Minute)}},
			},
			{Family: kernel.IPv6, Mark: 7}: {Name: "marked"},
		},
		Host: HostMemory{
			Addresses: map[kernel.Address]bool{{Interface: "gorb0", Addr: web.Addr.Addr()}: true},
			Links:     map[string]bool{"gorb0": true},
			Sync:      map[kernel.Role]bool{kernel.Backup: true},
		},
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
	if err := s.Save(someMemory()); err != nil {
		t.Fatal(err)
	}
	if again, err := os.Stat(filepath.Join(dir, "ownership.json")); err != nil || !os.SameFile(info, again) {
		t.Errorf("what is saved already is written again, or %v", err)
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
			if len(m.Services) > 0 || !errors.Is(err, ErrForgotten) || !strings.Contains(err.Error(), tt.want) {
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
	keeper := NewKeeper(fake, nil, store, Memory{Services: owned{web: {Name: "web", Drain: time.Minute}}})
	desired := webService("10.1.0.1:80")
	other := desired.Services[0]
	other.Name, other.Port = "other", 81
	desired.Services = append(desired.Services, other)
	if err := errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	r := mustPass(t, keeper, desired)
	if len(r.Errs) != 1 || !strings.Contains(r.Errs[0].Error(), "remember what is gorb's") {
		t.Errorf("errors %v", r.Errs)
	}
	if len(r.Failures()) == 0 {
		t.Error("nothing is said to be not made")
	}
	for _, res := range r.Failures() {
		if !errors.Is(res.Err, ErrHeld) || !strings.HasSuffix(res.Err.Error(), ": not a directory") {
			t.Errorf("%v does not say why it is not made", res)
		}
	}
	now := mustObserve(t, fake)
	if d, _ := now[web].Dest(dest("10.1.0.1:80")); d.Weight != 100 {
		t.Errorf("gorb's own service was not edited: weight %d", d.Weight)
	}
	if _, there := now[key("10.0.0.1:81")]; there {
		t.Error("a service was made that is not remembered")
	}
	if err := os.Remove(dir); err != nil {
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
		if m, err := NewStore(dir, here).Load(); err != nil || m.Services[op.Key].Name != "web" {
			t.Errorf("at %v the memory is %v, %v", op, m, err)
		}
		return errors.New("refused")
	}
	mustPass(t, NewKeeper(fake, nil, NewStore(dir, here), Memory{}), webService("10.1.0.1:80"))
}

// TestForgottenOnlyWhenGone has a dump that misses a service of gorb's: it is not forgotten.
func TestForgottenOnlyWhenGone(t *testing.T) {
	fake := kernel.NewFake()
	setUp(t, fake, webTable(realServer("10.1.0.1:80", 1, 0, 0)))
	keeper := NewKeeper(torn{fake}, nil, NewStore("", Place{}), Memory{Services: owned{web: {Name: "web"}}})
	empty := webService()
	empty.Services = nil
	mustPass(t, keeper, empty)
	if _, mine := keeper.memory.Services[web]; !mine {
		t.Fatal("a torn dump made gorb forget a service")
	}
	keeper.kernel = fake
	mustPass(t, keeper, empty)
	if _, mine := keeper.memory.Services[web]; mine || len(mustObserve(t, fake)) > 0 {
		t.Error("the service is still there, or remembered")
	}
}

// FuzzDecodeMemory sees that no file makes gorb crash, and that what is read is written alike.
func FuzzDecodeMemory(f *testing.F) {
	good, err := new(encoder).encode(here, someMemory())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"version": 1, "services": [{"address": "10.0.0.1:80", "draining": [{"backend": "[::1]:80"}]}]}`))
	f.Add([]byte(`{"version": 2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		place, m, _, err := decodeMemory(data)
		if err != nil {
			return
		}
		again, err := new(encoder).encode(place, m)
		if err != nil {
			return // a time that JSON cannot say
		}
		_, same, dropped, err := decodeMemory(again)
		if err != nil || len(dropped) > 0 || len(same.Services) != len(m.Services) || !same.Host.equal(m.Host) {
			t.Errorf("%s\nis written as\n%s\nand read as %v, %v, %v", data, again, same, dropped, err)
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

// TestMemoryIsMended has the memory removed while gorb runs, its directory too: the next pass writes it again.
func TestMemoryIsMended(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	keeper := NewKeeper(kernel.NewFake(), nil, NewStore(dir, here), Memory{})
	desired := webService("10.1.0.1:80")
	mustPass(t, keeper, desired)
	for _, gone := range []string{filepath.Join(dir, "ownership.json"), dir} {
		if err := os.RemoveAll(gone); err != nil {
			t.Fatal(err)
		}
		if r := mustPass(t, keeper, desired); len(r.Errs) > 0 {
			t.Error(r.Errs)
		}
		if m, err := NewStore(dir, here).Load(); err != nil || m.Services[web].Name != "web" {
			t.Errorf("without %s: %v, %v", gone, m, err)
		}
	}
}

// TestOldMemory reads what an earlier gorb wrote, with the tunnels that are no longer remembered.
func TestOldMemory(t *testing.T) {
	dir := t.TempDir()
	const old = `{
 "version": 1, "boot_id": "boot", "netns": "4:1",
 "services": [
  {"name": "web", "family": 2, "protocol": 6, "address": "10.0.0.1:80", "drain_ns": 60000000000,
   "tunnels": ["10.1.0.1:80"],
   "draining": [{"backend": "10.1.0.2:80", "since": "2026-01-02T12:00:00Z", "until": "2026-01-02T12:01:00Z"}]}
 ]
}`
	if err := os.WriteFile(filepath.Join(dir, "ownership.json"), []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := NewStore(dir, here).Load()
	want := Memory{Services: owned{web: someMemory().Services[web]}}
	if d := cmp.Diff(want, got, cmpOptions); d != "" || err != nil {
		t.Errorf("error %v, memory (-want +got):\n%s", err, d)
	}
}

// TestMemoryDropsNonsense has one entry that the kernel would refuse to look up among good ones.
func TestMemoryDropsNonsense(t *testing.T) {
	good, err := new(encoder).encode(here, someMemory())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ old, nonsense, want string }{
		{`"family":2,"protocol":6`, `"family":3,"protocol":6`, "services[0]"},
		{`"family":2,"protocol":6`, `"family":2,"protocol":1`, "services[0]"},
		{`"family":2,"protocol":6`, `"family":"v4","protocol":6`, "services[0]"},
		{`"address":"10.0.0.1:80"`, `"address":"[::ffff:10.0.0.1]:80"`, "services[0]"},
		{`"interface": "gorb0"`, `"interface": ""`, "addresses[0]"},
		{`"backup"`, `"both"`, "sync[0]"},
	} {
		text := strings.Replace(string(good), tt.old, tt.nonsense, 1)
		if text == string(good) {
			t.Fatalf("%s is not in\n%s", tt.old, good)
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "ownership.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s := NewStore(dir, here)
		m, err := s.Load()
		if !errors.Is(err, ErrDropped) || !strings.Contains(err.Error(), tt.want) || len(m.Services)+len(m.Host.Addresses)+len(m.Host.Sync) != 3 {
			t.Errorf("%s: %v, %v", tt.nonsense, m, err)
		}
		if err := s.Save(m); err != nil {
			t.Error(err)
		}
		if _, err := NewStore(dir, here).Load(); err != nil {
			t.Errorf("%s: after it was written again: %v", tt.nonsense, err)
		}
	}
}

// TestForgetSaysWhatItCannotRead has the second look at a service fail, before gorb forgets it.
func TestForgetSaysWhatItCannotRead(t *testing.T) {
	fake := kernel.NewFake()
	fake.FailObserve = func(keys []kernel.ServiceKey) error {
		if len(keys) > 0 {
			return errors.New("no answer")
		}
		return nil
	}
	r := mustPass(t, NewKeeper(fake, nil, NewStore("", Place{}), Memory{Services: owned{web: {Name: "web"}}}), &spec.Desired{})
	if len(r.Errs) != 1 || !strings.Contains(r.Errs[0].Error(), "no answer") {
		t.Errorf("errors %v", r.Errs)
	}
}
