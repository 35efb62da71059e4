package sources

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
)

// boltMetaPage is what one of the two first pages says.
type boltMetaPage struct {
	pageSize, root, freelist, pages, transaction uint64
}

// readMeta reads the newer one of the first two pages that are whole, as bbolt does.
func (p *boltPages) readMeta() (boltMetaPage, error) {
	const half = "one of its first pages is damaged, and the last change may be lost"
	first, err := p.metaAt(0)
	if err == nil {
		second, err := p.metaAt(int64(first.pageSize))
		switch {
		case err != nil || second.pageSize != first.pageSize:
			p.damaged(half)
		case second.transaction > first.transaction:
			return second, nil
		}
		return first, nil
	}
	for size := uint64(1 << 10); size <= 1<<16; size <<= 1 {
		second, err := p.metaAt(int64(size))
		if err == nil && second.pageSize == size {
			p.damaged(half)
			return second, nil
		}
	}
	return boltMetaPage{}, err
}

func (p *boltPages) metaAt(offset int64) (boltMetaPage, error) {
	buf := make([]byte, boltMeta)
	if _, err := p.r.ReadAt(buf, offset+boltHeader); err != nil {
		return boltMetaPage{}, fmt.Errorf("its beginning: %w", err)
	}
	order := binary.NativeEndian
	if order.Uint32(buf) != boltMagic {
		return boltMetaPage{}, errors.New("it is not a bbolt file")
	}
	if v := order.Uint32(buf[4:]); v > boltVersion && v < 1<<8 { // else it is damage
		return boltMetaPage{}, errBoltNewer
	}
	sum := fnv.New64a()
	sum.Write(buf[:boltMeta-8])
	if sum.Sum64() != order.Uint64(buf[boltMeta-8:]) || order.Uint32(buf[4:]) != boltVersion {
		return boltMetaPage{}, errors.New("its first pages are damaged")
	}
	m := boltMetaPage{
		pageSize:    uint64(order.Uint32(buf[8:])),
		root:        order.Uint64(buf[16:]),
		freelist:    order.Uint64(buf[32:]),
		pages:       order.Uint64(buf[40:]),
		transaction: order.Uint64(buf[48:]),
	}
	if m.pageSize < 1<<10 || m.pageSize > 1<<16 || m.pageSize&(m.pageSize-1) != 0 || m.pages > 1<<32 {
		return boltMetaPage{}, errors.New("its first pages make no sense")
	}
	return m, nil
}
