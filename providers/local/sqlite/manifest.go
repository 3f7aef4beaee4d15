package sqlite

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/zeebo/blake3"
)

// BlockSize is the unit of comparison and transfer, in bytes.
const BlockSize = 64 << 10

const sumBytes = 32

// Blocks describes the content of a file, block by block.
type Blocks struct {
	Size int64  // bytes
	Root []byte // BLAKE3 over size and sums
	Sums []byte // BLAKE3 of each block, 32 bytes each, in order; may be left out
}

func (b *Blocks) add(sum [sumBytes]byte) { b.Sums = append(b.Sums, sum[:]...) }

// sum is the digest of block i, nil if there is none.
func (b *Blocks) sum(i int64) []byte {
	if i < 0 || (i+1)*sumBytes > int64(len(b.Sums)) {
		return nil
	}
	return b.Sums[i*sumBytes : (i+1)*sumBytes]
}

func (b *Blocks) seal() {
	h := blake3.New()
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(b.Size))
	h.Write(n[:])
	h.Write(b.Sums)
	b.Root = h.Sum(nil)
}

// same says that both describe the same content.
func (b *Blocks) same(o *Blocks) bool {
	return b.Size == o.Size && len(b.Root) == sumBytes && bytes.Equal(b.Root, o.Root)
}

// Manifest is what a receiver's copy holds, read from the copy itself. The
// zero Manifest stands for nothing.
type Manifest struct {
	DB    Blocks
	WAL   Blocks
	Stamp Stamp // of the database file
}

// Brief leaves out the list of the database's blocks, which the final needs
// only after a mistake: what travels inside the cut is then independent of size.
func (m Manifest) Brief() Manifest {
	m.DB.Sums = nil
	return m
}

// ManifestOf reads the whole copy at the receiver. A copy that does not exist
// yet has the zero Manifest. It is to be called outside the cut.
func ManifestOf(ctx context.Context, f File) (Manifest, error) {
	return manifest(ctx, f, Manifest{})
}

// Refresh is ManifestOf for a copy whose database file has not been written to
// since m was taken, as after [Session.CatchUp]: only the WAL is read again.
func Refresh(ctx context.Context, f File, m Manifest) (Manifest, error) {
	return manifest(ctx, f, m)
}

func manifest(ctx context.Context, f File, known Manifest) (Manifest, error) {
	p, err := openPlace(f)
	if err != nil {
		return Manifest{}, err
	}
	defer p.close()
	var m Manifest
	if m.Stamp, err = settledStamp(ctx, p); err != nil {
		return Manifest{}, err
	}
	if m.WAL, err = blocksAt(ctx, p, walSuffix); err != nil {
		return Manifest{}, err
	}
	if known.Stamp == m.Stamp && m.Stamp.Ino != 0 && len(known.DB.Root) != 0 {
		m.DB = known.DB
		return m, nil
	}
	if m.DB, err = blocksAt(ctx, p, ""); err != nil {
		return Manifest{}, err
	}
	return m, nil
}

// settledStamp waits until an equal stamp later would prove that nothing was
// written. The copy is inactive, so the wait is short.
func settledStamp(ctx context.Context, p *place) (Stamp, error) {
	for {
		s, err := p.stamp("")
		if errors.Is(err, os.ErrNotExist) {
			return Stamp{}, nil
		}
		if err != nil {
			return Stamp{}, fmt.Errorf("stat %s: %w", p.file, err)
		}
		now := time.Now()
		// A ctime in the future (a clock that jumped) would keep us here for ever.
		if !s.fresh(now) || s.Ctime > now.Add(settle).UnixNano() {
			return s, nil
		}
		select {
		case <-ctx.Done():
			return Stamp{}, ctx.Err()
		case <-time.After(settle / 5):
		}
	}
}

func blocksAt(ctx context.Context, p *place, suffix string) (Blocks, error) {
	f, err := p.open(suffix, os.O_RDONLY, 0)
	if errors.Is(err, os.ErrNotExist) {
		return Blocks{}, nil
	}
	if err != nil {
		return Blocks{}, err
	}
	defer f.Close()
	var b Blocks
	err = eachBlock(ctx, f, -1, func(_ int64, data []byte) error {
		b.Size += int64(len(data))
		b.add(blake3.Sum256(data))
		return nil
	})
	if err != nil {
		return Blocks{}, fmt.Errorf("read %s%s: %w", p.file, suffix, err)
	}
	b.seal()
	return b, nil
}

// eachBlock hands out the blocks up to limit bytes (all with -1) or the end of
// the file, whichever comes first. The data is only valid during the call.
func eachBlock(ctx context.Context, r io.ReaderAt, limit int64, do func(i int64, data []byte) error) error {
	buf := make([]byte, BlockSize)
	for i := int64(0); limit < 0 || i*BlockSize < limit; i++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		want := buf
		if limit >= 0 && limit-i*BlockSize < BlockSize {
			want = buf[:limit-i*BlockSize]
		}
		n, err := r.ReadAt(want, i*BlockSize)
		if n > 0 {
			if err := do(i, want[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}
