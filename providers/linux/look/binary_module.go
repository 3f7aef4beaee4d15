//go:build linux

package look

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"path"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

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
