//go:build linux

package look

import (
	"bytes"
	"net"
	"net/netip"
	"path"
	"regexp"
	"strings"
)

// listenAll: an address of all interfaces.
func (s *search) listenAll(from, to int) {
	if isWord(s.before(from)) || s.before(from) == '.' {
		return
	}
	what := s.wordAt(from)
	if s.text[from] == '[' {
		what = "[::]:" + s.wordAt(to)
	}
	if strings.HasPrefix(what, "0.0.0.0/") || strings.HasPrefix(what, "0.0.0.0.") {
		return // a network
	}
	if line, _ := s.around(from, to); comment(line) {
		return
	}
	s.found("listen", from, strings.TrimRight(what, ".:"), "")
}

// listenOwn: an address of this server, on a line that says that something
// listens on it.
func (s *search) listenOwn(from, to int) {
	line, _ := s.around(from, to)
	low := strings.ToLower(line)
	if comment(line) || !strings.Contains(low, "listen") && !strings.Contains(low, "bind") {
		return
	}
	what := string(s.text[from:to])
	if _, err := netip.ParseAddr(what); err != nil {
		return
	}
	if rest, ok := strings.CutPrefix(strings.TrimPrefix(s.after(to), "]"), ":"); ok && number(rest) != "" {
		what = net.JoinHostPort(what, number(rest))
	}
	s.found("listen", from, what, "")
}

// after is a little of what follows a place.
func (s *search) after(at int) string { return string(s.text[at:min(len(s.text), at+20)]) }

// listenVariable: the addresses that old servers of the hosting company gave.
func (s *search) listenVariable(from, _ int) {
	s.found("listen", from, s.wordAt(from), "$IP and $PORT take its place")
}

// listenPort: a port that is written down.
func (s *search) listenPort(from, to int) {
	rest := strings.TrimLeft(string(s.text[to:min(len(s.text), to+20)]), " =\t\"'")
	port := number(rest)
	line, _ := s.around(from, to)
	if port == "" || len(port) > 5 || strings.Contains(port, ".") || comment(line) {
		return
	}
	s.found("listen", from, "port "+port, "a fixed port")
}

// tmp: a path in /tmp, which is not moved.
func (s *search) tmp(from, to int) {
	if b := s.before(from); isWord(b) || strings.IndexByte(`./}-~>)"'`, b) >= 0 && !(b == '"' || b == '\'') {
		return // the end of another path
	}
	if to < len(s.text) && (isWord(s.text[to]) || s.text[to] == '-' || s.text[to] == '.') {
		return
	}
	line, _ := s.around(from, to)
	if comment(line) || strings.HasPrefix(line, "#!") {
		return
	}
	if s.what&(isPages|isPHPSetting) != 0 {
		return // said line by line
	}
	s.found("tmp", from, s.wordAt(from), "")
}

// logReader: who reads logs of the server depends on their format and place.
func (s *search) logReader(from, to int) {
	what := s.wordAt(from)
	line, _ := s.around(from, to)
	if comment(line) || isWord(s.before(from)) && s.text[from] == '/' {
		return
	}
	low := strings.ToLower(what)
	if s.text[from] == '/' && !strings.Contains(low, "nginx") && !strings.Contains(low, "apache") && !strings.Contains(low, "httpd") && !strings.Contains(low, "mail") && !strings.Contains(low, "php") {
		return
	}
	s.found("log-reader", from, what, "")
}

// sqlMode: a program that sets or reads sql_mode depends on it.
func (s *search) sqlMode(from, to int) {
	if b := s.before(from); isWord(b) && b != '_' {
		return
	}
	line, _ := s.around(from, to)
	if comment(line) {
		return
	}
	s.found("sql-mode", from, sqlModeValue.FindString(string(s.text[from:min(len(s.text), from+maxWhat)])), "")
}

// sqlModeValue is sql_mode and the value that follows it, but nothing else of its
// line: passwords of connections stand there.
var sqlModeValue = regexp.MustCompile("(?i)^sql_mode(?:[\\\\\"'`\\]]*[ \\t]*(?:=>|:=|[=:]|[\"'][ \\t]*,)[ \\t]*(?:\\\\?\"[a-z_, ]*\\\\?\"|\\\\?'[a-z_, ]*\\\\?'|(?:concat|replace)\\([a-z_@,.'\" \\t]*\\(?[a-z_@,.'\" \\t]*\\)*|[a-z_,@$.]+))?")

// services are what programs reach on this machine, by the words that stand near
// the address, and by their ports.
func services() []struct{ name, word, port string } {
	return []struct{ name, word, port string }{
		{"redis", "redis", ":6379"}, {"redis", "valkey", ":6379"}, {"memcached", "memcache", ":11211"}, {"elasticsearch", "elastic", ":9200"}, {"opensearch", "opensearch", ":9200"},
		{"rabbitmq", "rabbit", ":5672"}, {"rabbitmq", "amqp", ":5672"}, {"mongodb", "mongo", ":27017"}, {"couchdb", "couch", ":5984"}, {"solr", "solr", ":8983"}, {"meilisearch", "meili", ":7700"},
	}
}

// localhost: another service of this machine. Those that every account is moved
// with (databases, mail) are no news.
func (s *search) localhost(from, to int) {
	if b := s.before(from); isWord(b) || b == '.' || b == '-' {
		return
	}
	line, begin := s.around(from, to)
	if comment(line) {
		return
	}
	at := from - begin
	low := strings.ToLower(line)
	near := low
	if !strings.HasPrefix(s.name, ".env") { // there each line stands alone
		near = string(bytes.ToLower(s.text[max(0, from-200):from])) + low[min(at, len(low)):]
	}
	best, where := "", -1
	for _, x := range services() {
		if strings.HasPrefix(low[min(at+to-from, len(low)):], x.port) {
			best, where = x.name, len(near)+1
			break
		}
		if i := strings.LastIndex(near, x.word); i > where {
			best, where = x.name, i
		}
	}
	for _, other := range []string{"mysql", "mariadb", "pgsql", "postgres", "db_host", "dbhost", "smtp", "imap", "mail"} {
		if strings.LastIndex(near, other) > where {
			return
		}
	}
	if best != "" {
		s.found("localhost-service", from, s.hostAndPort(from), best)
	}
}

// hostAndPort is the address as it is written.
func (s *search) hostAndPort(from int) string {
	host, rest, ok := strings.Cut(s.wordAt(from), ":")
	if port := number(rest); ok && port != "" {
		return host + ":" + port
	}
	return host
}

// loadModule: a module of Apache's own.
func (s *search) loadModule(from, to int) {
	line, _ := s.around(from, to)
	f := strings.Fields(line)
	if len(f) < 3 || !strings.EqualFold(f[0], "LoadModule") {
		return
	}
	s.found("apache-module", from, strings.Trim(f[2], `"'`), f[1])
}

// pages reads .htaccess: what Apache 2.4 does no longer, and what depends on how
// PHP is run.
func (s *search) pages() {
	if bytes.HasPrefix(s.text, []byte("\xef\xbb\xbf")) {
		s.found("htaccess", 0, "byte order mark", "Apache refuses the first line")
	}
	at := 0
	for line := range bytes.Lines(s.text) {
		s.pagesLine(strings.TrimPrefix(strings.TrimSpace(string(line[:min(len(line), maxLineSize)])), "\ufeff"), at)
		at += len(line)
	}
}

func (s *search) pagesLine(line string, at int) {
	f := strings.Fields(line)
	if len(f) < 2 || line[0] == '#' {
		return
	}
	said := strings.Join(f, " ")
	switch name := strings.ToLower(f[0]); name {
	case "order", "allow", "deny", "satisfy":
		s.found("htaccess", at, said, "access control of Apache 2.2")
	case "addhandler", "sethandler", "addtype", "action":
		if low := strings.ToLower(said); strings.Contains(low, "php") || strings.Contains(low, "cgi") {
			s.found("htaccess", at, said, "handler")
		}
	case "php_value", "php_flag", "php_admin_value", "php_admin_flag":
		s.found("htaccess", at, said, "mod_php")
		s.prepend(f[1], strings.Join(f[2:], " "), at)
	case "directoryindex":
		s.found("htaccess", at, said, "index")
	case "options":
		if low := " " + strings.ToLower(said) + " "; strings.Contains(low, " indexes ") || strings.Contains(low, " +indexes ") {
			s.found("htaccess", at, said, "listing")
		}
	}
}

func (s *search) prepend(key, value string, at int) {
	value = strings.Trim(value, `"' `)
	if (key == "auto_prepend_file" || key == "auto_append_file") && value != "" && !strings.EqualFold(value, "none") {
		s.found("auto-prepend", at, value, key)
	}
}

// phpSettings reads php.ini and .user.ini.
func (s *search) phpSettings() {
	at := 0
	for line := range bytes.Lines(s.text) {
		text := strings.TrimSpace(string(line[:min(len(line), maxLineSize)]))
		begin := at
		at += len(line)
		key, value, ok := strings.Cut(text, "=")
		if !ok || text[0] == ';' || text[0] == '#' {
			continue
		}
		key = strings.ToLower(strings.TrimSpace(key))
		value, _, _ = strings.Cut(strings.TrimSpace(value), " ;")
		value = strings.Trim(value, `"' `)
		switch key {
		case "extension", "zend_extension":
			note := ""
			if strings.Contains(value, "/") {
				note = path.Base(value)
			}
			s.found("php-ini", begin, key+"="+value, note)
		case "extension_dir":
			s.found("php-ini", begin, key+"="+value, "")
		case "session.save_path", "upload_tmp_dir", "sys_temp_dir", "open_basedir", "include_path":
			if strings.HasPrefix(value, "/") && !under(path.Clean(value), s.home) || strings.HasPrefix(value, "tcp:") {
				s.found("php-ini", begin, key+"="+value, "")
			}
		case "auto_prepend_file", "auto_append_file":
			s.prepend(key, value, begin)
		}
	}
}

// drupal notes a Drupal from before 8.9: its compressed files break behind newer
// web servers.
func (s *search) drupal(dir string) {
	marks := map[string]string{"Drupal.php": "const VERSION = '", "bootstrap.inc": "define('VERSION', '"}
	i := bytes.Index(s.text, []byte(marks[s.name]))
	if i < 0 || s.name == "Drupal.php" && !strings.HasSuffix(dir, "core/lib") || s.name == "bootstrap.inc" && !bytes.Contains(s.text, []byte("drupal_")) {
		return
	}
	if v := number(s.after(i + len(marks[s.name]))); v != "" && compareVersions(v, "8.9") < 0 {
		s.found("drupal", i, v, "Drupal before 8.9")
	}
}
