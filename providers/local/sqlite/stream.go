package sqlite

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/zeebo/blake3"
)

// A stream is a sequence of messages: one byte of type, four of length (big
// endian), content. It starts with a head and ends with a foot, which carries
// the digest of everything before it (of blocks: their index and digest).
const (
	msgHead  = 'H'
	msgPart  = 'P' // a file begins
	msgBlock = 'B'
	msgEnd   = 'E' // a file ends: size and digest
	msgMeta  = 'A' // mode, time, what to do in the end
	msgFoot  = 'F'
)

const (
	streamVersion = 1
	blockPrefix   = 8 + sumBytes // index, digest
	maxMessage    = blockPrefix + BlockSize
	headBytes     = 2 + 6*8 + sumBytes
	endBytes      = 1 + 8 + sumBytes
	metaBytes     = 4 + 8 + 1
)

// Parts of a stream, in this order.
const (
	partDB = iota + 1
	partWAL
	partJournal
)

// Kinds of streams.
const (
	streamPass = iota + 1
	streamCatchUp
	streamFinal
)

func suffixOf(part byte) string {
	return [...]string{partDB: "", partWAL: walSuffix, partJournal: journalSuffix}[part]
}

// head says what the sender takes the receiver's copy to be.
type head struct {
	kind  byte
	stamp Stamp
	wal   []byte // root, empty for nothing
}

func (h head) encode() []byte {
	b := []byte{streamVersion, h.kind}
	for _, v := range []uint64{h.stamp.Dev, h.stamp.Ino, uint64(h.stamp.Size), uint64(h.stamp.Mtime), uint64(h.stamp.Ctime), uint64(h.stamp.ChangeCount)} {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	var root [sumBytes]byte
	copy(root[:], h.wal)
	return append(b, root[:]...)
}

func decodeHead(b []byte) (head, error) {
	if len(b) != headBytes || b[0] != streamVersion || b[1] < streamPass || b[1] > streamFinal {
		return head{}, ErrStream
	}
	u := func(i int) uint64 { return binary.BigEndian.Uint64(b[2+8*i:]) }
	return head{
		kind:  b[1],
		stamp: Stamp{Dev: u(0), Ino: u(1), Size: int64(u(2)), Mtime: int64(u(3)), Ctime: int64(u(4)), ChangeCount: uint32(u(5))},
		wal:   bytes.Clone(b[2+6*8:]),
	}, nil
}

// meta is what becomes of the file besides its bytes.
type meta struct {
	mode   uint32 // permission bits, setuid and its like left out
	mtime  int64  // nanoseconds since 1970
	replay bool   // the WAL is SQLite's to replay
}

func (m meta) encode() []byte {
	b := binary.BigEndian.AppendUint32(nil, m.mode)
	b = binary.BigEndian.AppendUint64(b, uint64(m.mtime))
	if m.replay {
		return append(b, 1)
	}
	return append(b, 0)
}

func decodeMeta(b []byte) (meta, error) {
	if len(b) != metaBytes || b[12] > 1 {
		return meta{}, ErrStream
	}
	m := meta{mode: binary.BigEndian.Uint32(b), mtime: int64(binary.BigEndian.Uint64(b[4:])), replay: b[12] == 1}
	if m.mode&^0o777 != 0 {
		return meta{}, ErrStream
	}
	return m, nil
}

type sender struct {
	w     *bufio.Writer
	check *blake3.Hasher
	sent  int64
}

func newSender(w io.Writer) *sender {
	return &sender{w: bufio.NewWriterSize(w, 2*maxMessage), check: blake3.New()}
}

func (s *sender) send(kind byte, content []byte) error {
	return s.message(kind, content, nil)
}

func (s *sender) message(kind byte, content, data []byte) error {
	var h [5]byte
	h[0] = kind
	binary.BigEndian.PutUint32(h[1:], uint32(len(content)+len(data)))
	s.check.Write(h[:])
	s.check.Write(content)
	for _, b := range [][]byte{h[:], content, data} {
		n, err := s.w.Write(b)
		s.sent += int64(n)
		if err != nil {
			return fmt.Errorf("send: %w", err)
		}
	}
	return nil
}

func (s *sender) block(i int64, sum [sumBytes]byte, data []byte) error {
	var b [blockPrefix]byte
	binary.BigEndian.PutUint64(b[:], uint64(i))
	copy(b[8:], sum[:])
	return s.message(msgBlock, b[:], data)
}

func (s *sender) end(part byte, b *Blocks) error {
	e := make([]byte, 9, endBytes)
	e[0] = part
	binary.BigEndian.PutUint64(e[1:], uint64(b.Size))
	return s.send(msgEnd, append(e, b.Root...))
}

func (s *sender) finish() error {
	if err := s.send(msgFoot, s.check.Sum(nil)); err != nil {
		return err
	}
	if err := s.w.Flush(); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

type reader struct {
	r     *bufio.Reader
	check *blake3.Hasher
	buf   []byte
	got   int64
}

func newReader(r io.Reader) *reader {
	return &reader{r: bufio.NewReaderSize(r, 2*maxMessage), check: blake3.New(), buf: make([]byte, maxMessage)}
}

// next returns a message; its content is valid until the call after.
func (r *reader) next() (kind byte, content []byte, err error) {
	var h [5]byte
	if _, err := io.ReadFull(r.r, h[:]); err != nil {
		return 0, nil, short(err)
	}
	n := binary.BigEndian.Uint32(h[1:])
	if n > maxMessage {
		return 0, nil, ErrStream
	}
	content = r.buf[:n]
	if _, err := io.ReadFull(r.r, content); err != nil {
		return 0, nil, short(err)
	}
	r.got += int64(len(h)) + int64(n)
	if h[0] == msgFoot {
		if string(content) != string(r.check.Sum(nil)) {
			return 0, nil, ErrStream
		}
		return msgFoot, content, nil
	}
	r.check.Write(h[:])
	if h[0] == msgBlock {
		if n <= blockPrefix {
			return 0, nil, ErrStream
		}
		r.check.Write(content[:blockPrefix])
		if sum := blake3.Sum256(content[blockPrefix:]); string(sum[:]) != string(content[8:blockPrefix]) {
			return 0, nil, ErrStream
		}
		return msgBlock, content, nil
	}
	r.check.Write(content)
	return h[0], content, nil
}

func short(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrStream
	}
	return fmt.Errorf("receive: %w", err)
}
