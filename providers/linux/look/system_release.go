//go:build linux

package look

import (
	"bytes"
	"debug/elf"
	"io"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// release fills what the distribution says of itself.
func (r root) release(s *schema.System) error {
	b, err := r.read("/etc/os-release", smallFile)
	if err != nil {
		if b, err = r.read("/usr/lib/os-release", smallFile); err != nil {
			return err
		}
	}
	v := assignments(b)
	s.Release = v["PRETTY_NAME"]
	s.Version = v["VERSION_ID"]
	if d := r.word("/etc/debian_version"); v["ID"] == "debian" && strings.HasPrefix(d, s.Version+".") {
		s.Version = d // 12.9, where os-release only has 12
	}
	s.OS = osName(v["ID"], v["VERSION_ID"])
	return nil
}

// osName is the name that architectures have for a release: the number that a
// reinstallation changes, not the one that updates change. Debian 12.9 is
// debian-12, Ubuntu 22.04 is ubuntu-22.04, Alma 9.3 is almalinux-9.
func osName(id, version string) string {
	if id == "" {
		return ""
	}
	if major, _, ok := strings.Cut(version, "."); ok && id != "ubuntu" && id != "alpine" && id != "opensuse-leap" {
		version = major
	}
	if version == "" {
		return id
	}
	return id + "-" + version
}

// assignments reads a file of shell assignments without a shell: NAME=value,
// quoted or not. The last one of a name counts.
func assignments(text []byte) map[string]string {
	m := map[string]string{}
	lines(text, func(_ int, line string) bool {
		line = strings.TrimSpace(line)
		k, v, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		if ok && !strings.HasPrefix(k, "#") {
			m[strings.TrimSpace(k)] = unquote(strings.TrimSpace(v))
		}
		return len(m) < 10_000
	})
	return m
}

// unquote takes the quotes of a shell word away.
func unquote(v string) string {
	if v == "" {
		return v
	}
	q := v[0]
	if q != '"' && q != '\'' {
		v, _, _ = strings.Cut(v, " #")
		return strings.TrimSpace(v)
	}
	var b strings.Builder
	for i := 1; i < len(v); i++ {
		switch {
		case v[i] == q:
			return b.String()
		case v[i] == '\\' && q == '"' && i+1 < len(v):
			i++
			b.WriteByte(v[i])
		default:
			b.WriteByte(v[i])
		}
	}
	return b.String()
}

// kernel fills what the running system says of itself.
func (r root) kernel(s *schema.System) {
	s.Kernel = r.word("/proc/sys/kernel/osrelease")
	s.Hostname = r.word("/proc/sys/kernel/hostname")
	if s.Hostname == "" {
		s.Hostname = r.word("/etc/hostname")
	}
	s.Init = r.word("/proc/1/comm")
	if r.exists("/run/systemd/system") {
		s.Init = "systemd"
	}
	s.Arch = r.arch()
	s.Libc = r.libc(s.Arch)
}

// archOf names a machine of ELF as Go does.
func archOf(m elf.Machine, c elf.Class, d elf.Data) string {
	switch m {
	case elf.EM_X86_64:
		if c == elf.ELFCLASS32 {
			return "amd64p32" // x32
		}
		return "amd64"
	case elf.EM_386:
		return "386"
	case elf.EM_AARCH64:
		return "arm64"
	case elf.EM_ARM:
		return "arm"
	case elf.EM_RISCV:
		return "riscv64"
	case elf.EM_S390:
		return "s390x"
	case elf.EM_PPC64:
		if d == elf.ELFDATA2LSB {
			return "ppc64le"
		}
		return "ppc64"
	case elf.EM_LOONGARCH:
		return "loong64"
	default:
		return strings.ToLower(strings.TrimPrefix(m.String(), "EM_"))
	}
}

// arch is that of the machine's programs: a kernel may run those of another.
func (r root) arch() string {
	for _, p := range []string{"/bin/sh", "/usr/bin/env", "/sbin/init", "/bin/ls"} {
		if f, err := r.open(p); err == nil {
			e, err := elf.NewFile(f)
			f.Close()
			if err == nil {
				return archOf(e.Machine, e.Class, e.Data)
			}
		}
	}
	if r == "/" {
		return runtime.GOARCH
	}
	return ""
}

// libcPaths are where the C library lies, by distribution and architecture.
func libcPaths(arch string) []string {
	triplets := map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu", "386": "i386-linux-gnu", "arm": "arm-linux-gnueabihf",
		"riscv64": "riscv64-linux-gnu", "s390x": "s390x-linux-gnu", "ppc64le": "powerpc64le-linux-gnu", "loong64": "loongarch64-linux-gnu"}
	var list []string
	if t, ok := triplets[arch]; ok {
		list = append(list, "/lib/"+t+"/libc.so.6", "/usr/lib/"+t+"/libc.so.6")
	}
	return append(list, "/lib64/libc.so.6", "/usr/lib64/libc.so.6", "/lib/libc.so.6", "/usr/lib/libc.so.6")
}

// libc reads the version out of the C library, which nobody has to run for that.
func (r root) libc(arch string) string {
	for _, p := range libcPaths(arch) {
		f, err := r.open(p)
		if err != nil {
			continue
		}
		b, _ := io.ReadAll(io.LimitReader(f, 32<<20))
		f.Close()
		if v := glibcVersion(b); v != "" {
			return "glibc " + v
		}
	}
	if len(r.glob("/lib/ld-musl-*.so.1")) > 0 {
		return "musl"
	}
	return ""
}

// glibcVersion finds "stable release version 2.36." in the library's banner.
func glibcVersion(b []byte) string {
	const banner = "release version "
	for {
		i := bytes.Index(b, []byte(banner))
		if i < 0 {
			return ""
		}
		b = b[i+len(banner):]
		end := bytes.IndexFunc(b[:min(len(b), 16)], func(c rune) bool { return c != '.' && (c < '0' || c > '9') })
		if v := strings.Trim(string(b[:max(end, 0)]), "."); strings.Contains(v, ".") {
			return v
		}
	}
}

// clock fills time zone and locales.
func (r root) clock(s *schema.System) {
	s.Timezone = zoneName(r.link("/etc/localtime"))
	if s.Timezone == "" {
		s.Timezone = r.word("/etc/timezone")
	}
	for _, p := range []string{"/etc/locale.conf", "/etc/default/locale", "/etc/sysconfig/i18n"} {
		if b, err := r.read(p, smallFile); err == nil && s.Locale == "" {
			v := assignments(b)
			s.Locale = cmpOr(v["LC_ALL"], v["LANG"])
		}
	}
	s.Locales = r.locales()
}

func cmpOr(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

func zoneName(link string) string {
	if _, name, ok := strings.Cut(link, "zoneinfo/"); ok {
		return path.Clean(strings.TrimPrefix(strings.TrimPrefix(name, "posix/"), "right/"))
	}
	return ""
}

// localeName finds names in the archive of locales: they stand in it as strings.
var localeName = regexp.MustCompile(`^[a-z]{2,3}(_[A-Z]{2})?(\.[A-Za-z0-9-]+)?(@[a-z]+)?$`)

// locales lists those that can be used: in the archive and as directories.
func (r root) locales() []string {
	names := []string{"C", "POSIX"}
	b, _ := r.read("/usr/lib/locale/locale-archive", 4<<20) // names stand at its beginning
	names = append(names, archivedLocales(b)...)
	list, _ := r.list("/usr/lib/locale")
	for _, e := range list {
		if e.IsDir() && r.exists(filepath.Join("/usr/lib/locale", e.Name(), "LC_CTYPE")) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// archivedLocales reads the names out of a locale archive: a header that tells
// where the table of names is and where the strings are. The format is glibc's,
// unchanged since 2.3.
func archivedLocales(b []byte) (names []string) {
	const magic = 0xde020109
	word := func(at int64) (uint32, bool) {
		if at < 0 || at+4 > int64(len(b)) {
			return 0, false
		}
		return uint32(b[at]) | uint32(b[at+1])<<8 | uint32(b[at+2])<<16 | uint32(b[at+3])<<24, true
	}
	if m, ok := word(0); !ok || m != magic {
		return nil
	}
	table, _ := word(8)
	size, _ := word(16) // of the table, in entries; entry: hash, name, record
	for i := range int64(min(size, 100_000)) {
		name, ok := word(int64(table) + i*12 + 4)
		if !ok {
			break
		}
		if rec, _ := word(int64(table) + i*12 + 8); name == 0 || rec == 0 || int64(name) >= int64(len(b)) {
			continue
		}
		s := b[name:min(int64(name)+64, int64(len(b)))]
		if end := bytes.IndexByte(s, 0); end > 0 && localeName.Match(s[:end]) {
			names = append(names, string(s[:end]))
		}
	}
	return names
}
