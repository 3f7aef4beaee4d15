//go:build linux

package look

import (
	"cmp"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/stopover/stopover/schema"
)

// Bounds of settings.
const (
	maxSettings = 50_000
	maxValue    = 2000
)

// settings reads the server's own configuration, so that two servers can be
// compared: the files of the layout and a few that every machine has, each in
// its notation. Secrets are told as set.
func (w *world) settings(ctx context.Context) []schema.Setting {
	r := w.files()
	s := &settings{r: r}
	for _, g := range append(slices.Clone(w.layout.Settings), moreSettings()...) {
		for _, file := range r.glob(g) {
			if !s.done[file] && r.isFile(file) {
				s.file(file)
			}
		}
	}
	s.names()
	s.kernel()
	s.sshd(ctx)
	w.note("settings", s.conffiles(ctx))
	sortSettings(s.list)
	return s.list
}

func sortSettings(list []schema.Setting) {
	slices.SortStableFunc(list, func(x, y schema.Setting) int {
		return cmp.Or(cmp.Compare(x.Service, y.Service), cmp.Compare(x.Key, y.Key), cmp.Compare(x.File, y.File), cmp.Compare(x.Line, y.Line), cmp.Compare(x.Value, y.Value))
	})
}

// moreSettings are files beside those of layouts that machines have in common.
func moreSettings() []string {
	return []string{
		"/etc/nginx/modules-enabled/*.conf", "/etc/apache2/mods-enabled/*.load", "/etc/resolv.conf", "/etc/hosts", "/etc/aliases", "/etc/environment",
		"/etc/cron.allow", "/etc/cron.deny", "/etc/at.allow", "/etc/at.deny", "/etc/apt/sources.list", "/etc/apt/sources.list.d/*", "/etc/shells",
		"/etc/hosts.allow", "/etc/hosts.deny", "/etc/ftpusers", "/etc/logrotate.conf", "/etc/logrotate.d/*",
		"/etc/vsftpd.conf", "/etc/proftpd/proftpd.conf", "/etc/redis/redis.conf", "/etc/memcached.conf", "/etc/fail2ban/jail.local",
		"/etc/letsencrypt/cli.ini", "/etc/default/locale", "/etc/timezone",
	}
}

// settings is a list under way.
type settings struct {
	r    root
	list []schema.Setting
	done map[string]bool
}

func (s *settings) add(service, key, value, file string, line int) {
	if len(s.list) >= maxSettings || key == "" {
		return
	}
	value = shown(key, strings.TrimSpace(value))
	if len(value) > maxValue {
		value = value[:maxValue] + "…"
	}
	key = masked(key)
	s.list = append(s.list, schema.Setting{Service: service, Key: key[:min(len(key), 500)], Value: value, File: file, Line: line})
}

// file reads one file in its notation.
func (s *settings) file(file string) {
	if s.done == nil {
		s.done = map[string]bool{}
	}
	s.done[file] = true
	text, err := s.r.read(file, smallFile)
	if err == nil || errors.Is(err, errTooLarge) {
		s.text(file, text)
	}
}

// text reads the text of a file in the notation that its path stands for.
func (s *settings) text(file string, text []byte) {
	in := func(dirs ...string) bool {
		return slices.ContainsFunc(dirs, func(d string) bool { return under(file, d) })
	}
	base := filepath.Base(file)
	switch {
	case in("/etc/nginx"):
		s.nginx(file, text)
	case in("/etc/apache2", "/etc/httpd"):
		s.apache(file, text)
	case in("/etc/php", "/etc/php.ini", "/etc/php.d", "/etc/opt/remi", "/etc/php-fpm.conf", "/etc/php-fpm.d"):
		s.php(file, text)
	case base == "pg_hba.conf" || base == "pg_ident.conf":
		s.table("postgresql", strings.TrimSuffix(base, ".conf")+"/", file, text, -1)
	case base == "postgresql.conf" || base == "postgresql.auto.conf":
		s.postgres(file, text)
	case in("/etc/mysql", "/etc/my.cnf", "/etc/my.cnf.d"):
		s.ini("mariadb", file, text)
	case in("/etc/fail2ban"):
		s.ini("fail2ban", file, text)
	case in("/etc/dovecot"):
		s.blocks("dovecot", file, text)
	case base == "master.cf":
		s.table("postfix", "master/", file, text, 7)
	case in("/etc/postfix"):
		s.postfix(file, text)
	case in("/etc/exim4/update-exim4.conf.conf"):
		s.assignments("exim", file, text)
	case in("/etc/exim4", "/etc/exim"):
		// long programs of their own: whether they were changed is told by conffiles
	case in("/etc/ssh"):
		s.words("sshd", file, text)
	case in("/etc/sysctl.conf", "/etc/sysctl.d"):
		s.assignments("sysctl", file, text)
	case in("/etc/security"):
		s.table("limits", "", file, text, 3)
	case in("/etc/resolv.conf"):
		s.words("resolver", file, text)
	case in("/etc/hosts"):
		s.hosts(file, text)
	case in("/etc/apt"):
		s.apt(file, text)
	case in("/etc/vsftpd.conf", "/etc/environment", "/etc/default", "/etc/letsencrypt"):
		s.assignments(strings.TrimSuffix(base, ".conf"), file, text)
	case in("/etc/aliases"):
		s.colons("aliases", file, text)
	case in("/etc/cron.allow", "/etc/cron.deny", "/etc/at.allow", "/etc/at.deny", "/etc/shells", "/etc/ftpusers", "/etc/hosts.allow", "/etc/hosts.deny", "/etc/timezone"):
		s.listed(base, file, text)
	case in("/etc/logrotate.conf", "/etc/logrotate.d"):
		s.add("logrotate", file, "digest "+digest(text), file, 0)
	default:
		s.words(strings.TrimSuffix(base, ".conf"), file, text)
	}
}

func digest(text []byte) string {
	sum := md5.Sum(text)
	return hex.EncodeToString(sum[:])
}

// names tells files of which the name is enough: what is in them is secret, or
// nobody's business.
func (s *settings) names() {
	for _, g := range []string{"/etc/sudoers.d/*", "/etc/sudoers", "/etc/ssl/dhparam*.pem", "/etc/nginx/dhparam*.pem", "/etc/profile.d/*.sh", "/etc/udev/rules.d/*", "/etc/modprobe.d/*.conf", "/etc/security/limits.d/*", "/etc/polkit-1/rules.d/*"} {
		for _, p := range s.r.glob(g) {
			if filepath.Base(p) != "README" {
				s.add("files", p, "there", p, 0)
			}
		}
	}
}

// kernel tells the settings of the running kernel that programs run against.
func (s *settings) kernel() {
	for _, k := range []string{
		"fs.file-max", "fs.inotify.max_user_watches", "fs.inotify.max_user_instances", "vm.swappiness", "vm.overcommit_memory", "vm.max_map_count", "vm.nr_hugepages",
		"net.core.somaxconn", "net.ipv4.ip_forward", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_max_syn_backlog", "net.ipv6.conf.all.disable_ipv6",
		"kernel.pid_max", "kernel.threads-max", "kernel.shmmax", "kernel.unprivileged_userns_clone", "user.max_user_namespaces",
	} {
		if v := s.r.word("/proc/sys/" + strings.ReplaceAll(k, ".", "/")); v != "" {
			s.add("kernel", k, strings.Join(strings.Fields(v), " "), "", 0)
		}
	}
}

// sshd asks for what the daemon accepts: defaults change from release to
// release, and old clients with them.
func (s *settings) sshd(ctx context.Context) {
	out, err := s.r.run(ctx, "/usr/sbin/sshd", "-T")
	if err != nil {
		return // it has no keys yet, or is not there; its files were read
	}
	wanted := []string{"ciphers", "macs", "kexalgorithms", "hostkeyalgorithms", "pubkeyacceptedalgorithms", "pubkeyacceptedkeytypes", "passwordauthentication", "permitrootlogin",
		"maxsessions", "maxstartups", "logingracetime", "usepam", "usedns", "x11forwarding", "allowtcpforwarding", "gatewayports", "authorizedkeysfile", "requiredrsasize"}
	lines(out, func(_ int, line string) bool {
		if k, v := nextWord(line); slices.Contains(wanted, k) {
			s.add("sshd", "effective/"+k, v, "", 0)
		}
		return true
	})
}

// conffiles tells which settings files of packages were changed, by the digest
// that the package manager noted.
func (s *settings) conffiles(ctx context.Context) error {
	f, err := s.r.open("/var/lib/dpkg/status")
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	defer f.Close()
	_, files, err := readStatus(f)
	s.list = slices.DeleteFunc(s.list, func(x schema.Setting) bool { // packages bring them; changed ones come below
		_, ok := files[x.File]
		return ok && x.Service == "logrotate"
	})
	for p, sum := range files {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !strings.HasPrefix(p, "/") || len(sum) != 32 {
			continue
		}
		got, size, ok := s.md5(p)
		if ok && got != sum {
			s.add("files", p, "changed: "+strconv.FormatInt(size, 10)+" bytes, digest "+got, p, 0)
		}
	}
	return err
}

func (s *settings) md5(path string) (sum string, size int64, ok bool) {
	f, err := s.r.open(path)
	if err != nil {
		return "", 0, false
	}
	defer f.Close()
	h := md5.New()
	size, err = io.Copy(h, io.LimitReader(f, 16<<20))
	return hex.EncodeToString(h.Sum(nil)), size, err == nil
}
