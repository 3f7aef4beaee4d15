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
	s.list = append(s.list, schema.Setting{Service: service, Key: key[:min(len(key), 500)], Value: value, File: file, Line: line})
}

// file reads one file in its notation.
func (s *settings) file(file string) {
	if s.done == nil {
		s.done = map[string]bool{}
	}
	s.done[file] = true
	text, err := s.r.read(file, smallFile)
	if err != nil && !errors.Is(err, errTooLarge) {
		return
	}
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

// nginx tells what stands outside of server blocks. Files of conf.d are read
// within http.
func (s *settings) nginx(file string, text []byte) {
	list, _ := parseNginx(file, text) // a mistake is a finding of sites
	prefix := ""
	if under(file, "/etc/nginx/conf.d") {
		prefix = "http/"
	}
	var deep func(list []directive, prefix string)
	deep = func(list []directive, prefix string) {
		for _, d := range list {
			switch {
			case d.name == "server" || d.name == "include" || d.name == "types":
			case d.name == "load_module":
				s.add("nginx", "load_module/"+filepath.Base(d.arg(0)), "on", d.file, d.line)
			case d.open:
				deep(d.block, prefix+strings.TrimSpace(d.name+" "+d.text())+"/")
			case d.name == "log_format" || d.name == "add_header" || strings.HasPrefix(d.name, "set_real_ip") || strings.HasSuffix(d.name, "_zone") || d.name == "default":
				s.add("nginx", prefix+d.name+"/"+d.arg(0), strings.Join(d.args[min(1, len(d.args)):], " "), d.file, d.line)
			default:
				s.add("nginx", prefix+d.name, d.text(), d.file, d.line)
			}
		}
	}
	deep(list, prefix)
}

// apache tells what stands outside of virtual hosts, and which modules are loaded.
func (s *settings) apache(file string, text []byte) {
	list, _ := parseApache(file, text)
	var deep func(list []directive, prefix string)
	deep = func(list []directive, prefix string) {
		for _, d := range list {
			switch {
			case d.is("VirtualHost") || d.is("Include") || d.is("IncludeOptional") || ofListings(d.name):
			case d.is("IfModule"):
				deep(d.block, prefix)
			case d.is("LoadModule"):
				s.add("apache", "LoadModule/"+d.arg(0), "on", d.file, d.line)
			case d.open:
				deep(d.block, prefix+strings.TrimSpace(d.name+" "+d.text())+"/")
			case d.is("SetEnv") || d.is("LogFormat") || d.is("Define") || d.is("Header") || d.is("Alias") || d.is("AddType") || strings.HasPrefix(strings.ToLower(d.name), "add"):
				s.add("apache", prefix+d.name+"/"+d.text(), "on", d.file, d.line)
			default:
				s.add("apache", prefix+d.name, d.text(), d.file, d.line)
			}
		}
	}
	deep(list, "")
}

// ofListings says whether a directive is of the long tables of types and icons
// that packages bring: whether they were changed is told by conffiles.
func ofListings(name string) bool {
	name = strings.ToLower(name)
	for _, p := range []string{"addicon", "addlanguage", "addcharset", "adddescription", "addencoding", "browsermatch", "languagepriority", "indexignore", "indexoptions", "defaulticon"} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

// php tells those settings that matter, by their name: two servers are compared
// whose lines differ. Extensions are among what PHP lists.
func (s *settings) php(file string, text []byte) {
	wanted := phpSettings()
	for _, e := range parseIni(text) {
		if slices.Contains(wanted, e.key) || e.section == "global" && e.key != "pid" && e.key != "include" && e.key != "error_log" {
			s.add("php-fpm", e.key, e.value, file, e.line)
		}
	}
}

func (s *settings) ini(service, file string, text []byte) {
	for _, e := range parseMyCnf(text) {
		s.add(service, e.section+"/"+e.key, e.value, file, e.line)
	}
}

// parseMyCnf reads the files of MariaDB: settings may be without a value, and
// their names have dashes or underscores.
func parseMyCnf(text []byte) (list []entry) {
	section := ""
	lines(text, func(n int, line string) bool {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#' || line[0] == ';' || line[0] == '!':
		case line[0] == '[':
			section = strings.Trim(line, "[]")
		default:
			k, v, ok := strings.Cut(line, "=")
			if !ok {
				v = "on"
			}
			if i := strings.Index(v, " #"); i >= 0 {
				v = v[:i]
			}
			list = append(list, entry{section, strings.ReplaceAll(strings.TrimSpace(k), "-", "_"), iniValue(v), n})
		}
		return len(list) < 10_000
	})
	return list
}

// postgres reads postgresql.conf; what names files of this version's cluster is
// no difference between servers.
func (s *settings) postgres(file string, text []byte) {
	own := []string{"data_directory", "hba_file", "ident_file", "external_pid_file", "cluster_name", "stats_temp_directory", "include_dir", "include", "include_if_exists"}
	lines(text, func(n int, line string) bool {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			return true
		}
		i := strings.IndexAny(line, " \t=")
		if i <= 0 {
			return true
		}
		k, v := strings.ToLower(line[:i]), strings.TrimLeft(line[i:], " \t=")
		if strings.HasPrefix(v, "'") {
			if end := strings.IndexByte(v[1:], '\''); end >= 0 {
				v = v[1 : end+1]
			}
		} else {
			v, _, _ = strings.Cut(v, "#")
		}
		if !slices.Contains(own, k) {
			s.add("postgresql", k, v, file, n)
		}
		return true
	})
}

// blocks reads Dovecot's notation: key = value, blocks in braces.
func (s *settings) blocks(service, file string, text []byte) {
	var path []string
	lines(text, func(n int, line string) bool {
		line = strings.TrimSpace(line)
		if i := strings.Index(line, " #"); i >= 0 {
			line = strings.TrimSpace(line[:i])
		}
		switch {
		case line == "" || line[0] == '#' || line[0] == '!':
		case strings.HasSuffix(line, "{") && len(path) < maxDepth:
			path = append(path, strings.Join(strings.Fields(strings.TrimSuffix(line, "{")), " "))
		case line == "}":
			path = path[:max(0, len(path)-1)]
		default:
			if k, v, ok := strings.Cut(line, "="); ok {
				s.add(service, strings.Join(append(slices.Clone(path), strings.TrimSpace(k)), "/"), v, file, n)
			}
		}
		return true
	})
}

// postfix reads main.cf: a line that begins with a blank goes on with the one
// before.
func (s *settings) postfix(file string, text []byte) {
	key, value, at := "", "", 0
	end := func() { s.add("postfix", key, value, file, at); key = "" }
	lines(text, func(n int, line string) bool {
		switch {
		case strings.TrimSpace(line) == "" || strings.HasPrefix(strings.TrimSpace(line), "#"):
		case line[0] == ' ' || line[0] == '\t':
			if len(value) < maxLineSize {
				value += " " + strings.TrimSpace(line)
			}
		default:
			end()
			k, v, _ := strings.Cut(line, "=")
			key, value, at = strings.TrimSpace(k), strings.TrimSpace(v), n
		}
		return true
	})
	end()
}

// assignments reads key = value lines.
func (s *settings) assignments(service, file string, text []byte) {
	lines(text, func(n int, line string) bool {
		line = strings.TrimSpace(line)
		if k, v, ok := strings.Cut(line, "="); ok && line[0] != '#' && line[0] != ';' {
			s.add(service, strings.TrimPrefix(strings.TrimSpace(strings.TrimPrefix(k, "export ")), "-"), unquote(strings.TrimSpace(v)), file, n)
		}
		return true
	})
}

// words reads lines of a name and its value, as sshd's are. A Match of sshd
// holds for what is behind it.
func (s *settings) words(service, file string, text []byte) {
	within := ""
	lines(text, func(n int, line string) bool {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			return true
		}
		if service == "sshd" { // which allows both
			line = strings.Replace(line, "=", " ", 1)
		}
		k, v := nextWord(line)
		if service == "sshd" && strings.EqualFold(k, "Match") {
			within = "Match " + strings.TrimSpace(v) + "/"
			return true
		}
		if !strings.EqualFold(k, "Include") {
			s.add(service, within+k, v, file, n)
		}
		return true
	})
}

// table reads lines of columns: the first ones, or all but the last, name the
// setting.
func (s *settings) table(service, prefix, file string, text []byte, names int) {
	lines(text, func(n int, line string) bool {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		k := names
		if k < 0 {
			k = len(f) - 1
			if i := slices.IndexFunc(f, func(w string) bool { return hbaMethod(w) }); i > 0 {
				k = i
			}
		}
		if len(f) > k && k > 0 && line[0] != ' ' && line[0] != '\t' {
			s.add(service, prefix+strings.Join(f[:k], " "), strings.Join(f[k:], " "), file, n)
		}
		return true
	})
}

func hbaMethod(w string) bool {
	return slices.Contains([]string{"trust", "reject", "scram-sha-256", "md5", "password", "gss", "sspi", "ident", "peer", "ldap", "radius", "cert", "pam", "bsd"}, w)
}

func (s *settings) colons(service, file string, text []byte) {
	lines(text, func(n int, line string) bool {
		if k, v, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(strings.TrimSpace(line), "#") {
			s.add(service, strings.TrimSpace(k), v, file, n)
		}
		return true
	})
}

// listed reads files of which every line is an item.
func (s *settings) listed(service, file string, text []byte) {
	lines(text, func(n int, line string) bool {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line != "" {
			s.add(service, line, "on", file, n)
		}
		return true
	})
}

// hosts tells the lines that no installation puts there.
func (s *settings) hosts(file string, text []byte) {
	own := cmpOr(s.r.word("/proc/sys/kernel/hostname"), s.r.word("/etc/hostname"))
	lines(text, func(n int, line string) bool {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		if slices.Contains(f[min(1, len(f)):], own) {
			return true
		}
		if len(f) > 1 && !strings.HasPrefix(f[0], "127.") && f[0] != "::1" && !strings.HasPrefix(f[0], "ff0") && !strings.HasPrefix(f[0], "fe00") {
			for _, name := range f[1:] {
				s.add("hosts", name, f[0], file, n)
			}
		}
		return true
	})
}

// apt tells where packages come from, without passwords.
func (s *settings) apt(file string, text []byte) {
	lines(text, func(n int, line string) bool {
		line = strings.TrimSpace(line)
		if f := strings.Fields(line); len(f) > 1 && (f[0] == "deb" || f[0] == "URIs:") {
			s.add("apt", masked(strings.Join(f[1:], " ")), "on", file, n)
		}
		return true
	})
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
