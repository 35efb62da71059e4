package sources

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/gorb-io/gorb/pkg/spec"
)

// sealGood puts a first line with the right sum before the rest of a file.
func sealGood(rest []byte) []byte {
	sum := sha256.Sum256(rest)
	return append([]byte(goodLine(hex.EncodeToString(sum[:]))), rest...)
}

// smallBolt is a database of pages of 1 KiB, as bbolt writes it.
func smallBolt(tb testing.TB, entries int) []byte {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "db")
	db, err := bolt.Open(path, 0o600, &bolt.Options{PageSize: 1024})
	if err == nil {
		c := change{revision: 7}
		for i := range entries {
			o := &StoredOverride{Override: override(spec.Set, fmt.Sprintf("s%03d", i), `{"port":1}`)}
			o.At = time.Unix(1e9, 0).UTC()
			c.put = append(c.put, o)
		}
		err = db.Update(c.apply)
	}
	if err == nil {
		err = db.Update(change{remove: []spec.OverrideKey{{Service: "s003"}, {Service: "s004"}}, revision: 8}.apply)
	}
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		tb.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// mendMeta makes the sums of the first pages right, so that what they say is taken.
func mendMeta(data []byte) {
	for _, at := range []int{0, 1024} {
		if len(data) < at+boltHeader+boltMeta {
			return
		}
		meta := data[at+boltHeader:][:boltMeta]
		sum := fnv.New64a()
		sum.Write(meta[:boltMeta-8])
		binary.NativeEndian.PutUint64(meta[boltMeta-8:], sum.Sum64())
	}
}

// FuzzReadPages gives bbolt every file that readPages finds nothing wrong with: it must hold the same, and take writes.
func FuzzReadPages(f *testing.F) {
	for _, n := range []int{0, 1, 8, 60} {
		f.Add(smallBolt(f, n), uint32(0), uint64(0))
	}
	f.Add(smallBolt(f, 60), uint32(4*1024+30), uint64(1<<40))
	f.Fuzz(func(t *testing.T, data []byte, at uint32, number uint64) {
		if len(data) < 4096 || len(data) > 1<<18 {
			return
		}
		data = bytes.Clone(data)
		binary.NativeEndian.PutUint64(data[int(at)%(len(data)-8):], number) // a jump that mutations seldom make
		mendMeta(data)
		pages, err := readPages(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		found, err := contentsOf(pages)
		if err != nil || len(found.damage) > 0 {
			return
		}
		path := filepath.Join(t.TempDir(), "db")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		b, err := openBolt(file)
		if err != nil {
			t.Fatal(err)
		}
		b.db.NoSync = true
		o := &StoredOverride{Override: override(spec.Hide, "s030", ""), Revision: found.state.revision + 1}
		o.At = time.Unix(1e9, 0).UTC()
		for range 3 {
			if err := b.update(change{put: []*StoredOverride{o}, revision: o.Revision}); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.close(nil); err != nil {
			t.Fatal(err)
		}
		after := (&overrideFile{path: path})
		again, err := after.load()
		if err != nil {
			t.Fatal(err)
		}
		defer again.file.Close()
		if want := found.state.with(map[spec.OverrideKey]*StoredOverride{o.Key(): o}, o.Revision); len(again.damage) > 0 || !again.state.same(want) {
			t.Fatalf("%v, want %v, got %v", again.damage, want, again.state)
		}
	})
}

func FuzzDecodeStored(f *testing.F) {
	f.Add("web/a", []byte(`{"kind":"patch","body":{"weight":0},"reason":"x","by":"me","at":"2026-01-02T03:04:05Z","revision":7}`), false)
	f.Add("web", []byte(`{"kind":"hide","at":"2026-01-02T03:04:05+01:00","until":"9999-12-31T23:59:59-12:00"}`), true)
	f.Add("web"+endMark, []byte(`{"kind":"hide","at":"2026-01-02T03:04:05+01:00","until":"2026-12-31T23:59:59Z"}`), false)
	f.Add("web"+endMark, []byte(`{"kind":"hide","at":"2026-01-02T03:04:05+01:00"}`), false)
	f.Fuzz(func(t *testing.T, key string, payload []byte, old bool) {
		o, err := decodeStored(key, seal(key, payload), old)
		if err != nil {
			return
		}
		value, err := encodeStored(o)
		if err != nil {
			t.Fatal(err)
		}
		again, err := decodeStored(fileKey(o.Key()), value, false)
		if err != nil || fmt.Sprintf("%+v", *again) != fmt.Sprintf("%+v", *o) {
			t.Fatalf("%+v became %+v, %v", o, again, err)
		}
	})
}

func FuzzMergeBodies(f *testing.F) {
	f.Add([]byte(`{"a":{"b":1}}`), []byte(`{"a":{"c":[2]},"d":null}`))
	f.Add([]byte(`{"host":"a","host_name":"b","backends":{"c":{"host_name":"d"}}}`), []byte(`{"host":"e","backends":{"c":{"host":null}}}`))
	f.Fuzz(func(t *testing.T, under, over []byte) {
		tidied := func(body []byte) ([]byte, bool) {
			o, err := tidy(spec.Override{Kind: spec.Patch, Service: "a", Body: body})
			return o.Body, err == nil
		}
		a, ok1 := tidied(under)
		b, ok2 := tidied(over)
		if !ok1 || !ok2 {
			return
		}
		merged, err := mergeBodies(a, b)
		if err != nil {
			return
		}
		if _, ok := tidied(merged); !ok {
			t.Fatalf("%s over %s is %s", b, a, merged)
		}
		if twice, err := mergeBodies(merged, b); err != nil || !bytes.Equal(twice, merged) {
			t.Fatalf("%s over %s is %s, and again %s, %v", b, a, merged, twice, err)
		}
	})
}
