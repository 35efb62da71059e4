package sources

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/gorb-io/gorb/pkg/spec"
)

// ends is an override that ends in an hour.
func ends(o spec.Override) spec.Override {
	o.Until = time.Now().Add(time.Hour).UTC()
	return o
}

// TestOverridesThatEndLieOver: what ends is beside what lasts, over all of that, and leaves it as it was.
func TestOverridesThatEndLieOver(t *testing.T) {
	dir := t.TempDir()
	s := openOverrides(t, dir)
	putOverride(t, s,
		ends(override(spec.Patch, "web/a", `{"weight":0}`)),
		override(spec.Patch, "web/a", `{"weight":7}`),
		ends(override(spec.Hide, "web", "")),
		override(spec.Set, "web-1", `{"port":1}`),
		override(spec.Patch, "web", `{"port":2}`),
	)
	want := "5 patch web {\"port\":2}\n3 hide web \n2 patch web/a {\"weight\":7}\n1 patch web/a {\"weight\":0}\n4 set web-1 {\"port\":1}\n"
	equal(t, "list", want, told(s))
	equal(t, "of a service", 4, len(s.Of("web")))
	var order []string
	list, _ := s.Snapshot()
	for _, o := range list {
		order = append(order, o.String())
	}
	equal(t, "order", []string{"patch web/a", "set web-1", "patch web", "patch web/a", "hide web"}, order)
	s = reopened(t, s, dir)
	equal(t, "after a restart", want, told(s))

	clear := ends(override("", "web", ""))
	_, err := s.Write(t.Context(), []Write{{Override: clear}, {Override: override("", "web/a", "")}}, nil)
	must(t, err)
	want = "5 patch web {\"port\":2}\n1 patch web/a {\"weight\":0}\n4 set web-1 {\"port\":1}\n"
	equal(t, "cleared", want, told(s))
	s = reopened(t, s, dir)
	equal(t, "after a restart", want, told(s))
}

// TestWriteIfService: the condition is of all that is written over a service, and of what the same writes did before.
func TestWriteIfService(t *testing.T) {
	s := openOverrides(t, "")
	putOverride(t, s, override(spec.Patch, "web/a", `{"weight":0}`), override(spec.Patch, "dns", `{"port":53}`), ends(override(spec.Hide, "web/b", "")))
	write := func(is ...uint64) error {
		_, err := s.Write(t.Context(), []Write{{Override: override(spec.Patch, "web", `{"port":1}`), IfService: is}}, nil)
		return err
	}
	for _, other := range [][]uint64{{}, {1}, {3}, {1, 2, 3}, {3, 1}} {
		if err := write(other...); !errors.Is(err, ErrChanged) {
			t.Errorf("%v: %v", other, err)
		}
	}
	must(t, write(1, 3))
	must(t, write(1, 3, 4))
	must(t, write())
}

// TestWriteIfStore: the condition is of all that was written, be it taken back, and of other writers that come at once.
func TestWriteIfStore(t *testing.T) {
	s := openOverrides(t, "")
	putOverride(t, s, override(spec.Patch, "web/a", `{"weight":0}`))
	write := func(is uint64, more ...Write) error {
		_, err := s.Write(t.Context(), append([]Write{{Override: override("", "web/a", ""), IfStore: &is}}, more...), nil)
		return err
	}
	for _, other := range []uint64{0, 2} {
		if err := write(other); !errors.Is(err, ErrChanged) {
			t.Errorf("%d: %v", other, err)
		}
	}
	must(t, write(1, Write{Override: override(spec.Patch, "dns", `{"port":53}`)}))
	for _, other := range []uint64{1, 2} {
		if err := write(other); !errors.Is(err, ErrChanged) {
			t.Errorf("%d: %v", other, err)
		}
	}
	must(t, write(3))
}

// TestOverridesOfTheFirstLayout: what was kept under the name of its object alone is found, and under its own key after that,
// also where the start could not write the file anew.
func TestOverridesOfTheFirstLayout(t *testing.T) {
	for _, full := range []bool{false, true} {
		dir := t.TempDir()
		s := openOverrides(t, dir)
		putOverride(t, s,
			ends(override(spec.Patch, "web/a", `{"weight":0}`)), override(spec.Hide, "dns", ""), ends(override(spec.Hide, "mail", "")),
		)
		want := told(s)
		must(t, s.Close())
		inFile(t, s.file.path, func(tx *bolt.Tx) error {
			overrides := tx.Bucket(bucketOverrides)
			for _, o := range s.List() {
				value, err := compactJSON(storedValue{o.Kind, o.Body, o.Reason, o.By, o.At, o.Until, o.Revision})
				if err := errors.Join(
					err, overrides.Delete([]byte(fileKey(o.Key()))), overrides.Put([]byte(o.Object()), seal(o.Object(), value)),
				); err != nil {
					return err
				}
			}
			return putNumber(tx.Bucket(bucketGorb), keyLayout, 1)
		})
		inTheWay := filepath.Join(s.file.path+".new", "x")
		if full {
			must(t, os.MkdirAll(inTheWay, 0o755))
		}
		s, err := OpenOverrides(dir)
		if (err != nil) != full || s == nil {
			t.Fatal(err)
		}
		must(t, os.RemoveAll(filepath.Dir(inTheWay)))
		equal(t, "found", want, told(s))
		_, err = s.Write(t.Context(), []Write{{Override: ends(override("", "web/a", ""))}}, nil)
		must(t, err)
		s = reopened(t, s, dir)
		equal(t, "cleared", "2 hide dns \n3 hide mail \n", told(s))
	}
}

// TestWriteIfServiceWhereOneEnded: what has ended does not count, be it removed yet or not.
func TestWriteIfServiceWhereOneEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openOverrides(t, "")
		putOverride(t, s, override(spec.Patch, "web/a", `{"weight":0}`), ends(override(spec.Hide, "web/b", "")))
		time.Sleep(2 * time.Hour)
		_, err := s.Write(t.Context(), []Write{{Override: override(spec.Patch, "web", `{"port":1}`), IfService: []uint64{1}}}, nil)
		must(t, err)
	})
}

// TestOverridesAtThePlaceOfOthers: what ends is not taken for what lasts, nor the reverse, whatever its sum says.
func TestOverridesAtThePlaceOfOthers(t *testing.T) {
	for layout, lost := range map[uint64]int{1: 1, overrideLayout: 2} { // in the first one what ends has the key of its object
		dir := t.TempDir()
		s := openOverrides(t, dir)
		must(t, s.Close())
		inFile(t, s.file.path, func(tx *bolt.Tx) error {
			b := tx.Bucket(bucketOverrides)
			const lasts, ending = `{"kind":"hide","at":"2026-01-01T00:00:00Z","revision":1}`, `{"kind":"hide","at":"2026-01-01T00:00:00Z","until":"2100-01-01T00:00:00Z","revision":2}`
			return errors.Join(
				b.Put([]byte("a"), seal("a", []byte(ending))), b.Put([]byte("b"+endMark), seal("b"+endMark, []byte(lasts))),
				putNumber(tx.Bucket(bucketGorb), keyLayout, layout),
			)
		})
		s, err := OpenOverrides(dir)
		if !errors.Is(err, ErrSetAside) || len(s.List()) != 2-lost {
			t.Errorf("layout %d: %v, and there are %q", layout, err, told(s))
		}
		must(t, s.Close())
	}
}
