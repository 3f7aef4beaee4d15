//go:build linux

package look

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"path"
	"regexp"
	"slices"
	"strings"

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

// versions are the highest versions of symbols that a binary needs of the
// libraries that every program has.
func (f *elfFile) versions() (out []string) {
	at, ok := f.value(elf.DT_VERNEED)
	off, ok2 := f.offset(at)
	if !ok || !ok2 {
		return nil
	}
	best := map[string]string{}
	left := maxVersionRec
	for range maxNeeds {
		rec, err := f.bytes(off, 16) // version, count, file, aux, next
		if err != nil {
			break
		}
		aux, next := off+uint64(f.order.Uint32(rec[8:])), uint64(f.order.Uint32(rec[12:]))
		for n := int(f.order.Uint16(rec[2:])); n > 0 && left > 0; n-- {
			left--
			a, err := f.bytes(aux, 16) // hash, flags, other, name, next
			if err != nil {
				break
			}
			higher(best, f.name(uint64(f.order.Uint32(a[8:]))))
			step := uint64(f.order.Uint32(a[12:]))
			if step == 0 {
				break
			}
			aux += step
		}
		if next == 0 || left <= 0 {
			break
		}
		off += next
	}
	for _, v := range best {
		out = append(out, v)
	}
	slices.Sort(out)
	return out
}

// higher keeps the highest version of each kind.
func higher(best map[string]string, version string) {
	kind, number, ok := strings.Cut(version, "_")
	if !ok || kind != "GLIBC" && kind != "GLIBCXX" && kind != "CXXABI" && kind != "GCC" || number == "" || number[0] < '0' || number[0] > '9' || len(number) > 20 {
		return
	}
	if old := best[kind]; old == "" || compareVersions(strings.TrimPrefix(old, kind+"_"), number) < 0 {
		best[kind] = version
	}
}

// module says what a library is loaded by: by the names that it gives to it.
func (f *elfFile) module(name string) string {
	has := func(symbol string) bool { return bytes.Contains(f.strings, []byte("\x00"+symbol+"\x00")) }
	begins := func(symbol string) bool { return bytes.Contains(f.strings, []byte("\x00"+symbol)) }
	switch {
	case f.interpreter != "" || len(f.strings) == 0:
		return ""
	case has("get_module") && begins("zend_") || has("zend_extension_entry"):
		return "php"
	case begins("PyInit_"):
		return "python"
	case strings.HasSuffix(name, ".node") || begins("napi_register_module") || begins("node_register_module"):
		return "node"
	case begins("Init_") && begins("rb_"):
		return "ruby"
	case begins("ap_hook_") && begins("apr_"):
		return "apache"
	}
	return ""
}

// buildID is how PHP marks what an extension was built for.
var buildID = regexp.MustCompile(`API(20[0-9]{6}),(?:NTS|TS)`)

// phpAPI looks for it in what the file has at its beginning.
func (f *elfFile) phpAPI() string {
	b, err := f.bytes(0, uint64(min(f.size, maxScan)))
	if err != nil {
		return ""
	}
	if m := buildID.FindSubmatch(b); m != nil {
		return string(m[1])
	}
	return ""
}

// own are those of a binary's libraries that lie in the account itself, where
// its RUNPATH or RPATH leads.
func (r *reader) own(f *elfFile, needs []string) (out []string) {
	dirs := f.words(elf.DT_RUNPATH)
	if len(dirs) == 0 {
		dirs = f.words(elf.DT_RPATH)
	}
	if len(dirs) == 0 || len(needs) == 0 {
		return nil
	}
	home := r.j.in.at.path()
	here := path.Join(home, r.j.path)
	for i, d := range strings.Split(strings.Join(dirs, ":"), ":") {
		d = strings.NewReplacer("${ORIGIN}", here, "$ORIGIN", here).Replace(d)
		rel, ok := strings.CutPrefix(path.Clean(d)+"/", home+"/")
		if !ok || i >= 32 || !strings.HasPrefix(d, "/") {
			continue
		}
		for _, n := range needs {
			if strings.ContainsRune(n, '/') || slices.Contains(out, n) {
				continue
			}
			if r.j.in.t.leadsTo(rel + n) {
				out = append(out, n)
			}
		}
	}
	slices.Sort(out)
	return out
}

// leadsTo says whether there is something at path, links within the tree
// followed.
func (t *tree) leadsTo(path string) bool {
	if t.walk.Load() {
		_, err := t.stat(path)
		return err == nil
	}
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV}
	fd, err := again(func() (int, error) { return unix.Openat2(t.fd, path, &how) })
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}

// missing notes which libraries an account's binaries need that neither it nor
// the server has. It is not known for what is made for another architecture.
func (w *world) missing(a *account) {
	s := w.server.System
	if len(s.Libraries) == 0 {
		return
	}
	for i := range a.Binaries {
		b := &a.Binaries[i]
		if b.Arch != s.Arch {
			continue
		}
		for _, n := range b.Needs {
			if _, ok := slices.BinarySearch(s.Libraries, n); !ok && !slices.Contains(b.Own, n) && !strings.HasPrefix(n, "ld-linux") {
				b.Missing = append(b.Missing, n)
			}
		}
	}
}

// archName names an architecture as Go does.
func archName(m elf.Machine, order binary.ByteOrder, wide bool) string {
	little := order == binary.LittleEndian
	switch m {
	case elf.EM_X86_64:
		return "amd64"
	case elf.EM_386:
		return "386"
	case elf.EM_AARCH64:
		return "arm64"
	case elf.EM_ARM:
		return "arm"
	case elf.EM_PPC64:
		if little {
			return "ppc64le"
		}
		return "ppc64"
	case elf.EM_S390:
		return "s390x"
	case elf.EM_RISCV:
		return "riscv64"
	case elf.EM_MIPS:
		name := "mips"
		if wide {
			name += "64"
		}
		if little {
			name += "le"
		}
		return name
	case elf.EM_LOONGARCH:
		return "loong64"
	}
	return strings.ToLower(strings.TrimPrefix(m.String(), "EM_"))
}
