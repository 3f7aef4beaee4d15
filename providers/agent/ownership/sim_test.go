package ownership

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"maps"
	"slices"
)

// fault is what happens at one disk write.
type fault int

const (
	noFault      fault = iota
	killBefore         // the agent dies before the write
	killUnsynced       // it dies after writing, before syncing: its successor sees the new bytes, a power loss takes them back
	tornPower          // power is lost in the middle of the write
	errBefore          // the write fails and nothing changed
	errAfter           // the write is reported as failed and happened all the same
	faults
)

func (f fault) String() string {
	return [...]string{"", "killed before", "killed unsynced", "power lost within", "error before", "error after"}[f]
}

// crashed is the panic by which a simulated agent dies.
type crashed struct{ power bool }

// simSlot has two contents: what a process reads, and what survives a power
// loss. Contents are never changed in place, so that clones can share them.
type simSlot struct{ visible, durable []byte }

type simBlob struct {
	size int
	slot [2]simSlot
}

// simDisk is a Disk in memory.
type simDisk struct {
	blobs  map[string]simBlob
	writes int   // in the running operation
	at     int   // the write to disturb
	fault  fault // and how
}

var errDisk = errors.New("input/output error")

func newSimDisk() *simDisk { return &simDisk{blobs: map[string]simBlob{}} }

func (d *simDisk) clone() *simDisk {
	return &simDisk{blobs: maps.Clone(d.blobs)}
}

// powerLoss takes back all that was not synced.
func (d *simDisk) powerLoss() {
	for name, b := range d.blobs {
		for i := range b.slot {
			b.slot[i].visible = b.slot[i].durable
		}
		d.blobs[name] = b
	}
}

// damage makes both slots of a blob unreadable.
func (d *simDisk) damage(name string) {
	b := d.blobs[name]
	bad := []byte("damaged")
	b.slot = [2]simSlot{{bad, bad}, {bad, bad}}
	d.blobs[name] = b
}

func (d *simDisk) disturb() fault {
	d.writes++
	if d.fault != noFault && d.writes-1 == d.at {
		return d.fault
	}
	return noFault
}

func (d *simDisk) Allocate(name string, size int, data []byte) error {
	if _, ok := d.blobs[name]; ok {
		return fs.ErrExist
	}
	f := d.disturb()
	switch f {
	case killBefore, killUnsynced: // made under another name: not there yet
		panic(crashed{})
	case tornPower:
		panic(crashed{power: true})
	case errBefore:
		return errDisk
	}
	c := slices.Clone(data)
	d.blobs[name] = simBlob{size: size, slot: [2]simSlot{{c, c}, {c, c}}}
	if f == errAfter {
		return errDisk
	}
	return nil
}

func (d *simDisk) Read(name string, slot int) ([]byte, error) {
	b, ok := d.blobs[name]
	if !ok {
		return nil, errors.New("no such blob")
	}
	return b.slot[slot].visible, nil
}

func (d *simDisk) Write(name string, slot int, data []byte) error {
	b, ok := d.blobs[name]
	if !ok {
		return errors.New("no such blob")
	}
	c := slices.Clone(data)
	f := d.disturb()
	switch f {
	case killBefore:
		panic(crashed{})
	case killUnsynced:
		b.slot[slot].visible = c
	case tornPower:
		t := slices.Clone(data)
		copy(t[len(t)/2:], bytes.Repeat([]byte{0xee}, len(t)))
		b.slot[slot] = simSlot{t, t}
	case errBefore:
		return errDisk
	default:
		b.slot[slot] = simSlot{c, c}
	}
	d.blobs[name] = b
	switch f {
	case killUnsynced:
		panic(crashed{})
	case tornPower:
		panic(crashed{power: true})
	case errAfter:
		return errDisk
	}
	return nil
}

func (d *simDisk) List() ([]string, error) { return slices.Sorted(maps.Keys(d.blobs)), nil }

// key appends what distinguishes this disk from others for the future of the
// world: contents, and which slot is the newer, but not how often it was
// written.
func (d *simDisk) key(b []byte) []byte {
	for _, name := range slices.Sorted(maps.Keys(d.blobs)) {
		b = append(b, name...)
		blob := d.blobs[name]
		v0, v1 := blob.slot[0].visible, blob.slot[1].visible
		d0, d1 := blob.slot[0].durable, blob.slot[1].durable
		b = append(b, byte(compareSeq(v0, v1)+1), byte(compareSeq(d0, d1)+1), byte(compareSeq(v0, d0)+1), byte(compareSeq(v1, d1)+1))
		for _, s := range [][]byte{v0, v1, d0, d1} {
			b = appendPayload(b, s)
		}
	}
	return b
}

func appendPayload(b, slot []byte) []byte {
	if len(slot) < slotHeader || bytes.HasSuffix(slot, []byte{0xee, 0xee}) {
		return append(b, 0xff)
	}
	b = binary.AppendUvarint(b, uint64(len(slot)))
	return append(b, slot[slotHeader:]...)
}

func compareSeq(x, y []byte) int {
	if len(x) < slotHeader || len(y) < slotHeader {
		return 0
	}
	return bytes.Compare(x[slotSeq:slotLength], y[slotSeq:slotLength])
}
