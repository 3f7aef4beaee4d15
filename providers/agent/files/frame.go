//go:build linux

package files

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/fxamacker/cbor/v2"
)

// A frame is its kind (1 byte), the length of its body (4 bytes, little endian) and the body.
const headSize = 5

// kind of a frame.
type kind byte

const (
	frameHello   kind = iota + 1 // hello
	frameStash                   // move{ID, From}: put a file aside that will be placed elsewhere
	frameRemove                  // one{Path}: whatever is there, with all below
	frameMkdir                   // one{Path}
	frameRename                  // move{From, To}
	framePlace                   // move{ID, To}
	frameWhole                   // length of the header (2 bytes), file{Path, Meta, Size}, content
	frameFile                    // file{Path, Meta, Size}, followed by data and done
	frameData                    // offset (8 bytes), bytes
	frameDone                    // done{Keep}
	frameSymlink                 // file{Path, Meta, Target}
	frameFifo                    // file{Path, Meta}
	frameLink                    // move{From, To}
	frameMeta                    // file{Path, Meta} of a regular file
	frameDirMeta                 // file{Path, Meta} of a directory; the last one is the root
	frameEnd                     // nothing
	frameListing                 // listingHead
	frameEntries                 // listingPart
	frameTotals                  // totals
)

const version = 1

type hello struct {
	_       struct{} `cbor:",toarray"`
	Version int
	Stage   string // reserved name in the root that neither side uses for a file
}

// totals are of what follows, for whoever watches; nothing depends on them.
type totals struct {
	_     struct{} `cbor:",toarray"`
	Files int64
	Bytes int64 // holes included
}

type one struct {
	_    struct{} `cbor:",toarray"`
	Path string
}

type move struct {
	_        struct{} `cbor:",toarray"`
	ID       uint64
	From, To string
}

type meta struct {
	_        struct{} `cbor:",toarray"`
	Mode     uint32
	UID, GID uint32
	Sec      int64
	Nsec     uint32
	Xattrs   []Xattr
}

type file struct {
	_      struct{} `cbor:",toarray"`
	Path   string
	Meta   meta
	Size   int64
	Target string
}

type done struct {
	_    struct{} `cbor:",toarray"`
	Keep bool     // false: it changed while it was read; forget it
}

// codec encodes names as byte strings, since they may hold any bytes.
type codec struct {
	enc cbor.EncMode
	dec cbor.DecMode
}

func newCodec() codec {
	enc, err := cbor.EncOptions{String: cbor.StringToByteString}.EncMode()
	if err != nil {
		panic(err) // the options are constants
	}
	dec, err := cbor.DecOptions{
		ByteStringToString: cbor.ByteStringToStringAllowed,
		MaxArrayElements:   64 << 10,
		MaxMapPairs:        16,
		MaxNestedLevels:    8,
		IndefLength:        cbor.IndefLengthForbidden,
		TagsMd:             cbor.TagsForbidden,
	}.DecMode()
	if err != nil {
		panic(err)
	}
	return codec{enc, dec}
}

// frameWriter writes frames. Not for concurrent use.
type frameWriter struct {
	codec
	w     *bufio.Writer
	bytes int64
}

func newFrameWriter(w io.Writer) *frameWriter {
	return &frameWriter{codec: newCodec(), w: bufio.NewWriterSize(w, 64<<10)}
}

func (f *frameWriter) value(k kind, v any) error {
	body, err := f.enc.Marshal(v)
	if err != nil {
		return err
	}
	return f.parts(k, body)
}

func (f *frameWriter) parts(k kind, parts ...[]byte) error {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	if size > MaxFrame {
		return fmt.Errorf("frame of %d bytes", size)
	}
	var head [headSize]byte
	head[0] = byte(k)
	binary.LittleEndian.PutUint32(head[1:], uint32(size))
	f.w.Write(head[:]) // bufio remembers the first error
	for _, p := range parts {
		f.w.Write(p)
	}
	f.bytes += int64(headSize + size)
	if _, err := f.w.Write(nil); err != nil {
		return &streamError{err}
	}
	return nil
}

func (f *frameWriter) flush() error {
	if err := f.w.Flush(); err != nil {
		return &streamError{err}
	}
	return nil
}

// streamError: the other end is gone, which is no fault of the file that was being sent.
type streamError struct{ err error }

func (e *streamError) Error() string { return "write to the receiver: " + e.err.Error() }
func (e *streamError) Unwrap() error { return e.err }

// frameReader reads frames into a buffer of its caller's.
type frameReader struct {
	codec
	r io.Reader
}

// newFrameReader does not read ahead of what it needs if r is already buffered (an io.ByteReader), so that something
// else may follow on the same stream.
func newFrameReader(r io.Reader) *frameReader {
	if _, ok := r.(io.ByteReader); !ok {
		r = bufio.NewReaderSize(r, 64<<10)
	}
	return &frameReader{codec: newCodec(), r: r}
}

// next reads a frame; its body is a part of buf, which has MaxFrame bytes.
func (f *frameReader) next(buf []byte) (kind, []byte, error) {
	var head [headSize]byte
	if _, err := io.ReadFull(f.r, head[:]); err != nil {
		return 0, nil, cut(err)
	}
	size := binary.LittleEndian.Uint32(head[1:])
	if size > MaxFrame {
		return 0, nil, fmt.Errorf("%w: frame of %d bytes", ErrStream, size)
	}
	if _, err := io.ReadFull(f.r, buf[:size]); err != nil {
		return 0, nil, cut(err)
	}
	return kind(head[0]), buf[:size], nil
}

func (f *frameReader) decode(body []byte, v any) error {
	if err := f.dec.Unmarshal(body, v); err != nil {
		return fmt.Errorf("%w: %w", ErrStream, err)
	}
	return nil
}

// cut: a stream never ends by itself before its last frame.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
