//go:build linux

package look

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"path/filepath"
	"slices"
	"strings"
)

// libraries lists the sonames that the dynamic linker finds, of the machine's
// own architecture: from its cache, or from the directories where there is none.
func (r root) libraries(arch string) []string {
	b, err := r.read("/etc/ld.so.cache", bigFile)
	if err == nil {
		if entries, err := parseCache(b); err == nil {
			var names []string
			for _, e := range entries {
				if cacheArch(e.flags) == arch || cacheArch(e.flags) == "" {
					names = append(names, e.name)
				}
			}
			slices.Sort(names)
			return slices.Compact(names)
		}
	}
	return r.walkLibraries(arch)
}

type cached struct {
	flags      int32
	name, path string
}

var errCache = errors.New("not a cache of the dynamic linker")

// parseCache reads the format glibc-ld.so.cache1.1, alone or behind the one that
// came before it (ld.so-1.7.0).
func parseCache(b []byte) ([]cached, error) {
	const magic, old = "glibc-ld.so.cache1.1", "ld.so-1.7.0\x00"
	if bytes.HasPrefix(b, []byte(old)) {
		i := bytes.Index(b, []byte(magic))
		if i < 0 {
			return nil, errCache
		}
		b = b[i:]
	}
	const header, entry = 48, 24
	if len(b) < header || !bytes.HasPrefix(b, []byte(magic)) {
		return nil, errCache
	}
	var order binary.ByteOrder = binary.LittleEndian
	if b[28]&3 == 3 { // the flags tell its byte order since 2.33; 3 is big, 0 not told
		order = binary.BigEndian
	}
	n := order.Uint32(b[20:])
	if uint64(n)*entry > uint64(len(b)-header) {
		return nil, errCache
	}
	text := func(at uint32) (string, bool) {
		if uint64(at) >= uint64(len(b)) {
			return "", false
		}
		s := b[at:min(uint64(len(b)), uint64(at)+4096)]
		end := bytes.IndexByte(s, 0)
		if end < 0 {
			return "", false
		}
		return string(s[:end]), true
	}
	list := make([]cached, 0, min(n, 100_000))
	for i := range int(min(n, 100_000)) {
		e := b[header+i*entry:]
		name, ok := text(order.Uint32(e[4:]))
		path, ok2 := text(order.Uint32(e[8:]))
		if !ok || !ok2 {
			return nil, errCache
		}
		if name != "" {
			list = append(list, cached{int32(order.Uint32(e)), name, path})
		}
	}
	return list, nil
}

// cacheArch is the architecture of an entry, by the flags of glibc's ldconfig.
// Empty: the machine's only one.
func cacheArch(flags int32) string {
	switch flags & 0xff00 {
	case 0x0300:
		return "amd64"
	case 0x0800:
		return "amd64p32"
	case 0x0a00:
		return "arm64"
	case 0x0900, 0x0b00:
		return "arm"
	case 0x0400:
		return "s390x"
	case 0x0500:
		return "ppc64le"
	case 0x0f00, 0x1000:
		return "riscv64"
	case 0x1200, 0x1100:
		return "loong64"
	case 0x0000:
		return "386" // the only one of today whose libraries carry no flag
	default:
		return ""
	}
}

// libraryDirs are where the linker looks without a cache.
func (r root) libraryDirs() []string {
	dirs := []string{"/lib", "/usr/lib", "/lib64", "/usr/lib64", "/usr/local/lib"}
	for _, d := range []string{"/lib/*-linux-gnu*", "/usr/lib/*-linux-gnu*"} {
		dirs = append(dirs, r.glob(d)...)
	}
	for _, f := range append([]string{"/etc/ld.so.conf"}, r.glob("/etc/ld.so.conf.d/*.conf")...) {
		b, _ := r.read(f, smallFile)
		lines(b, func(_ int, line string) bool {
			line, _, _ = strings.Cut(line, "#")
			if line = strings.TrimSpace(line); filepath.IsAbs(line) {
				dirs = append(dirs, filepath.Clean(line))
			}
			return len(dirs) < 1000
		})
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

func (r root) walkLibraries(arch string) (names []string) {
	for _, d := range r.libraryDirs() {
		list, _ := r.list(d)
		for _, e := range list {
			if !strings.HasPrefix(e.Name(), "lib") && !strings.HasPrefix(e.Name(), "ld-") || !strings.Contains(e.Name(), ".so") {
				continue
			}
			if r.elfArch(filepath.Join(d, e.Name())) == arch {
				names = append(names, e.Name())
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// elfArch is the architecture of a program or library; empty if it is none.
func (r root) elfArch(path string) string {
	f, err := r.open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	var h [20]byte
	if _, err := f.ReadAt(h[:], 0); err != nil || !bytes.HasPrefix(h[:], []byte(elf.ELFMAG)) {
		return ""
	}
	var order binary.ByteOrder = binary.LittleEndian
	if elf.Data(h[elf.EI_DATA]) == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	return archOf(elf.Machine(order.Uint16(h[18:])), elf.Class(h[elf.EI_CLASS]), elf.Data(h[elf.EI_DATA]))
}
