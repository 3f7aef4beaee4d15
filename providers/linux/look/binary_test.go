//go:build linux

package look

import (
	"debug/elf"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/stopover/stopover/schema"
)

// Every program and library of this machine is read as the library of Go reads
// it.
func TestELFAsGoReadsIt(t *testing.T) {
	var list []string
	for _, g := range []string{"/bin/*", "/usr/sbin/*", "/usr/lib/*/lib[a-m]*.so*", "/usr/lib/php/*/*.so", "/usr/lib/*/perl/*/auto/*/*.so"} {
		found, _ := filepath.Glob(g)
		list = append(list, found...)
	}
	n := 0
	for _, p := range list {
		want, err := elf.Open(p)
		if err != nil {
			continue
		}
		f, err := os.Open(p)
		if err != nil {
			t.Fatal(err)
		}
		st, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		got, err := openELF(int(f.Fd()), st.Size())
		if err != nil {
			t.Errorf("%s: %v", p, err)
			continue
		}
		n++
		libs, _ := want.ImportedLibraries()
		if d := cmp.Diff(sortedSet(libs), sortedSet(got.words(elf.DT_NEEDED))); d != "" && len(libs) > 0 {
			t.Errorf("%s: %s", p, d)
		}
		compareSymbolVersions(t, p, want, got)
		want.Close()
		f.Close()
	}
	if n < 10 {
		t.Errorf("only %d binaries were compared", n)
	}
}

func compareSymbolVersions(t *testing.T, p string, want *elf.File, got *elfFile) {
	t.Helper()
	symbols, err := want.ImportedSymbols()
	if err != nil {
		return
	}
	best := map[string]string{}
	for _, s := range symbols {
		higher(best, s.Version)
	}
	var versions []string
	for _, v := range best {
		versions = append(versions, v)
	}
	mine := got.versions()
	for _, v := range versions { // a library may ask for a version that no symbol of it has
		kind, number, _ := strings.Cut(v, "_")
		i := slices.IndexFunc(mine, func(s string) bool { return strings.HasPrefix(s, kind+"_") })
		if i < 0 || compareVersions(strings.TrimPrefix(mine[i], kind+"_"), number) < 0 {
			t.Errorf("%s: %s is needed, %q was found", p, v, mine)
		}
	}
}

func TestBinariesOfAnAccount(t *testing.T) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("this test needs a C compiler, and CI=true")
		}
		t.Skip("SKIPPED: this test needs a C compiler")
	}
	s := newServer(t)
	s.user("alice", 2001, "/home/alice")
	home := s.path("/home/alice")
	src := s.put("/home/alice/src/a.c", "int own(void){return 1;} int get_module(void){return 0;} const char *id=\"API20220829,NTS\"; int zend_x(void){return 0;} int PyInit_m(void){return 0;}")
	main := s.put("/home/alice/src/main.c", "int own(void); int gone(void); int main(void){return own()+gone();}")
	s.put("/home/alice/src/b.c", "int gone(void){return 1;}")
	s.put("/home/alice/src/php.c", "extern int zend_parse(void); const char *id=\"API20220829,NTS\"; int get_module(void){return zend_parse();}")
	s.put("/home/alice/src/py.c", "int PyInit_mod(void){return 0;}")
	build := func(args ...string) {
		t.Helper()
		c := exec.Command(cc, args...)
		c.Dir = home
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	s.check(os.MkdirAll(home+"/lib", 0o755))
	s.check(os.MkdirAll(home+"/bin", 0o755))
	build("-shared", "-fPIC", "-o", "lib/libown.so.1", "-Wl,-soname,libown.so.1", src)
	build("-shared", "-fPIC", "-o", "lib/libgone.so.7", "-Wl,-soname,libgone.so.7", "src/b.c")
	build("-o", "bin/tool", main, "lib/libown.so.1", "lib/libgone.so.7", "-Wl,-rpath,$ORIGIN/../lib")
	build("-shared", "-fPIC", "-o", "ext.so", "src/php.c")
	build("-shared", "-fPIC", "-o", "mod.cpython-39.so", "src/py.c")
	s.check(os.Remove(home + "/lib/libgone.so.7"))
	s.put("/home/alice/fake.so", "\x7fELF and no more")
	s.put("/home/alice/text", "nothing")
	w := newWorld(&Machine{}, s.request(), nil)
	_, got := s.look()
	list := map[string]schema.Binary{}
	for _, b := range got["alice"].Binaries {
		list[b.Path] = b
	}
	tool := list["bin/tool"]
	if d := cmp.Diff([]string{"libc.so.6", "libgone.so.7", "libown.so.1"}, tool.Needs); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"libown.so.1"}, tool.Own); d != "" {
		t.Error(d)
	}
	if tool.Interpreter == "" || tool.Module != "" || len(tool.Versions) == 0 || !strings.HasPrefix(tool.Versions[0], "GLIBC_2.") {
		t.Errorf("%+v", tool)
	}
	if b := list["ext.so"]; b.Module != "php" || b.API != "20220829" {
		t.Errorf("%+v", b)
	}
	if b := list["mod.cpython-39.so"]; b.Module != "python" {
		t.Errorf("%+v", b)
	}
	if _, ok := list["fake.so"]; ok || len(list) != 4 {
		t.Errorf("%d binaries", len(list))
	}
	a := &account{FoundAccount: schema.FoundAccount{Binaries: []schema.Binary{tool, {Path: "foreign", Arch: "s390x", Needs: []string{"libx.so"}}}}}
	w.server.System.Libraries, w.server.System.Arch = []string{"libc.so.6"}, tool.Arch
	w.missing(a)
	if d := cmp.Diff([]string{"libgone.so.7"}, a.Binaries[0].Missing); d != "" || a.Binaries[1].Missing != nil {
		t.Error(d, a.Binaries[1].Missing)
	}
}

// Whatever the headers say, nothing is read beyond the file and little is
// allocated.
func FuzzELF(f *testing.F) {
	if b, err := os.ReadFile("/bin/true"); err == nil {
		f.Add(b[:min(len(b), 100_000)])
	}
	head := make([]byte, 200)
	copy(head, elf.ELFMAG)
	head[elf.EI_CLASS], head[elf.EI_DATA] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB)
	binary.LittleEndian.PutUint16(head[16:], uint16(elf.ET_DYN))
	binary.LittleEndian.PutUint64(head[32:], 64)
	binary.LittleEndian.PutUint16(head[54:], 56)
	binary.LittleEndian.PutUint16(head[56:], 2)
	f.Add(head)
	f.Fuzz(func(t *testing.T, b []byte) {
		fd, err := unix.MemfdCreate("elf", unix.MFD_CLOEXEC)
		if err != nil {
			t.Skip(err)
		}
		defer unix.Close(fd)
		if _, err := unix.Write(fd, b); err != nil {
			t.Fatal(err)
		}
		e, err := openELF(fd, int64(len(b)))
		if err != nil {
			return
		}
		if n := len(e.strings); n > len(b) {
			t.Errorf("%d bytes of names in a file of %d", n, len(b))
		}
		e.words(elf.DT_NEEDED)
		e.versions()
		e.module("x")
		e.phpAPI()
	})
}
