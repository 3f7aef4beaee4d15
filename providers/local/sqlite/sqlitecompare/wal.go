package sqlitecompare

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

const (
	walHeaderBytes = 32
	walFrameBytes  = 24
	walVersion     = 3007000
)

// wal is what a write-ahead log adds to its database file: the latest
// committed content of pages, and the size.
type wal struct {
	pageSize int64
	pages    map[uint32]int64 // page number → where in the WAL its content is
	count    uint32           // pages of the database after the last commit
	commits  int
	frames   int // committed ones
	salts    [8]byte
}

// checksum is SQLite's, over a multiple of eight bytes.
func checksum(order binary.ByteOrder, s0, s1 uint32, b []byte) (uint32, uint32) {
	if order == binary.LittleEndian { // the usual case without a call per word
		for ; len(b) >= 8; b = b[8:] {
			s0 += binary.LittleEndian.Uint32(b) + s1
			s1 += binary.LittleEndian.Uint32(b[4:]) + s0
		}
		return s0, s1
	}
	for ; len(b) >= 8; b = b[8:] {
		s0 += order.Uint32(b) + s1
		s1 += order.Uint32(b[4:]) + s0
	}
	return s0, s1
}

// salts names the generation of a WAL; ok says that there is one.
func salts(r io.ReaderAt, size int64) (s [8]byte, ok bool) {
	var h [walHeaderBytes]byte
	if size < walHeaderBytes {
		return s, false
	}
	if _, err := r.ReadAt(h[:], 0); err != nil {
		return s, false
	}
	copy(s[:], h[16:24])
	return s, true
}

// readWAL reads a WAL as SQLite does when it recovers: up to the last commit
// before the first frame that does not continue the chain of checksums. A file
// that SQLite would ignore has no commits.
func readWAL(r io.ReaderAt, size int64) (*wal, error) {
	w := &wal{pages: map[uint32]int64{}}
	in := bufio.NewReaderSize(io.NewSectionReader(r, 0, size), 1<<20)
	h := make([]byte, walHeaderBytes)
	if _, err := io.ReadFull(in, h); err != nil {
		return w, pastEnd(err)
	}
	magic := binary.BigEndian.Uint32(h)
	page := binary.BigEndian.Uint32(h[8:])
	if magic&^1 != 0x377f0682 || page < 512 || page > 65536 || page&(page-1) != 0 {
		return w, nil
	}
	var order binary.ByteOrder = binary.LittleEndian
	if magic&1 == 1 {
		order = binary.BigEndian
	}
	s0, s1 := checksum(order, 0, 0, h[:24])
	if s0 != binary.BigEndian.Uint32(h[24:]) || s1 != binary.BigEndian.Uint32(h[28:]) {
		return w, nil
	}
	if binary.BigEndian.Uint32(h[4:]) != walVersion {
		return nil, errors.New("the WAL has a version that is not known")
	}
	w.pageSize = int64(page)
	copy(w.salts[:], h[16:24])
	return w, w.readFrames(in, order, s0, s1)
}

func (w *wal) readFrames(in io.Reader, order binary.ByteOrder, s0, s1 uint32) error {
	frame := make([]byte, walFrameBytes+w.pageSize)
	open := map[uint32]int64{} // of the transaction that has not been committed yet
	frames := 0
	for at := int64(walHeaderBytes); ; at += int64(len(frame)) {
		if _, err := io.ReadFull(in, frame); err != nil {
			return pastEnd(err)
		}
		page := binary.BigEndian.Uint32(frame)
		if page == 0 || string(frame[8:16]) != string(w.salts[:]) {
			return nil
		}
		s0, s1 = checksum(order, s0, s1, frame[:8])
		s0, s1 = checksum(order, s0, s1, frame[walFrameBytes:])
		if s0 != binary.BigEndian.Uint32(frame[16:]) || s1 != binary.BigEndian.Uint32(frame[20:]) {
			return nil
		}
		open[page] = at + walFrameBytes
		frames++
		if size := binary.BigEndian.Uint32(frame[4:]); size != 0 {
			for p, off := range open {
				w.pages[p] = off
			}
			clear(open)
			w.count, w.frames = size, w.frames+frames
			w.commits++
			frames = 0
		}
	}
}

func pastEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}
