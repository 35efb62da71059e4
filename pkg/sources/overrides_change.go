package sources

import (
	"errors"
	"strconv"

	bolt "go.etcd.io/bbolt"

	"github.com/gorb-io/gorb/pkg/spec"
)

// overrideLayout is that of the buckets and values; a greater one is a newer gorb's. In 1 there was one override of each
// object, under the name of that alone.
const overrideLayout = 2

var (
	bucketOverrides = []byte("overrides")
	bucketAudit     = []byte("audit") // beside the others since the audit: who does not know it leaves it alone
	bucketGorb      = []byte("gorb")  // what is true of the file: layout, revision
	keyLayout       = []byte("layout")
	keyRevision     = []byte("revision")
)

// change is what one write does to the file.
type change struct {
	put      []*StoredOverride
	remove   []spec.OverrideKey
	revision uint64

	entries []*Entry // of the audit, new ones or in place of those that are there
	drop    []uint64 // those that leave it
}

func (c change) empty() bool {
	return len(c.put) == 0 && len(c.remove) == 0 && len(c.entries) == 0 && len(c.drop) == 0
}

// apply makes the change in a transaction.
func (c change) apply(tx *bolt.Tx) error {
	about, err := tx.CreateBucketIfNotExists(bucketGorb)
	if err != nil {
		return err
	}
	overrides, err := tx.CreateBucketIfNotExists(bucketOverrides)
	if err != nil {
		return err
	}
	overrides.FillPercent = 0.9 // most writes are of the whole, in order
	for _, key := range c.remove {
		if err := overrides.Delete([]byte(fileKey(key))); err != nil {
			return err
		}
	}
	for _, o := range c.put {
		value, err := encodeStored(o)
		if err != nil {
			return err
		}
		if err := overrides.Put([]byte(fileKey(o.Key())), value); err != nil {
			return err
		}
	}
	if err := c.audit(tx); err != nil {
		return err
	}
	return errors.Join(
		putNumber(about, keyLayout, overrideLayout),
		putNumber(about, keyRevision, c.revision),
	)
}

// audit makes the change of the audit.
func (c change) audit(tx *bolt.Tx) error {
	audit, err := tx.CreateBucketIfNotExists(bucketAudit)
	if err != nil {
		return err
	}
	audit.FillPercent = 1 // what is new comes at the end
	for _, e := range c.entries {
		value, err := encodeEntry(e)
		if err != nil {
			return err
		}
		if err := audit.Put(entryKey(e.ID), value); err != nil {
			return err
		}
	}
	for _, id := range c.drop { // last: one that leaves may be amended by the same change
		if err := audit.Delete(entryKey(id)); err != nil {
			return err
		}
	}
	return nil
}

func putNumber(b *bolt.Bucket, key []byte, n uint64) error {
	return b.Put(key, seal(string(key), strconv.AppendUint(nil, n, 10)))
}
