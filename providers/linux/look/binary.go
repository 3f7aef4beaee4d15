//go:build linux

package look

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/stopover/stopover/schema"
)

// What is read of one binary. Whoever made the file chose every number in it.
const (
	maxSegments   = 256
	maxDynamic    = 64 << 10
	maxStrings    = 8 << 20
	maxNeeds      = 512
	maxVersionRec = 4096
	maxScan       = 4 << 20 // for the API of a PHP extension
)

var errELF = errors.New("not a program as linkers write them")

// elfFile is as much of a binary as the dynamic linker looks at first: its
// segments, not its sections, which tools may have stripped.
type elfFile struct {
	fd    int
	size  int64
	order binary.ByteOrder
	wide  bool // 64 bits
	arch  string
	kind  elf.Type
	loads []segment

	interpreter string
	dynamic     []dynEntry
	strings     []byte
}

type segment struct {
	kind            elf.ProgType
	off, addr, size uint64
	memory          uint64
}

type dynEntry struct {
	tag elf.DynTag
	val uint64
}

// binary looks at an ELF file of an account.
func (r *reader) binary(fd int, name string, info fileInfo) {
	f, err := openELF(fd, info.size)
	if err != nil {
		return // something that only begins like one
	}
	if f.kind != elf.ET_EXEC && f.kind != elf.ET_DYN {
		return // objects and core files are not run
	}
	b := schema.Binary{Path: r.j.in.name(joinPath(r.j.path, name)), Arch: f.arch, Interpreter: f.interpreter}
	b.Needs = sortedSet(f.words(elf.DT_NEEDED))
	b.Versions = f.versions()
	b.Module = f.module(name)
	if b.Module == "php" {
		b.API = f.phpAPI()
	}
	if len(b.Needs) == 0 && b.Interpreter == "" && b.Module == "" && f.kind == elf.ET_DYN && len(f.dynamic) == 0 {
		return
	}
	b.Own = r.own(f, b.Needs)
	r.j.in.h.binaries.add(b)
}

func openELF(fd int, size int64) (*elfFile, error) {
	f := &elfFile{fd: fd, size: size}
	head, err := f.bytes(0, 64)
	if err != nil || !bytes.HasPrefix(head, []byte(elf.ELFMAG)) {
		return nil, errELF
	}
	f.wide = elf.Class(head[elf.EI_CLASS]) == elf.ELFCLASS64
	switch elf.Data(head[elf.EI_DATA]) {
	case elf.ELFDATA2LSB:
		f.order = binary.LittleEndian
	case elf.ELFDATA2MSB:
		f.order = binary.BigEndian
	default:
		return nil, errELF
	}
	f.kind = elf.Type(f.order.Uint16(head[16:]))
	f.arch = archName(elf.Machine(f.order.Uint16(head[18:])), f.order, f.wide)
	var at uint64
	var each, count int
	if f.wide {
		at, each, count = f.order.Uint64(head[32:]), int(f.order.Uint16(head[54:])), int(f.order.Uint16(head[56:]))
	} else {
		at, each, count = uint64(f.order.Uint32(head[28:])), int(f.order.Uint16(head[42:])), int(f.order.Uint16(head[44:]))
	}
	return f, f.segments(at, each, min(count, maxSegments))
}

// bytes reads a part of the file.
func (f *elfFile) bytes(off, n uint64) ([]byte, error) {
	if n == 0 || off >= uint64(f.size) || n > uint64(f.size)-off {
		return nil, errELF
	}
	out := make([]byte, n)
	got, err := again(func() (int, error) { return unix.Pread(f.fd, out, int64(off)) })
	if err != nil || got < len(out) {
		return nil, errELF
	}
	return out, nil
}

func (f *elfFile) segments(at uint64, each, count int) error {
	least := 32
	if f.wide {
		least = 56
	}
	if each < least || each > 1024 || count == 0 {
		return errELF
	}
	table, err := f.bytes(at, uint64(each*count))
	if err != nil {
		return err
	}
	for i := range count {
		s := f.segment(table[i*each:])
		switch s.kind {
		case elf.PT_LOAD:
			f.loads = append(f.loads, s)
		case elf.PT_INTERP:
			if b, err := f.bytes(s.off, min(s.size, unix.PathMax)); err == nil {
				f.interpreter = clip(text(b), 1000)
			}
		case elf.PT_DYNAMIC:
			if b, err := f.bytes(s.off, min(s.size, maxDynamic)); err == nil {
				f.dynamics(b)
			}
		}
	}
	f.loadStrings()
	return nil
}

func (f *elfFile) segment(b []byte) segment {
	o := f.order
	if f.wide {
		return segment{elf.ProgType(o.Uint32(b)), o.Uint64(b[8:]), o.Uint64(b[16:]), o.Uint64(b[32:]), o.Uint64(b[40:])}
	}
	return segment{elf.ProgType(o.Uint32(b)), uint64(o.Uint32(b[4:])), uint64(o.Uint32(b[8:])), uint64(o.Uint32(b[16:])), uint64(o.Uint32(b[20:]))}
}

func (f *elfFile) dynamics(b []byte) {
	f.dynamic = nil
	for {
		var e dynEntry
		if f.wide {
			if len(b) < 16 {
				return
			}
			e, b = dynEntry{elf.DynTag(int64(f.order.Uint64(b))), f.order.Uint64(b[8:])}, b[16:]
		} else {
			if len(b) < 8 {
				return
			}
			e, b = dynEntry{elf.DynTag(int32(f.order.Uint32(b))), uint64(f.order.Uint32(b[4:]))}, b[8:]
		}
		if e.tag == elf.DT_NULL {
			return
		}
		f.dynamic = append(f.dynamic, e)
	}
}

func (f *elfFile) value(tag elf.DynTag) (uint64, bool) {
	for _, e := range f.dynamic {
		if e.tag == tag {
			return e.val, true
		}
	}
	return 0, false
}

// offset is where in the file an address of memory lies.
func (f *elfFile) offset(addr uint64) (uint64, bool) {
	for _, s := range f.loads {
		if addr >= s.addr && addr-s.addr < s.size {
			return s.off + (addr - s.addr), true
		}
	}
	return 0, false
}

func (f *elfFile) loadStrings() {
	at, ok := f.value(elf.DT_STRTAB)
	n, ok2 := f.value(elf.DT_STRSZ)
	if !ok || !ok2 {
		return
	}
	if off, ok := f.offset(at); ok {
		f.strings, _ = f.bytes(off, min(n, maxStrings)) // without them there are no names
	}
}

// text is what stands before the first zero byte.
func text(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

func (f *elfFile) name(at uint64) string {
	if at >= uint64(len(f.strings)) {
		return ""
	}
	b := f.strings[at:]
	return text(b[:min(len(b), 4096)])
}

// words are the names that entries of a kind hold.
func (f *elfFile) words(tag elf.DynTag) (out []string) {
	for _, e := range f.dynamic {
		if e.tag == tag && len(out) < maxNeeds {
			if s := f.name(e.val); s != "" {
				out = append(out, clip(s, 300))
			}
		}
	}
	return out
}
