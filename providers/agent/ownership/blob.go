package ownership

import (
	"errors"
	"fmt"
	"io/fs"
)

// blob is one record on disk: two slots, written one after the other, so that
// at rest both hold the newest record and one of them may be damaged.
type blob struct {
	name string
	size int
	seq  uint64  // of the last write that was tried
	good [2]bool // slots known to hold the newest record on stable storage
}

// create allocates the blob with its first record.
func (b *blob) create(d Disk, payload []byte) error {
	b.seq = 1
	data := encodeSlot(b.name, b.seq, payload)
	if len(data) > b.size {
		return fmt.Errorf("record of %d bytes, a slot holds %d", len(data), b.size)
	}
	err := d.Allocate(b.name, b.size, data)
	if errors.Is(err, fs.ErrExist) {
		// It was not there at start: an Allocate of this instance reported an
		// error and made it all the same.
		return b.save(d, payload)
	}
	if err != nil {
		return err
	}
	b.good = [2]bool{true, true}
	return nil
}

// load reads both slots and returns the newest valid record.
func (b *blob) load(d Disk) ([]byte, error) {
	var best []byte
	b.seq, b.good = 0, [2]bool{}
	err := fmt.Errorf("read both slots: %w", errSlot)
	for i := range b.good {
		data, rerr := d.Read(b.name, i)
		if rerr != nil {
			err = rerr
			continue
		}
		seq, payload, derr := decodeSlot(b.name, data)
		if derr != nil || best != nil && seq <= b.seq {
			continue
		}
		best, b.seq, b.good = payload, seq, [2]bool{i == 0, i == 1}
	}
	if best == nil {
		return nil, err
	}
	return best, nil
}

// save writes a record. It is durable once one slot holds it, which never is
// the only slot that holds the record before it; the second slot follows so
// that a later loss of either cannot bring an old record back. A second slot
// that cannot be written is no error: the next save begins with it.
func (b *blob) save(d Disk, payload []byte) error {
	b.seq++ // also for a write that fails: it may be on disk all the same
	data := encodeSlot(b.name, b.seq, payload)
	if len(data) > b.size {
		return fmt.Errorf("record of %d bytes, a slot holds %d", len(data), b.size)
	}
	first := 0
	if b.good[0] && !b.good[1] {
		first = 1
	}
	b.good[first] = false
	if err := d.Write(b.name, first, data); err != nil {
		return err
	}
	b.good = [2]bool{}
	b.good[first] = true
	if err := d.Write(b.name, 1-first, data); err == nil {
		b.good[1-first] = true
	}
	return nil
}
