//go:build linux

package files

import (
	"bytes"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// A listing travels as frames: a head, parts of directories with at most partEntries entries, an end.
const partEntries = 128

type listingHead struct {
	_       struct{} `cbor:",toarray"`
	Version int
	Origin  bool
	Root    Entry
}

type listingPart struct {
	_       struct{} `cbor:",toarray"`
	Dir     string
	Entries []Entry
}

// WriteTo sends the listing in frames, for ReadListing.
func (l *Listing) WriteTo(w io.Writer) (int64, error) {
	f := newFrameWriter(w)
	if err := f.value(frameListing, listingHead{Version: version, Origin: l.origin, Root: l.root}); err != nil {
		return f.bytes, err
	}
	for _, dir := range l.sorted() {
		list := l.dirs[dir]
		for first := true; first || len(list) > 0; first = false {
			n := partLen(list)
			if err := f.value(frameEntries, listingPart{Dir: dir, Entries: list[:n]}); err != nil {
				return f.bytes, err
			}
			list = list[n:]
		}
	}
	if err := f.parts(frameEnd); err != nil {
		return f.bytes, err
	}
	return f.bytes, f.flush()
}

// partLen keeps a part within a frame, whatever the names and targets.
func partLen(list []Entry) int {
	size := MaxPath
	for i := range min(len(list), partEntries) {
		if size += len(list[i].Name) + len(list[i].Target) + 160; size > MaxFrame {
			return i
		}
	}
	return min(len(list), partEntries)
}

// ReadListing reads what WriteTo wrote. It refuses more than limit entries and anything that is not a well-formed
// tree; like every stream, it may come from a compromised peer.
func ReadListing(r io.Reader, limit int) (*Listing, error) {
	f, buf := newFrameReader(r), make([]byte, MaxFrame)
	k, body, err := f.next(buf)
	if err != nil {
		return nil, err
	}
	var head listingHead
	if k != frameListing {
		return nil, fmt.Errorf("%w: not a listing", ErrStream)
	}
	if err := f.decode(body, &head); err != nil {
		return nil, err
	}
	if head.Version != version || !head.Root.isDir() || head.Root.Name != "" {
		return nil, fmt.Errorf("%w: listing of version %d", ErrStream, head.Version)
	}
	l := &Listing{root: head.Root, origin: head.Origin, dirs: map[string][]Entry{}}
	for left := limit; ; {
		k, body, err := f.next(buf)
		if err != nil {
			return nil, err
		}
		if k == frameEnd {
			return l, nil
		}
		var part listingPart
		if err := f.decode(body, &part); err != nil {
			return nil, err
		}
		if left -= len(part.Entries) + 1; k != frameEntries || left < 0 {
			return nil, fmt.Errorf("%w: listing of more than %d entries", ErrStream, limit)
		}
		if err := l.add(part); err != nil {
			return nil, err
		}
	}
}

// add takes a part that continues what is there: parents before children, names in order.
func (l *Listing) add(part listingPart) error {
	if part.Dir != "" {
		if !validPath(part.Dir) {
			return fmt.Errorf("%w: directory %q", ErrStream, part.Dir)
		}
		if e := l.find(split(part.Dir)); e == nil || !e.isDir() {
			return fmt.Errorf("%w: directory %q has no entry", ErrStream, part.Dir)
		}
	}
	list := l.dirs[part.Dir]
	last := ""
	if len(list) > 0 {
		last = list[len(list)-1].Name
	}
	for i := range part.Entries {
		e := &part.Entries[i]
		if !validName(e.Name) || len(part.Dir)+1+len(e.Name) > MaxPath || e.Name <= last || e.Size < 0 || !known(e.kind()) {
			return fmt.Errorf("%w: entry %q", ErrStream, e.Name)
		}
		last = e.Name
	}
	l.dirs[part.Dir] = append(list, part.Entries...)
	return nil
}

func known(kind uint32) bool {
	return kind == unix.S_IFREG || kind == unix.S_IFDIR || kind == unix.S_IFLNK || kind == unix.S_IFIFO
}

// maxListing bounds a listing inside another CBOR value, which has to be in memory anyway.
const maxListing = 50 << 20

// MarshalCBOR lets a listing be a field of a message: a byte string of what WriteTo writes.
func (l *Listing) MarshalCBOR() ([]byte, error) {
	var b bytes.Buffer
	if _, err := l.WriteTo(&b); err != nil {
		return nil, err
	}
	return newCodec().enc.Marshal(b.Bytes())
}

// UnmarshalCBOR reads what MarshalCBOR wrote.
func (l *Listing) UnmarshalCBOR(data []byte) error {
	var raw []byte
	if err := newCodec().dec.Unmarshal(data, &raw); err != nil {
		return err
	}
	got, err := ReadListing(bytes.NewReader(raw), maxListing)
	if err != nil {
		return err
	}
	*l = *got
	return nil
}
