//go:build linux

package look

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stopover/stopover/providers/agent"
	"github.com/stopover/stopover/schema"
)

func TestRelease(t *testing.T) {
	for _, c := range []struct {
		files                map[string]string
		os, version, release string
	}{
		{map[string]string{"etc/os-release": "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID=\"12\"\n", "etc/debian_version": "12.9\n"}, "debian-12", "12.9", "Debian GNU/Linux 12 (bookworm)"},
		{map[string]string{"usr/lib/os-release": "NAME='Ubuntu'\nID=ubuntu\nVERSION_ID='22.04'\n", "etc/debian_version": "bookworm/sid\n"}, "ubuntu-22.04", "22.04", ""},
		{map[string]string{"etc/os-release": "-> ../usr/lib/os-release", "usr/lib/os-release": "ID=almalinux\nVERSION_ID=9.3 # x\n"}, "almalinux-9", "9.3", ""},
		{map[string]string{"etc/os-release": "ID=arch\n"}, "arch", "", ""},
	} {
		var s schema.System
		if err := made(t, c.files).release(&s); err != nil {
			t.Fatal(err)
		}
		if s.OS != c.os || s.Version != c.version || s.Release != c.release {
			t.Errorf("%q: %q %q %q", c.files, s.OS, s.Version, s.Release)
		}
	}
	var s schema.System
	if err := made(t, nil).release(&s); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without os-release: %v", err)
	}
}

func TestMachine(t *testing.T) {
	r := made(t, map[string]string{
		"etc/machine-id": "0123456789abcdef0123456789abcdef\n", "proc/sys/kernel/random/boot_id": "b1\n",
		"proc/cpuinfo": "processor\t: 0\nflags\t: x\n\nprocessor\t: 1\n", "proc/meminfo": "MemTotal:        1024 kB\nMemFree: 1 kB\n",
		"proc/stat": "cpu 1 2\nbtime 1700000000\n", "etc/localtime": "-> /usr/share/zoneinfo/Europe/Paris", "etc/default/locale": "LANG=fr_FR.UTF-8\n",
		"usr/lib/locale/C.utf8/LC_CTYPE": "x", "usr/lib/locale/empty/": "", "usr/lib/locale/locale-archive": string(localeArchive("en_US.utf8", "de_DE.utf8", "../evil")),
		"proc/sys/kernel/hostname": "client\n", "proc/sys/kernel/osrelease": "6.1.0\n", "proc/1/comm": "runit\n",
	})
	machine, boot := r.identity()
	if len(machine) != 32 || strings.Contains(machine, "0123456789abcdef") || boot != "b1" {
		t.Errorf("%s %s", machine, boot)
	}
	if again, _ := r.identity(); again != machine {
		t.Error("not the same twice")
	}
	if other, _ := made(t, map[string]string{"etc/machine-id": "1123456789abcdef0123456789abcdef\n"}).identity(); other == machine {
		t.Error("two machines with one identity")
	}
	if none, _ := made(t, map[string]string{"etc/machine-id": "uninitialized\n"}).identity(); none != "" {
		t.Errorf("an identity of nothing: %s", none)
	}
	var s schema.System
	r.hardware(&s)
	r.kernel(&s)
	r.clock(&s)
	want := schema.System{Kernel: "6.1.0", Init: "runit", Hostname: "client", Timezone: "Europe/Paris", Locale: "fr_FR.UTF-8",
		Locales: []string{"C", "C.utf8", "POSIX", "de_DE.utf8", "en_US.utf8"}, Booted: time.Unix(1700000000, 0).UTC(), CPUs: 2, Memory: 1 << 20}
	if d := cmp.Diff(want, s); d != "" {
		t.Error(d)
	}
}

// localeArchive makes the beginning of an archive of locales.
func localeArchive(names ...string) []byte {
	const table, strings = 56, 56 + 12*4
	b := make([]byte, strings)
	for i, v := range []uint32{0xde020109, 0, table, uint32(len(names)), 4, strings} {
		binary.LittleEndian.PutUint32(b[i*4:], v)
	}
	for i, n := range names {
		binary.LittleEndian.PutUint32(b[table+i*12+4:], uint32(len(b)))
		binary.LittleEndian.PutUint32(b[table+i*12+8:], 1)
		b = append(append(b, n...), 0)
	}
	return b
}

func TestMounts(t *testing.T) {
	r := made(t, map[string]string{"home/": "", "mnt/my disk/": "", "proc/self/mountinfo": strings.Join([]string{
		`22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw,usrquota`,
		`23 22 0:21 / /proc rw - proc proc rw`,
		`24 22 8:2 / /home rw - ext4 /dev/old rw`,
		`25 22 8:3 / /home rw,nosuid shared:1 - xfs /dev/sdb1 rw,uquota`,
		`26 22 8:4 / /mnt/my\040disk rw - cifs //h/share rw,username=u,password=hush`,
		`27 22 0:30 / /run rw - tmpfs tmpfs rw`, `bad line`, ``,
	}, "\n")})
	var got []string
	for _, m := range r.mounts() {
		got = append(got, strings.Join([]string{m.Path, m.Device, m.Type, m.Options, map[bool]string{true: "quota"}[m.Quota]}, "|"))
		if m.Bytes <= 0 || m.Inodes < 0 {
			t.Errorf("%+v has no size", m)
		}
	}
	want := []string{"/|/dev/sda1|ext4|rw,relatime,usrquota|quota", "/home|/dev/sdb1|xfs|rw,nosuid,uquota|quota", "/mnt/my disk|//h/share|cifs|rw,username=u,password=(set)|"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	var f schema.FoundServer
	r.room(&f, []string{"/home/*", "/nowhere/at/all/*"})
	if f.TotalBytes <= 0 || f.FreeBytes <= 0 {
		t.Errorf("no room: %+v", f)
	}
}

func TestLibraries(t *testing.T) {
	cache := libraryCache([]cached{{0x0303, "libz.so.1", "/lib/libz.so.1"}, {0x0003, "libz.so.1", "/lib32/libz.so.1"}, {0x0003, "libold.so.2", "/lib32/libold.so.2"}, {0x0303, "libc.so.6", "/lib/libc.so.6"}})
	r := made(t, map[string]string{"etc/ld.so.cache": string(cache)})
	if d := cmp.Diff([]string{"libc.so.6", "libz.so.1"}, r.libraries("amd64")); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"libold.so.2", "libz.so.1"}, r.libraries("386")); d != "" {
		t.Error(d)
	}
	behind := append(append([]byte("ld.so-1.7.0\x00"), make([]byte, 40)...), cache...)
	if got, err := parseCache(behind); err != nil || len(got) != 4 || got[0].path != "/lib/libz.so.1" {
		t.Errorf("behind the old format: %v %v", got, err)
	}
	for _, bad := range [][]byte{nil, []byte("nonsense"), cache[:60], append(slices.Clone(cache[:20]), 0xff, 0xff, 0xff, 0xff)} {
		if _, err := parseCache(bad); err == nil {
			t.Errorf("%d bytes were taken", len(bad))
		}
	}
	// Without a cache: from the directories, by what the files are.
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	r = made(t, map[string]string{"usr/lib/libown.so.3": string(self[:4096]), "usr/lib/libtext.so.1": "GROUP ( libc.so.6 )", "opt/x/libx.so": string(self[:4096]), "etc/ld.so.conf.d/x.conf": "# more\n/opt/x\n"})
	arch := archOfSelf(t)
	if d := cmp.Diff([]string{"libown.so.3", "libx.so"}, r.libraries(arch)); d != "" {
		t.Error(d)
	}
}

func archOfSelf(t *testing.T) string {
	t.Helper()
	a := root("/").elfArch("/proc/self/exe")
	if a == "" {
		a = root("/").arch()
	}
	return a
}

// libraryCache makes a cache of the dynamic linker.
func libraryCache(list []cached) []byte {
	b := make([]byte, 48+24*len(list))
	copy(b, "glibc-ld.so.cache1.1")
	binary.LittleEndian.PutUint32(b[20:], uint32(len(list)))
	b[28] = 2
	for i, e := range list {
		at := b[48+i*24:]
		binary.LittleEndian.PutUint32(at, uint32(e.flags))
		binary.LittleEndian.PutUint32(at[4:], uint32(len(b)))
		binary.LittleEndian.PutUint32(at[8:], uint32(len(b)+len(e.name)+1))
		b = append(append(append(append(b, e.name...), 0), e.path...), 0)
	}
	return b
}

func TestPackages(t *testing.T) {
	status := "Package: b\nStatus: install ok installed\nVersion: 1:2.0-1\nConffiles:\n /etc/b.conf 0123456789abcdef0123456789abcdef\n /etc/gone d41d8cd98f00b204e9800998ecf8427e obsolete\nDescription: x\n Version: 9\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n\nPackage: a\nVersion: 3\nStatus: hold ok installed\n"
	list, files, err := readStatus(strings.NewReader(status))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]schema.Software{{Name: "a", Version: "3"}, {Name: "b", Version: "1:2.0-1"}}, list); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(map[string]string{"/etc/b.conf": "0123456789abcdef0123456789abcdef", "/etc/gone": "d41d8cd98f00b204e9800998ecf8427e"}, files); d != "" {
		t.Error(d)
	}
	got, manager, err := made(t, map[string]string{"lib/apk/db/installed": "P:musl\nV:1.2.4-r2\n\nP:busybox\nV:1.36\n"}).packages(context.Background())
	if d := cmp.Diff([]schema.Software{{Name: "busybox", Version: "1.36"}, {Name: "musl", Version: "1.2.4-r2"}}, got); d != "" || manager != "apk" || err != nil {
		t.Error(d, manager, err)
	}
}

func TestUsersAndKeys(t *testing.T) {
	r := made(t, map[string]string{
		"etc/passwd":                       "root:x:0:0:root:/root:/bin/bash\n+::::::\n# no\nshop:x:2001:2001:,,,:/home/shop:/bin/sh\nbad:x:y:1::/:/\nshort:x:1\n",
		"etc/group":                        "shop:x:2001:\nadm:x:4:shop\n+:::\n",
		"etc/ssh/ssh_host_ed25519_key.pub": "ssh-ed25519 aGVsbG8= root@x\n", "etc/ssh/ssh_host_bad_key.pub": "ssh-rsa ***\n",
	})
	if d := cmp.Diff([]schema.SysUser{{Name: "root", Home: "/root", Shell: "/bin/bash"}, {Name: "shop", UID: 2001, GID: 2001, Home: "/home/shop", Shell: "/bin/sh"}}, r.users()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]schema.SysGroup{{Name: "adm", GID: 4}, {Name: "shop", GID: 2001}}, r.groups()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"ssh-ed25519 SHA256:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ"}, r.hostKeys()); d != "" {
		t.Error(d)
	}
}

func TestQueue(t *testing.T) {
	r := made(t, map[string]string{
		"var/spool/exim4/input/1a-H": "x", "var/spool/exim4/input/1a-D": "x", "var/spool/exim4/input/b/2b-H": "x", "var/spool/exim4/input/b/2b-D": "x",
		"var/spool/postfix/deferred/A/A1": "x", "var/spool/postfix/deferred/B/B1": "x", "var/spool/postfix/active/": "",
	})
	if n := r.queue([]string{"/var/spool/exim4/input"}); n != 2 {
		t.Errorf("exim: %d", n)
	}
	if n := r.queue([]string{"/var/spool/postfix/active", "/var/spool/postfix/deferred", "/var/spool/none"}); n != 2 {
		t.Errorf("postfix: %d", n)
	}
}

func TestPHP(t *testing.T) {
	r := made(t, map[string]string{
		"etc/php/8.2/fpm/php.ini": "[PHP]\nmemory_limit = 128M\n;memory_limit = 1M\nerror_log = /x\ndate.timezone = \"Europe/Paris\"\n", "etc/php/8.2/fpm/conf.d/20-intl.ini": "extension=intl.so\n", "etc/php/8.2/fpm/conf.d/99-own.ini": "memory_limit=512M\nzend_extension=opcache\n",
		"usr/sbin/php-fpm8.2": "..\x00/usr/lib/php/20220829\x00..", "etc/php/7.4/fpm/php.ini": "left of a removed package",
		"etc/php/8.4/cli/php.ini": "", "usr/bin/php8.4": "no path", "usr/lib/php/20240924/": "",
	})
	got := r.php(context.Background(), &schema.System{Packages: []schema.Software{{Name: "php8.2-common", Version: "1:8.2.29-1~deb12u1"}}})
	want := []schema.PHP{
		{Version: "8.2", Full: "8.2.29", API: "20220829", Extensions: []string{"intl", "opcache"}, Settings: map[string]string{"memory_limit": "512M", "date.timezone": "Europe/Paris"}},
		{Version: "8.4", API: "20240924", Settings: map[string]string{}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestVersions(t *testing.T) {
	for in, want := range map[string]string{
		"Python 3.11.2": "3.11.2", "v20.1.0\n": "20.1.0", "PHP 8.2.36 (cli)": "8.2.36", "openjdk version \"17.0.15\" 2025": "17.0.15", "git version 2.39.5": "2.39.5",
		"GDAL 3.6.2, released": "3.6.2", "ruby 3.1.2p20 (2022)": "3.1.2p20", "nothing": "", "": "",
	} {
		if got := firstVersion([]byte(in)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	for _, c := range [][4]string{
		{"python3.11", "3.11.2", "python", "3.11"}, {"node", "20.1.0", "nodejs", "20"}, {"java", "1.8.0", "java", "8"}, {"java", "17.0.1", "java", "17"},
		{"ruby3.1", "3.1.2p20", "ruby", "3.1"}, {"erl", "25", "erlang", "25"}, {"git", "2.39", "", ""}, {"python3", "", "python", ""},
	} {
		if n, v := runtimeOf(schema.Software{Name: c[0], Version: c[1]}); n != c[2] || v != c[3] {
			t.Errorf("%v: %s %s", c, n, v)
		}
	}
	if compareVersions("8.2", "8.10") >= 0 || compareVersions("8.2", "8.2.1") >= 0 || compareVersions("9", "8.9") <= 0 || compareVersions("3.x", "3.y") >= 0 {
		t.Error("order of versions")
	}
}

func TestSockets(t *testing.T) {
	text := "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n" +
		"   0: 0100007F:206D 00000000:0000 0A 00000000:00000000 00:00000000 00000000  2004        0 4711 1 0 100 0 0 10 0\n" +
		"   1: 0100007F:206E 0100007F:1234 01 00000000:00000000 00:00000000 00000000  2004        0 4712 1 0 100 0 0 10 0\nbad\n"
	six := "header\n   0: 00000000000000000000000001000000:0019 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 99 1 0\n"
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the text above is that of a little machine")
	}
	r := made(t, map[string]string{"proc/net/tcp": text, "proc/net/tcp6": six, "proc/77/fd/": "", "proc/77/comm": "python3\n", "proc/77/status": "Name:\tx\nUid:\t2004\t2004\t2004\t2004\n"})
	if err := os.Symlink("socket:[4711]", filepath.Join(string(r), "proc/77/fd/3")); err != nil {
		t.Fatal(err)
	}
	want := []schema.Port{{Protocol: "tcp", Address: "::1", Port: 25}, {Protocol: "tcp", Address: "127.0.0.1", Port: 8301, Program: "python3", UID: 2004}}
	if d := cmp.Diff(want, r.ports()); d != "" {
		t.Error(d)
	}
}

func TestFirewallText(t *testing.T) {
	got := ruleLines([]byte("# Generated\n*filter\n:INPUT ACCEPT [12:3456]\n[1:2] -A INPUT -p tcp -j DROP\n  tcp dport 25 counter packets 7 bytes 420 drop\nCOMMIT\n"))
	if d := cmp.Diff([]string{"*filter", ":INPUT ACCEPT", "-A INPUT -p tcp -j DROP", "  tcp dport 25 counter drop", "COMMIT"}, got); d != "" {
		t.Error(d)
	}
	if hasRules([]string{"*filter", ":INPUT ACCEPT", "COMMIT"}) || !hasRules(got) || !hasRules([]string{":INPUT DROP"}) {
		t.Error("what is a rule")
	}
}

func TestScopesAndNames(t *testing.T) {
	r := made(t, map[string]string{"etc/hosts": "127.0.0.1 localhost\n127.0.1.1 client.example.org client\n192.0.2.1 Shop.Example.org. # mine\n192.0.2.9 other\n", "etc/mailname": "mail.example.org\n"})
	s := &schema.System{Hostname: "client", Addresses: []schema.Address{{Address: "192.0.2.1", Scope: "global"}, {Address: "127.0.0.1", Scope: "host"}}, Outgoing: []schema.PTR{{Address: "192.0.2.1", Names: []string{"ptr.example.net"}}}}
	if d := cmp.Diff([]string{"client", "client.example.org", "mail.example.org", "ptr.example.net", "shop.example.org"}, r.ownNames(s)); d != "" {
		t.Error(d)
	}
}

// TestRunsNothingOfOthers: only what root alone can change is run.
func TestRunsNothingOfOthers(t *testing.T) {
	dir := t.TempDir()
	p := filepath.Join(dir, "tool")
	if err := os.WriteFile(p, []byte("#!/bin/sh\ntouch "+dir+"/ran\n"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(p, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := root("/").run(t.Context(), p); !errors.Is(err, errNotRun) {
		t.Errorf("%v", err)
	}
	if _, err := root(dir).run(t.Context(), "/bin/true"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("in another directory: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "ran")); err == nil {
		t.Error("it was run")
	}
	out, err := root("/").run(t.Context(), "/usr/bin/env")
	if err != nil || bytes.Contains(out, []byte("SUDO")) || !bytes.Contains(out, []byte("HOME=/nonexistent\n")) || strings.Count(string(out), "\n") != len(cleanEnv()) {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestOpensNothingThatAnswers: what is no regular file is not opened.
func TestOpensNothingThatAnswers(t *testing.T) {
	r := made(t, map[string]string{"etc/passwd": "-> /etc/real", "etc/real": "inside", "etc/out": "-> ../../../../../../etc/hostname", "etc/dir/": ""})
	if b, err := r.read("/etc/passwd", 100); err != nil || string(b) != "inside" {
		t.Errorf("an absolute link leads within the root: %q %v", b, err)
	}
	if b, err := r.read("/etc/out", 100); err == nil {
		t.Errorf("led out of the root: %q", b)
	}
	if _, err := r.read("/etc/dir", 100); err == nil {
		t.Error("read a directory")
	}
	if b, err := r.read("/etc/real", 3); !errors.Is(err, errTooLarge) || string(b) != "ins" {
		t.Errorf("%q %v", b, err)
	}
	if _, err := root("/").read("/dev/null", 100); err == nil {
		t.Error("opened a device")
	}
}

// TestThisMachine: the survey of the machine that the tests run on says what is
// stable of it.
func TestThisMachine(t *testing.T) {
	if testing.Short() {
		t.Skip("looks at the whole machine")
	}
	w := newWorld(&Machine{}, agent.LookRequest{Layout: debianLayout()}, nil)
	if err := w.system(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := w.server.System
	var release schema.System
	if err := root("/").release(&release); err != nil {
		t.Skip(err)
	}
	host, _ := os.Hostname()
	if s.OS != release.OS || s.Hostname != host || s.CPUs < 1 || s.Memory < 1<<20 || s.Booted.After(time.Now()) {
		t.Errorf("%+v", s)
	}
	if !slices.ContainsFunc(s.Addresses, func(a schema.Address) bool { return a.Address == "127.0.0.1" && a.Scope == "host" }) {
		t.Errorf("addresses: %+v", s.Addresses)
	}
	if !slices.ContainsFunc(s.Users, func(u schema.SysUser) bool { return u.Name == "root" && u.UID == 0 }) {
		t.Error("no root")
	}
	if strings.HasPrefix(s.Libc, "glibc ") && !slices.Contains(s.Libraries, "libc.so.6") {
		t.Errorf("%s, and %d libraries", s.Libc, len(s.Libraries))
	}
	if w.server.TotalBytes <= 0 || w.server.Boot == "" {
		t.Errorf("%+v", w.server)
	}
}
