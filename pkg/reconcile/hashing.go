package reconcile

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/gorb-io/gorb/pkg/kernel"
)

// The sizes of the schedulers' tables, as kernels are built by default (CONFIG_IP_VS_SH_TAB_BITS 8,
// CONFIG_IP_VS_MH_TAB_INDEX 12). Nothing tells what the running kernel was built with.
const (
	shSlots    = 1 << 8
	mhSlots    = 4093
	mhTurnBits = 12 / 2 // IP_VS_MH_TAB_BITS
)

// changeOf compares the table that the scheduler makes of the observed order with that of the canonical one.
func changeOf(family kernel.Family, v kernel.VirtualService) Change {
	after := Canonical(v.Dests)
	slices.Reverse(after)
	table, unit := shTable, "buckets"
	if v.Scheduler == "mh" {
		table, unit = func(dests []kernel.RealServer) []kernel.DestKey { return mhTable(family, dests) }, "slots"
	}
	before, then := table(v.Dests), table(after)
	c := Change{
		Slots: len(before),
		Unit:  unit,
		About: slices.ContainsFunc(v.Dests, func(d kernel.RealServer) bool { return d.Weight == 0 }),
	}
	for i := range before {
		if before[i] != then[i] {
			c.Moved++
		}
	}
	return c
}

// shTable fills the buckets of the scheduler sh from backends in the order of the kernel's list (ip_vs_sh_reassign):
// to each as many in a row as its weight, and one to weight 0, until the table is full.
func shTable(dests []kernel.RealServer) []kernel.DestKey {
	table := make([]kernel.DestKey, shSlots)
	if len(dests) == 0 {
		return table
	}
	at, filled := 0, uint32(0)
	for i := range table {
		table[i] = dests[at].DestKey
		if filled++; filled >= dests[at].Weight {
			at, filled = (at+1)%len(dests), 0
		}
	}
	return table
}

// mhTable fills the slots of the scheduler mh from backends in the order of the kernel's list (ip_vs_mh_permutate,
// ip_vs_mh_populate): each in turn takes the next free slots of its own permutation of all slots, as many as its
// turns. It is empty where the kernel makes none. A backend at weight 0 has no turns here; in the kernel it has those
// of its last weight, unless it was added at 0.
func mhTable(family kernel.Family, dests []kernel.RealServer) []kernel.DestKey {
	table := make([]kernel.DestKey, mhSlots)
	turns := mhTurns(dests)
	if len(dests) > mhSlots || !slices.ContainsFunc(turns, func(n uint32) bool { return n > 0 }) {
		return table
	}
	next, skip := make([]uint32, len(dests)), make([]uint32, len(dests))
	for i, d := range dests {
		folded := fold(family, d.DestKey)
		next[i] = mhHash(folded, mhFirstKey) % mhSlots
		skip[i] = mhHash(folded, mhSecondKey)%(mhSlots-1) + 1
	}
	taken := make([]bool, mhSlots)
	for filled := 0; ; {
		for i := range dests {
			for range turns[i] {
				for taken[next[i]] {
					next[i] = (next[i] + skip[i]) % mhSlots
				}
				taken[next[i]], table[next[i]] = true, dests[i].DestKey
				if filled++; filled == mhSlots {
					return table
				}
			}
		}
	}
}

// mhTurns returns how many slots each backend takes at a time: its weight by the greatest common divisor of all,
// shifted so that the greatest stays small (ip_vs_mh_gcd_weight, ip_vs_mh_shift_weight).
func mhTurns(dests []kernel.RealServer) []uint32 {
	var divisor, most uint32
	for _, d := range dests {
		divisor, most = gcd(d.Weight, divisor), max(most, d.Weight)
	}
	turns := make([]uint32, len(dests))
	if divisor == 0 {
		return turns
	}
	shift := max(0, bits.Len32(most/divisor)-mhTurnBits)
	for i, d := range dests {
		if d.Weight > 0 {
			turns[i] = max(1, d.Weight/divisor>>shift)
		}
	}
	return turns
}

func gcd(a, b uint32) uint32 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// fold makes of an address and a port the number that the schedulers hash. It goes by the family of the service: of an
// IPv6 backend of an IPv4 service it sees the first four bytes, as the kernel does (ip_vs_mh_hashkey).
func fold(family kernel.Family, d kernel.DestKey) uint32 {
	a := d.Addr.Addr().AsSlice()
	sum := binary.BigEndian.Uint32(a)
	if family == kernel.IPv6 {
		for a = a[4:]; len(a) > 0; a = a[4:] {
			sum ^= binary.BigEndian.Uint32(a)
		}
	}
	return sum + uint32(d.Addr.Port())
}

// The keys of mh's two hashes, both halves alike (generate_hash_secret).
const (
	mhFirstKey  = 2654435761
	mhSecondKey = 2654446892
)

// mhHash is the kernel's hsiphash of four bytes, as it is on 64-bit machines: SipHash-1-3 (https://131002.net/siphash),
// of which the low half counts (lib/siphash.c, hsiphash_1u32).
func mhHash(n uint32, key uint64) uint32 {
	v0, v1 := uint64(0x736f6d6570736575)^key, uint64(0x646f72616e646f6d)^key
	v2, v3 := uint64(0x6c7967656e657261)^key, uint64(0x7465646279746573)^key
	round := func() {
		v0 += v1
		v1 = bits.RotateLeft64(v1, 13) ^ v0
		v0 = bits.RotateLeft64(v0, 32)
		v2 += v3
		v3 = bits.RotateLeft64(v3, 16) ^ v2
		v0 += v3
		v3 = bits.RotateLeft64(v3, 21) ^ v0
		v2 += v1
		v1 = bits.RotateLeft64(v1, 17) ^ v2
		v2 = bits.RotateLeft64(v2, 32)
	}
	last := uint64(4)<<56 | uint64(n) // the length, and the bytes
	v3 ^= last
	round()
	v0 ^= last
	v2 ^= 0xff
	for range 3 {
		round()
	}
	return uint32(v0 ^ v1 ^ v2 ^ v3)
}
