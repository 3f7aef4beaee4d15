package ownership

import (
	"bytes"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

func fullRecord() Record {
	return Record{
		Migration: "spring", Account: "a/b\n\xff*", Epoch: 7, State: Moved, Token: Token{3, 9}, Void: Token{2, math.MaxUint64},
		Peer:   Peer{Machine: "m1", Agent: "10.0.0.2:99", Front: "10.0.0.2:80", Credential: "s\x00cret"},
		Former: []string{"older"}, Paired: true, Confirmed: true, Boot: "boot", Instance: "instance", Lease: 30 * time.Second,
		Digest: "blake3:00", Ours: []string{"unit x", ""}, Blocker: "why",
	}
}

func fullServer() ServerRecord {
	return ServerRecord{
		Machine: "m0", Known: true, Term: 12, Migration: "spring", Nonce: "n", Past: []string{"a", "b"},
		Seal:      &Seal{Number: 2, Term: 11, Epochs: map[string]uint64{"x": 1, "\xff": 0}},
		SealCount: 2, Lineage: []Lineage{{Machine: "m9", Epochs: map[string]uint64{"y": 4}}}, Lost: []string{"m7"},
	}
}

func TestRecordsRoundTrip(t *testing.T) {
	for _, r := range []Record{fullRecord(), {Account: "x", State: Active}} {
		got, err := decodeRecord(encodeRecord(r))
		if err != nil || !reflect.DeepEqual(got, r) {
			t.Errorf("got %+v, %v\nwant %+v", got, err, r)
		}
	}
	for _, s := range []ServerRecord{fullServer(), {Machine: "m"}} {
		got, err := decodeServer(encodeServer(s))
		if err != nil || !reflect.DeepEqual(got, s) {
			t.Errorf("got %+v, %v\nwant %+v", got, err, s)
		}
	}
}

// TestRecordCoversEveryField fails when a field is added that is not encoded.
func TestRecordCoversEveryField(t *testing.T) {
	for _, v := range []any{fullRecord(), fullServer()} {
		rv := reflect.ValueOf(v)
		for i := range rv.NumField() {
			if rv.Field(i).IsZero() {
				t.Errorf("%T.%s is not part of the round trip", v, rv.Type().Field(i).Name)
			}
		}
	}
	c := fullServer()
	d := c.Clone()
	d.Past[0], d.Lost[0], d.Seal.Epochs["x"], d.Lineage[0].Epochs["y"] = "z", "z", 99, 99
	if !reflect.DeepEqual(c, fullServer()) {
		t.Error("a clone shares memory with its original")
	}
	r := fullRecord()
	r.Clone().Ours[0] = "z"
	r.Clone().Former[0] = "z"
	if !reflect.DeepEqual(r, fullRecord()) {
		t.Error("a clone shares memory with its original")
	}
}

func TestRecordRefusesNonsense(t *testing.T) {
	good := encodeRecord(fullRecord())
	for n := range good {
		if _, err := decodeRecord(good[:n]); err == nil {
			t.Fatalf("accepted the first %d of %d bytes", n, len(good))
		}
	}
	if _, err := decodeRecord(append(bytes.Clone(good), 0)); err == nil {
		t.Error("accepted a byte too many")
	}
	for _, s := range []State{Unmanaged, Unreadable + 1} {
		if _, err := decodeRecord(encodeRecord(Record{State: s})); err == nil {
			t.Errorf("accepted a record that says %s", s)
		}
	}
	good = encodeServer(fullServer())
	for n := range good {
		if _, err := decodeServer(good[:n]); err == nil {
			t.Fatalf("accepted the first %d of %d bytes of a server's record", n, len(good))
		}
	}
}

// TestTornWrite writes a new record over an old one, cut off after every byte,
// with the rest of the old slot behind it.
func TestTornWrite(t *testing.T) {
	const name = "account/x"
	old := encodeSlot(name, 4, encodeRecord(fullRecord()))
	next := fullRecord()
	next.State, next.Epoch, next.Digest = Active, 8, strings.Repeat("d", 40)
	fresh := encodeSlot(name, 5, encodeRecord(next))
	for n := range len(fresh) + 1 {
		slot := make([]byte, SlotSize)
		copy(slot, old)
		copy(slot, fresh[:n])
		seq, payload, err := decodeSlot(name, slot)
		switch {
		case err != nil:
		case seq == 4 && bytes.Equal(payload, encodeRecord(fullRecord())):
		case seq == 5 && bytes.Equal(payload, encodeRecord(next)):
		default:
			t.Fatalf("cut after %d bytes: read sequence %d and nonsense", n, seq)
		}
		if n == len(fresh) && (err != nil || seq != 5) {
			t.Fatalf("the whole record does not read back: %v", err)
		}
	}
}

// TestTornBlob tears every byte of a save and reads the blob back.
func TestTornBlob(t *testing.T) {
	for n := range 200 {
		for write := range 2 {
			d := &tearing{simDisk: newSimDisk(), at: write, keep: n}
			b := blob{name: "account/x", size: SlotSize}
			if err := b.create(d.simDisk, encodeRecord(Record{Account: "x", State: Frozen})); err != nil {
				t.Fatal(err)
			}
			err := b.save(d, encodeRecord(Record{Account: "x", State: Active}))
			r := blob{name: "account/x", size: SlotSize}
			payload, lerr := r.load(d)
			if lerr != nil {
				t.Fatal(lerr)
			}
			rec, derr := decodeRecord(payload)
			if derr != nil {
				t.Fatal(derr)
			}
			if err == nil && rec.State != Active || rec.State != Active && rec.State != Frozen {
				t.Fatalf("write %d torn after %d bytes (%v): read %s", write, n, err, rec.State)
			}
		}
	}
}

// tearing keeps only the first bytes of one write.
type tearing struct {
	*simDisk
	at, keep, n int
}

func (d *tearing) Write(name string, slot int, data []byte) error {
	d.n++
	if d.n-1 != d.at {
		return d.simDisk.Write(name, slot, data)
	}
	b := d.blobs[name]
	mixed := bytes.Clone(b.slot[slot].visible)
	mixed = append(mixed, make([]byte, max(0, len(data)-len(mixed)))...)
	copy(mixed, data[:min(d.keep, len(data))])
	b.slot[slot] = simSlot{mixed, mixed}
	d.blobs[name] = b
	return errDisk
}

func TestSlotIsBoundToItsName(t *testing.T) {
	slot := encodeSlot("account/x", 1, []byte("p"))
	if _, _, err := decodeSlot("account/y", slot); err == nil {
		t.Error("a slot was accepted under another name")
	}
	for i := range slot {
		bad := bytes.Clone(slot)
		bad[i] ^= 1
		if _, _, err := decodeSlot("account/x", bad); err == nil {
			t.Errorf("byte %d may be changed unnoticed", i)
		}
	}
}

func FuzzSlot(f *testing.F) {
	f.Add("account/x", encodeSlot("account/x", 3, encodeRecord(fullRecord())))
	f.Add("server", encodeSlot("server", 3, encodeServer(fullServer())))
	f.Add("x", []byte(slotMagic))
	f.Fuzz(func(t *testing.T, name string, slot []byte) {
		seq, payload, err := decodeSlot(name, slot)
		if err == nil && !bytes.HasPrefix(slot, encodeSlot(name, seq, payload)) {
			t.Errorf("accepted a slot that was never written")
		}
		// Payloads are protected by the checksum; the decoders must not trust that.
		if r, err := decodeRecord(slot); err == nil {
			if again, err := decodeRecord(encodeRecord(r)); err != nil || !reflect.DeepEqual(again, r) {
				t.Errorf("record does not round-trip: %+v", r)
			}
		}
		if s, err := decodeServer(slot); err == nil {
			if _, err := decodeServer(encodeServer(s)); err != nil {
				t.Errorf("server record does not round-trip: %+v", s)
			}
		}
	})
}
