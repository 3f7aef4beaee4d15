package ownership

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// The layout of a slot: magic, checksum, sequence number, length, payload. The
// checksum covers everything behind it and the blob's name, so that a file
// copied over another is not taken for its record.
const (
	slotMagic  = "SOwner01"
	slotSeq    = 8 + sha256.Size
	slotLength = slotSeq + 8
	slotHeader = slotLength + 4
)

var errSlot = errors.New("slot holds no valid record")

// encodeSlot returns the bytes of a slot.
func encodeSlot(name string, seq uint64, payload []byte) []byte {
	b := make([]byte, slotHeader, slotHeader+len(payload))
	copy(b, slotMagic)
	binary.BigEndian.PutUint64(b[slotSeq:], seq)
	binary.BigEndian.PutUint32(b[slotLength:], uint32(len(payload)))
	b = append(b, payload...)
	sum := slotSum(name, b[slotSeq:])
	copy(b[8:], sum[:])
	return b
}

// decodeSlot returns sequence number and payload of a slot, or errSlot if any
// byte of it is not what encodeSlot wrote. Bytes after the payload are ignored.
func decodeSlot(name string, b []byte) (seq uint64, payload []byte, err error) {
	if len(b) < slotHeader || string(b[:8]) != slotMagic {
		return 0, nil, errSlot
	}
	n := binary.BigEndian.Uint32(b[slotLength:])
	if uint64(n) > uint64(len(b)-slotHeader) {
		return 0, nil, errSlot
	}
	end := slotHeader + int(n)
	if slotSum(name, b[slotSeq:end]) != [sha256.Size]byte(b[8:slotSeq]) {
		return 0, nil, errSlot
	}
	return binary.BigEndian.Uint64(b[slotSeq:]), b[slotHeader:end], nil
}

func slotSum(name string, body []byte) [sha256.Size]byte {
	b := make([]byte, 0, len(name)+1+len(body))
	b = append(b, name...)
	b = append(b, 0)
	b = append(b, body...)
	return sha256.Sum256(b)
}

// writer appends fields. Strings are bytes: account names need not be UTF-8.
type writer struct{ b []byte }

func (w *writer) number(n uint64) { w.b = binary.AppendUvarint(w.b, n) }
func (w *writer) flag(v bool)     { w.number(flag(v)) }
func (w *writer) token(t Token)   { w.number(t.Term); w.number(t.N) }

func (w *writer) text(s string) {
	w.number(uint64(len(s)))
	w.b = append(w.b, s...)
}

func (w *writer) texts(s []string) {
	w.number(uint64(len(s)))
	for _, v := range s {
		w.text(v)
	}
}

func (w *writer) epochs(m map[string]uint64) {
	w.number(uint64(len(m)))
	for _, a := range slices.Sorted(maps.Keys(m)) {
		w.text(a)
		w.number(m[a])
	}
}

// reader takes the fields back; the first thing that is wrong sticks.
type reader struct {
	b   []byte
	err error
}

func (r *reader) number() uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 {
		r.err = errors.New("number is cut off")
		r.b = nil
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *reader) flag() bool   { return r.number() == 1 }
func (r *reader) token() Token { return Token{Term: r.number(), N: r.number()} }

func (r *reader) text() string {
	n := r.number()
	if n > uint64(len(r.b)) {
		r.err = errors.New("text is cut off")
		r.b = nil
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

// count reads the length of a list whose elements take at least one byte each.
func (r *reader) count() int {
	n := r.number()
	if n > uint64(len(r.b)) {
		r.err = errors.New("list is cut off")
		r.b = nil
		return 0
	}
	return int(n)
}

func (r *reader) texts() []string {
	var s []string
	for n := r.count(); n > 0 && r.err == nil; n-- {
		s = append(s, r.text())
	}
	return s
}

func (r *reader) epochs() map[string]uint64 {
	m := map[string]uint64{}
	for n := r.count(); n > 0 && r.err == nil; n-- {
		a := r.text()
		m[a] = r.number()
	}
	return m
}

func (r *reader) done() error {
	if r.err == nil && len(r.b) != 0 {
		return fmt.Errorf("%d bytes too many", len(r.b))
	}
	return r.err
}

func encodeRecord(r Record) []byte {
	w := writer{b: make([]byte, 0, 256)}
	w.text(r.Migration)
	w.text(r.Account)
	w.number(r.Epoch)
	w.number(uint64(r.State))
	w.token(r.Token)
	w.token(r.Void)
	w.text(r.Peer.Machine)
	w.text(r.Peer.Agent)
	w.text(r.Peer.Front)
	w.text(r.Peer.Credential)
	w.texts(r.Former)
	w.flag(r.Paired)
	w.flag(r.Confirmed)
	w.text(r.Boot)
	w.text(r.Instance)
	w.number(uint64(r.Lease))
	w.text(r.Digest)
	w.texts(r.Ours)
	w.text(r.Blocker)
	return w.b
}

func decodeRecord(b []byte) (Record, error) {
	r := reader{b: b}
	rec := Record{
		Migration: r.text(), Account: r.text(), Epoch: r.number(), State: State(r.number()),
		Token: r.token(), Void: r.token(),
		Peer:   Peer{Machine: r.text(), Agent: r.text(), Front: r.text(), Credential: r.text()},
		Former: r.texts(), Paired: r.flag(), Confirmed: r.flag(), Boot: r.text(), Instance: r.text(),
		Lease: time.Duration(r.number()), Digest: r.text(), Ours: r.texts(), Blocker: r.text(),
	}
	if err := r.done(); err != nil {
		return Record{}, err
	}
	if rec.State == Unmanaged || rec.State > Unreadable {
		return Record{}, fmt.Errorf("no record says %s", rec.State)
	}
	return rec, nil
}

func encodeServer(s ServerRecord) []byte {
	w := writer{b: make([]byte, 0, 256)}
	w.text(s.Machine)
	w.flag(s.Known)
	w.number(s.Term)
	w.text(s.Migration)
	w.text(s.Nonce)
	w.texts(s.Past)
	w.flag(s.Seal != nil)
	if s.Seal != nil {
		w.number(s.Seal.Number)
		w.number(s.Seal.Term)
		w.epochs(s.Seal.Epochs)
	}
	w.number(s.SealCount)
	w.number(uint64(len(s.Lineage)))
	for _, l := range s.Lineage {
		w.text(l.Machine)
		w.epochs(l.Epochs)
	}
	w.texts(s.Lost)
	return w.b
}

func decodeServer(b []byte) (ServerRecord, error) {
	r := reader{b: b}
	s := ServerRecord{
		Machine: r.text(), Known: r.flag(), Term: r.number(), Migration: r.text(),
		Nonce: r.text(), Past: r.texts(),
	}
	if r.flag() {
		s.Seal = &Seal{Number: r.number(), Term: r.number(), Epochs: r.epochs()}
	}
	s.SealCount = r.number()
	for n := r.count(); n > 0 && r.err == nil; n-- {
		s.Lineage = append(s.Lineage, Lineage{Machine: r.text(), Epochs: r.epochs()})
	}
	s.Lost = r.texts()
	return s, r.done()
}
