package sqlite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

// Kind is what a file is to this package.
type Kind string

// The kinds. A file whose header says rollback but that has a WAL with frames
// is treated as WAL, as SQLite does.
const (
	KindWAL      Kind = "wal"      // write-ahead log
	KindRollback Kind = "rollback" // journal_mode delete, truncate, persist, memory or off
	KindEmpty    Kind = "empty"    // a database of no pages
	KindOpaque   Kind = "opaque"   // no database that can be read: garbage, or encrypted
)

const (
	magic         = "SQLite format 3\x00"
	headerBytes   = 100
	walHeader     = 32
	walFrame      = 24
	walMagic      = 0x377f0682 // the last bit says how checksums are stored
	journalSuffix = "-journal"
	walSuffix     = "-wal"
	shmSuffix     = "-shm"
)

// header holds the fields of the first 100 bytes that matter here.
type header struct {
	kind          Kind
	pageSize      int
	changes       uint32
	pages         uint32 // as the header says; only true if validFor equals changes
	userVersion   int32
	validFor      uint32
	sqliteVersion uint32
}

// readHeader never fails for what a file holds, only for reading it.
func readHeader(r io.ReaderAt) (header, error) {
	b := make([]byte, headerBytes)
	n, err := r.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return header{}, err
	}
	if n == 0 {
		return header{kind: KindEmpty}, nil
	}
	if n < headerBytes || !bytes.HasPrefix(b, []byte(magic)) {
		return header{kind: KindOpaque}, nil
	}
	h := header{
		pageSize:      pageSize(uint32(binary.BigEndian.Uint16(b[16:]))),
		changes:       binary.BigEndian.Uint32(b[24:]),
		pages:         binary.BigEndian.Uint32(b[28:]),
		userVersion:   int32(binary.BigEndian.Uint32(b[60:])),
		validFor:      binary.BigEndian.Uint32(b[92:]),
		sqliteVersion: binary.BigEndian.Uint32(b[96:]),
	}
	switch {
	case h.pageSize == 0 || b[19] < 1 || b[19] > 2:
		h.kind = KindOpaque
	case b[19] == 2:
		h.kind = KindWAL
	default:
		h.kind = KindRollback
	}
	return h, nil
}

// pageSize is the size that a stored number stands for, 0 for an impossible one.
func pageSize(v uint32) int {
	if v == 1 {
		return 1 << 16
	}
	if v < 512 || v > 1<<16 || v&(v-1) != 0 {
		return 0
	}
	return int(v)
}

// walExtent is how many bytes of a WAL can matter: the header and the frames
// that carry its salts. A WAL that was started over keeps the frames of its
// past behind them, which SQLite ignores and which can be many. Checksums are
// left to SQLite: more frames than it accepts do no harm.
func walExtent(r io.ReaderAt, size int64) (int64, error) {
	b := make([]byte, walHeader)
	if size < walHeader {
		return 0, nil
	}
	if _, err := r.ReadAt(b, 0); err != nil {
		return 0, ignoreEOF(err)
	}
	page := pageSize(binary.BigEndian.Uint32(b[8:]))
	if binary.BigEndian.Uint32(b)&^1 != walMagic || page == 0 {
		return 0, nil
	}
	salts := bytes.Clone(b[16:24])
	step := int64(walFrame + page)
	end := int64(walHeader)
	for end+step <= size {
		if _, err := r.ReadAt(b[:walFrame], end); err != nil {
			return end, ignoreEOF(err)
		}
		if !bytes.Equal(b[8:16], salts) {
			break
		}
		end += step
	}
	if end == walHeader {
		return 0, nil
	}
	return end, nil
}

// ignoreEOF forgives a file that became shorter while it was read: a later pass, or SQLite, sorts it out.
func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}
