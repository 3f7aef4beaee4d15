package sqlitecompare

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
)

// BlockSize is the unit of comparison in bytes.
const BlockSize = 64 << 10

const (
	sumBytes    = sha256.Size
	groupBlocks = 1024 // blocks per group: what changed costs little in a large file
)

// Sums are the hashes of a file.
type Sums struct {
	Size   int64  // bytes
	Blocks []byte // SHA-256 of each block, 32 bytes each, in order
	Root   []byte // SHA-256 over the size, the groups of blocks and the companions of what is no database
	groups []byte
	extra  []byte
}

func blocksIn(size int64) int64 { return (size + BlockSize - 1) / BlockSize }

// resized returns a copy of s for a file of another size, with unknown hashes as zeros.
func (s *Sums) resized(size int64) *Sums {
	n := Sums{Size: size, Blocks: make([]byte, blocksIn(size)*sumBytes)}
	copy(n.Blocks, s.Blocks)
	n.groups = make([]byte, groupsIn(size)*sumBytes)
	if len(s.groups) == int(groupsIn(s.Size)*sumBytes) {
		copy(n.groups, s.groups)
		return &n
	}
	for g := range groupsIn(size) { // came over a wire
		n.group(g)
	}
	return &n
}

func groupsIn(size int64) int64 { return (blocksIn(size) + groupBlocks - 1) / groupBlocks }

func (s *Sums) set(i int64, sum [sumBytes]byte) { copy(s.Blocks[i*sumBytes:], sum[:]) }

// group hashes a group anew.
func (s *Sums) group(g int64) {
	from := g * groupBlocks * sumBytes
	to := min(from+groupBlocks*sumBytes, int64(len(s.Blocks)))
	sum := sha256.Sum256(s.Blocks[from:to])
	copy(s.groups[g*sumBytes:], sum[:])
}

func (s *Sums) seal() {
	h := sha256.New()
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(s.Size))
	h.Write(n[:])
	h.Write(s.groups)
	h.Write(s.extra)
	s.Root = h.Sum(nil)
}

// Brief leaves out the list of blocks: enough to say whether sides are equal, not where they differ.
func (s Sums) Brief() Sums {
	return Sums{Size: s.Size, Root: s.Root}
}

// Verdict is the result of a comparison.
type Verdict struct {
	Equal            bool
	Origin, Receiver []byte  // a digest per side
	Differing        []int64 // indexes of blocks, if both lists are there
}

// Compare compares two sides.
func Compare(origin, receiver Sums) Verdict {
	v := Verdict{Origin: origin.Root, Receiver: receiver.Root}
	v.Equal = len(origin.Root) == sumBytes && bytes.Equal(origin.Root, receiver.Root) && origin.Size == receiver.Size
	if !v.Equal {
		v.Differing = Differing(origin, receiver)
	}
	return v
}

// Differing lists the blocks that differ or exist on one side only. It needs the lists of both.
func Differing(a, b Sums) []int64 {
	if len(a.Blocks) == 0 && a.Size != 0 || len(b.Blocks) == 0 && b.Size != 0 {
		return nil
	}
	var d []int64
	for i := range max(blocksIn(a.Size), blocksIn(b.Size)) {
		if !bytes.Equal(a.at(i), b.at(i)) {
			d = append(d, i)
		}
	}
	return d
}

func (s *Sums) at(i int64) []byte {
	if (i+1)*sumBytes > int64(len(s.Blocks)) {
		return nil
	}
	return s.Blocks[i*sumBytes : (i+1)*sumBytes]
}
