//go:build linux

package look

import (
	"path/filepath"
	"slices"
	"strings"
)

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
			case ofParameters(d.name):
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
			case d.is("SetEnv") || d.is("Define") || d.is("Header") || d.is("RequestHeader") || d.is("PassEnv") || d.is("UnsetEnv"):
				name, value := named(d.args)
				s.add("apache", prefix+d.name+"/"+name, cmpOr(value, "on"), d.file, d.line)
			case d.is("LogFormat") || d.is("Alias") || d.is("AddType") || strings.HasPrefix(strings.ToLower(d.name), "add"):
				s.add("apache", prefix+d.name+"/"+d.text(), "on", d.file, d.line)
			default:
				s.add("apache", prefix+d.name, d.text(), d.file, d.line)
			}
		}
	}
	deep(list, "")
}

// ofParameters says whether a directive of nginx gives a value to a name: its
// value is judged by that name.
func ofParameters(name string) bool {
	switch name {
	case "set", "proxy_set_header", "grpc_set_header", "more_set_headers", "more_set_input_headers":
		return true
	}
	return strings.HasSuffix(name, "_param")
}

// named cuts the words of a directive of Apache behind the name that it is
// about; in front of it may stand what is done with it.
func named(args []string) (name, value string) {
	i := slices.IndexFunc(args, func(w string) bool {
		return !slices.Contains([]string{"always", "onsuccess", "set", "setifempty", "append", "add", "merge", "edit", "edit*", "unset", "echo", "note"}, strings.ToLower(w))
	})
	if i < 0 {
		return strings.Join(args, " "), ""
	}
	return strings.Join(args[:i+1], " "), strings.Join(args[i+1:], " ")
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
