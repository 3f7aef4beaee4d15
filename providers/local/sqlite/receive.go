package sqlite

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"time"
)

// maxFile is the largest file a stream may speak of: SQLite's own limit, rounded up.
const maxFile = 1 << 48

// Received is what one stream did to a copy.
type Received struct {
	Stats Stats // BytesSent counts what arrived
	// Final says that the copy is complete: on the disk, and without companions that SQLite needs.
	Final bool
}

// Receive applies one stream of a session to the copy at the receiver, which
// nobody else may have open. A stream that is refused or ends early leaves a
// copy that the next pass, from a new manifest, repairs; so does a machine
// that goes down. The copy is private (0600) until the final, which gives it
// the mode and time of the original. Owners are the caller's business.
//
// After a final SQLite has replayed the WAL, and file and directory are on the
// disk. Errors: [ErrStale], [ErrStream], [ErrSymlink], [ErrNotRegular], those
// of the file system (a full disk), and what SQLite says to the replay.
func Receive(ctx context.Context, f File, r io.Reader, opts Options) (Received, error) {
	p, err := openPlace(f)
	if err != nil {
		return Received{}, err
	}
	defer p.close()
	v := &receiver{ctx: ctx, opts: opts, place: p, in: newReader(r), files: map[byte]*arriving{}}
	defer v.closeFiles()
	err = v.run()
	v.out.Stats.BytesSent = v.in.got
	if err != nil {
		return v.out, fmt.Errorf("receive %s: %w", f, err)
	}
	return v.out, nil
}

type receiver struct {
	ctx   context.Context
	opts  Options
	place *place
	in    *reader
	head  head
	meta  *meta
	files map[byte]*arriving
	last  byte      // the part that began last
	open  *arriving // the part that has not ended
	out   Received
}

// arriving is a file that a stream writes.
type arriving struct {
	part  byte
	f     *os.File
	next  int64 // the lowest index that may come
	end   int64 // of the bytes that came
	short bool  // the last block was not full, so it ends the file
}

func (v *receiver) closeFiles() {
	for _, a := range v.files {
		a.f.Close()
	}
}

func (v *receiver) run() error {
	kind, b, err := v.in.next()
	if err != nil {
		return err
	}
	if kind != msgHead {
		return ErrStream
	}
	if v.head, err = decodeHead(b); err != nil {
		return err
	}
	if err := v.agree(); err != nil {
		return err
	}
	for {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		kind, b, err := v.in.next()
		if err != nil {
			return err
		}
		if kind == msgFoot {
			return v.finish()
		}
		if err := v.handle(kind, b); err != nil {
			return err
		}
	}
}

// agree refuses a stream that was made for another state of the copy.
func (v *receiver) agree() error {
	if v.head.stamp.Ino != 0 {
		now, err := v.place.stamp("")
		if err != nil || now != v.head.stamp {
			return ErrStale
		}
	}
	wal, err := blocksAt(v.ctx, v.place, walSuffix)
	if err != nil {
		return err
	}
	if !bytes.Equal(v.head.wal, make([]byte, sumBytes)) && !bytes.Equal(v.head.wal, wal.Root) {
		return ErrStale
	}
	if v.head.kind == streamCatchUp {
		return nil
	}
	// What an interrupted replay left says nothing about the bytes to come.
	for _, suffix := range []string{shmSuffix, journalSuffix} {
		if err := v.place.remove(suffix); err != nil {
			return err
		}
	}
	return nil
}

func (v *receiver) handle(kind byte, b []byte) error {
	switch {
	case kind == msgPart && v.open == nil && v.meta == nil && len(b) == 1:
		return v.begin(b[0])
	case kind == msgBlock && v.open != nil:
		return v.block(v.open, b)
	case kind == msgEnd && v.open != nil && len(b) >= 9 && b[0] == v.open.part:
		return v.end(v.open, b)
	case kind == msgMeta && v.open == nil && v.meta == nil && v.head.kind == streamFinal:
		m, err := decodeMeta(b)
		v.meta = &m
		return err
	}
	return ErrStream
}

func (v *receiver) begin(part byte) error {
	if part <= v.last || part > partJournal || part == partDB && v.head.kind == streamCatchUp {
		return ErrStream
	}
	f, err := v.place.open(suffixOf(part), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	v.open, v.last = &arriving{part: part, f: f}, part
	v.files[part] = v.open
	return nil
}

func (v *receiver) block(a *arriving, b []byte) error {
	data := b[blockPrefix:]
	i := binary.BigEndian.Uint64(b)
	if i < uint64(a.next) || i >= maxFile/BlockSize || a.short {
		return ErrStream
	}
	at := int64(i) * BlockSize
	if _, err := a.f.WriteAt(data, at); err != nil {
		return err
	}
	a.next, a.end, a.short = int64(i)+1, at+int64(len(data)), len(data) < BlockSize
	v.out.Stats.BlocksSent++
	if v.opts.Progress != nil && a.next*BlockSize%progressStep == 0 {
		v.opts.Progress(Progress{Done: a.end, Total: max(a.end, v.head.stamp.Size)})
	}
	return nil
}

func (v *receiver) end(a *arriving, b []byte) error {
	size := binary.BigEndian.Uint64(b[1:])
	root := b[9:]
	if size > maxFile || int64(size) < a.end || a.short && int64(size) != a.end || len(root) != 0 && len(root) != sumBytes {
		return ErrStream
	}
	st, err := stampOf(a.f)
	if err != nil {
		return err
	}
	if st.Size != int64(size) {
		if err := a.f.Truncate(int64(size)); err != nil {
			return err
		}
	}
	v.open = nil
	if a.part == partDB {
		return nil // as large as the database; the next manifest reads it again
	}
	v.out.Stats.WALBytes += int64(size)
	got, err := blocksAt(v.ctx, v.place, suffixOf(a.part))
	if err != nil {
		return err
	}
	if !bytes.Equal(got.Root, root) {
		return ErrStale
	}
	return nil
}

// finish runs when the stream has proved to be whole.
func (v *receiver) finish() error {
	final := v.head.kind == streamFinal
	if v.open != nil || final && (v.meta == nil || v.files[partDB] == nil) || !final && v.meta != nil {
		return ErrStream
	}
	if v.head.kind == streamPass && v.files[partDB] == nil {
		return ErrStream
	}
	if v.head.kind != streamCatchUp {
		if err := v.drop(); err != nil {
			return err
		}
	}
	if final {
		if err := v.complete(); err != nil {
			return err
		}
	}
	began := time.Now()
	defer func() { v.out.Stats.Sync = time.Since(began) }()
	for _, a := range v.files {
		if err := a.f.Sync(); err != nil {
			return err
		}
	}
	if err := v.place.dir.Sync(); err != nil {
		return err
	}
	v.out.Final = final
	return nil
}

// drop removes companions that the original has not got.
func (v *receiver) drop() error {
	for _, part := range []byte{partWAL, partJournal} {
		if a := v.files[part]; a != nil {
			st, err := stampOf(a.f)
			if err != nil {
				return err
			}
			if st.Size > 0 {
				continue
			}
			a.f.Close()
			delete(v.files, part)
		}
		if err := v.place.remove(suffixOf(part)); err != nil {
			return err
		}
	}
	return nil
}

// complete makes the copy what the original will be when it is opened next.
func (v *receiver) complete() error {
	if v.meta.replay && v.files[partJournal] != nil {
		return ErrStream // SQLite would roll it back
	}
	if a := v.files[partWAL]; a != nil && v.meta.replay {
		a.f.Close()
		delete(v.files, partWAL)
		began := time.Now()
		if err := replay(v.ctx, v.place); err != nil {
			return err
		}
		v.out.Stats.Replay = time.Since(began)
	}
	for part, a := range v.files {
		if err := a.f.Chmod(os.FileMode(v.meta.mode)); err != nil {
			return err
		}
		if err := v.place.setTime(suffixOf(part), v.meta.mtime); err != nil {
			return err
		}
	}
	return nil
}
