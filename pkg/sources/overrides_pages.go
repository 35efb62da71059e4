package sources

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
)

// bbolt trusts what is in its file: on a damaged one it panics, faults, or follows a page that leads to itself for
// ever, and the last two cannot be recovered from. So every page is read here first, with ReadAt and not by mmap, and
// bbolt only sees a file that is whole. The layout is that of bbolt's internal/common; it has not changed since version
// 2 of the format (2014), and a file of another version is refused.
const (
	boltMagic   = 0xED0CDAED
	boltVersion = 2

	boltBranch, boltLeaf, boltFreelist = 1, 2, 16 // the kinds of pages

	boltHeader  = 16 // id 8, kind 2, count 2, overflow 4
	boltElement = 16 // branch: position 4, key size 4, page 8; leaf: flags 4, position 4, key size 4, value size 4
	boltBucket  = 16 // root page 8, sequence 8; a leaf page follows where the root is 0
	boltMeta    = 64 // magic 4, version 4, page size 4, flags 4, bucket 16, freelist 8, pages 8, transaction 8, sum 8

	boltNoFreelist = ^uint64(0)
	boltDeepest    = 32 // pages above one another; two billion entries need fewer
)

// errBoltNewer says that a file is of a version of bbolt's format that is not known here.
var errBoltNewer = errors.New("it was written by a newer gorb")

// boltPages is what was read of a file.
type boltPages struct {
	buckets map[string][]boltRecord
	meta    boltMetaPage
	used    int64   // the bytes of pages that hold something
	damage  []error // what could not be read, and why; nil: the file is whole

	r    io.ReaderAt
	size int64
	seen map[uint64]bool // pages that were read, those that they flow over into included
	last []byte          // the key before, of the bucket that is being read
}

// boltRecord is one entry of a bucket.
type boltRecord struct{ key, value []byte }

// readPages reads a bbolt file of a size with a single level of buckets. It gives what can be read, with what cannot;
// the error is for a newer format alone.
func readPages(r io.ReaderAt, size int64) (*boltPages, error) {
	p := &boltPages{r: r, size: size, seen: make(map[uint64]bool), buckets: make(map[string][]boltRecord)}
	meta, err := p.readMeta()
	if errors.Is(err, errBoltNewer) {
		return nil, err
	}
	if err != nil {
		p.damage = append(p.damage, err)
		return p, nil
	}
	p.meta = meta
	if held := int64(meta.pages * meta.pageSize); held > size {
		p.damaged("%d of %d bytes are missing at its end", held-size, held)
	}
	buckets := make(map[string][]byte)
	p.walk(meta.root, 1, func(key, value []byte) { buckets[string(key)] = value }, true)
	for _, name := range slices.Sorted(maps.Keys(buckets)) {
		p.readBucket(name, buckets[name])
	}
	p.checkFreelist()
	p.used = int64(len(p.seen)) * int64(meta.pageSize)
	return p, nil
}

func (p *boltPages) damaged(format string, args ...any) {
	const most = 10 // one sick page can be found so often
	if len(p.damage) < most {
		p.damage = append(p.damage, fmt.Errorf(format, args...))
	}
}

// page reads a page with what it flows over into, of one of the kinds, each page once.
func (p *boltPages) page(id uint64, kinds ...uint16) ([]byte, bool) {
	if id < 2 || id >= p.meta.pages {
		p.damaged("page %d is outside of it", id)
		return nil, false
	}
	header := make([]byte, boltHeader)
	at := int64(id * p.meta.pageSize)
	if _, err := p.r.ReadAt(header, at); err != nil {
		p.damaged("page %d: %w", id, err)
		return nil, false
	}
	order := binary.NativeEndian
	kind, more := order.Uint16(header[8:]), uint64(order.Uint32(header[12:]))
	if order.Uint64(header) != id || !slices.Contains(kinds, kind) || more >= p.meta.pages-id {
		p.damaged("page %d is not what it should be", id)
		return nil, false
	}
	length := int64((more + 1) * p.meta.pageSize)
	if at+length > p.size {
		p.damaged("page %d is cut off", id)
		return nil, false
	}
	for i := id; i <= id+more; i++ {
		if p.seen[i] {
			p.damaged("page %d is there twice", i)
			return nil, false
		}
	}
	for i := id; i <= id+more; i++ {
		p.seen[i] = true
	}
	data := make([]byte, length)
	if _, err := p.r.ReadAt(data, at); err != nil {
		p.damaged("page %d: %w", id, err)
		return nil, false
	}
	return data, true
}

// walk goes through the entries below a page, in the order of their keys.
func (p *boltPages) walk(id uint64, depth int, entry func(key, value []byte), buckets bool) {
	if depth > boltDeepest {
		p.damaged("page %d is over %d deep", id, boltDeepest)
		return
	}
	data, ok := p.page(id, boltBranch, boltLeaf)
	if !ok {
		return
	}
	if binary.NativeEndian.Uint16(data[8:]) == boltLeaf {
		p.leaf(id, data, entry, buckets)
		return
	}
	p.branch(id, data, depth, entry, buckets)
}

func (p *boltPages) branch(id uint64, data []byte, depth int, entry func(key, value []byte), buckets bool) {
	order := binary.NativeEndian
	e, ok := newElements(data)
	if !ok || e.count == 0 {
		p.damaged("page %d is damaged", id)
		return
	}
	for i := range e.count {
		at := e.at(i)
		key, ok := e.take(at, uint64(order.Uint32(data[at:])), uint64(order.Uint32(data[at+4:])))
		// The key is the least that may be below; the first may be less than that.
		if !ok || len(key) == 0 || p.last != nil && string(key) <= string(p.last) {
			p.damaged("page %d is damaged at its entry %d", id, i)
			return
		}
		p.walk(order.Uint64(data[at+8:]), depth+1, func(k, v []byte) {
			if string(k) < string(key) {
				p.damaged("the page of entry %d of page %d holds what is before it", i, id)
				return
			}
			entry(k, v)
		}, buckets)
	}
}

func (p *boltPages) leaf(id uint64, data []byte, entry func(key, value []byte), buckets bool) {
	order := binary.NativeEndian
	e, ok := newElements(data)
	if !ok {
		p.damaged("page %d is damaged", id)
		return
	}
	for i := range e.count {
		at := e.at(i)
		keySize, valueSize := uint64(order.Uint32(data[at+8:])), uint64(order.Uint32(data[at+12:]))
		both, ok := e.take(at, uint64(order.Uint32(data[at+4:])), keySize+valueSize)
		if !ok || keySize == 0 || order.Uint32(data[at:]) > 1 {
			p.damaged("page %d is damaged at its entry %d", id, i)
			return
		}
		key, value := both[:keySize], both[keySize:]
		if p.last != nil && string(key) <= string(p.last) || (order.Uint32(data[at:]) == 1) != buckets {
			p.damaged("page %d is out of order at its entry %d", id, i)
			return
		}
		p.last = key
		entry(key, value)
	}
}

// readBucket reads a bucket of the root, which may be inside its entry there.
func (p *boltPages) readBucket(name string, value []byte) {
	p.last = nil
	entry := func(key, value []byte) { p.buckets[name] = append(p.buckets[name], boltRecord{key, value}) }
	p.buckets[name] = nil
	if len(value) < boltBucket {
		p.damaged("bucket %q is damaged", name)
		return
	}
	if root := binary.NativeEndian.Uint64(value); root != 0 {
		p.walk(root, 1, entry, false)
		return
	}
	inline := value[boltBucket:]
	if len(inline) < boltHeader || binary.NativeEndian.Uint16(inline[8:]) != boltLeaf {
		p.damaged("bucket %q is damaged", name)
		return
	}
	p.leaf(0, inline, entry, false)
}

// checkFreelist sees that no page that is said to be free holds something, or is outside.
func (p *boltPages) checkFreelist() {
	if p.meta.freelist == boltNoFreelist {
		p.damaged("it has no list of free pages")
		return
	}
	data, ok := p.page(p.meta.freelist, boltFreelist)
	if !ok {
		return
	}
	order := binary.NativeEndian
	count, ids := uint64(order.Uint16(data[10:])), data[boltHeader:]
	if count == 0xFFFF && len(ids) >= 8 {
		count, ids = order.Uint64(ids), ids[8:]
	}
	if count > uint64(len(ids)/8) {
		p.damaged("its list of free pages is damaged")
		return
	}
	last := uint64(1)
	for i := range count {
		id := order.Uint64(ids[8*i:])
		if id <= last || id >= p.meta.pages || p.seen[id] {
			p.damaged("its list of free pages is damaged")
			return
		}
		last = id
	}
}

// elements are the entries of a page: their headers, then what they hold, in the same order without overlap.
type elements struct {
	data  []byte
	count int
	next  uint64 // where what the next one holds begins at the earliest
}

func newElements(data []byte) (*elements, bool) {
	e := &elements{data: data, count: int(binary.NativeEndian.Uint16(data[10:]))}
	e.next = uint64(boltHeader + e.count*boltElement)
	return e, e.next <= uint64(len(data))
}

// at is where the header of an entry is.
func (e *elements) at(i int) int { return boltHeader + i*boltElement }

// take returns what an entry holds, that begins so far from its header.
func (e *elements) take(header int, position, size uint64) ([]byte, bool) {
	start := uint64(header) + position
	if start < e.next || start > uint64(len(e.data)) || size > uint64(len(e.data))-start {
		return nil, false
	}
	e.next = start + size
	return e.data[start:e.next:e.next], true
}
