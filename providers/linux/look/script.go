//go:build linux

package look

import (
	"bytes"
	"path"
	"slices"
	"strings"

	"github.com/stopover/stopover/providers/mention"
	"github.com/stopover/stopover/schema"
)

// search is one text under search.
type search struct {
	h    *harvest
	c    *contents
	home string
	path string // as people find it
	name string
	text []byte
	what content

	seen     []uint8 // how often each word was looked at
	mentions int
	line     int // of counted
	counted  int
}

// rule is a word that makes a line worth a look, and the look.
type rule struct {
	word string // in lower case
	in   content
	do   func(s *search, from, to int)
}

// rules say what is looked for. Which kinds there are is told with schema.Line.
func rules() []rule {
	list := []rule{
		{"/usr/alwaysdata/", anyText, (*search).runtimePath},
		{"_version=", anyText, (*search).versionVariable},
		{"0.0.0.0", anyText, (*search).listenAll},
		{"[::]:", anyText, (*search).listenAll},
		{"alwaysdata_httpd_", anyText, (*search).listenVariable},
		{".listen(", isCode, (*search).listenPort},
		{"--port", isShell | isSettings, (*search).listenPort},
		{"/tmp", anyText, (*search).tmp},
		{"/var/log/", anyText, (*search).logReader},
		{"admin/logs/", anyText, (*search).logReader},
		{"sql_mode", anyText, (*search).sqlMode},
		{"localhost", anyText, (*search).localhost},
		{"127.0.0.1", anyText, (*search).localhost},
		{"loadmodule", isSettings, (*search).loadModule},
	}
	for _, r := range calledByVersion() {
		list = append(list, rule{r.word, anyText, (*search).versionedBinary})
	}
	return list
}

// calledByVersion are the programs that people call by a version, and what they are.
func calledByVersion() []struct{ word, name string } {
	return []struct{ word, name string }{
		{"python2", "python"}, {"python3.", "python"}, {"pip2", "python"}, {"pip3.", "python"},
		{"php4", "php"}, {"php5", "php"}, {"php7", "php"}, {"php8", "php"}, {"php-cgi", "php"}, {"php-fpm", "php"},
		{"ruby1", "ruby"}, {"ruby2", "ruby"}, {"ruby3", "ruby"}, {"gem2", "ruby"}, {"gem3", "ruby"},
		{"nodejs", "nodejs"}, {"node1", "nodejs"}, {"node2", "nodejs"}, {"perl5.", "perl"}, {"lua5", "lua"},
	}
}

// begin makes ready for a text.
func (s *search) begin() {
	if n := len(s.c.rules) + len(s.c.tokens); len(s.seen) != n {
		s.seen = make([]uint8, n)
	}
	clear(s.seen)
}

// word is called for every word that is met.
func (s *search) word(n, end int) {
	if s.seen[n] >= maxOften {
		return
	}
	if n < len(s.c.rules) {
		r := &s.c.rules[n]
		if s.what&r.in != 0 {
			s.seen[n]++
			r.do(s, end-len(r.word), end)
		}
		return
	}
	token := s.c.tokens[n-len(s.c.rules)]
	if s.mentions < mention.PerFile && mention.Alone(s.text, end-len(token), end) {
		s.mentions++
		s.h.mentions.add(schema.Mention{Path: s.path, Line: s.lineOf(end), What: token})
		s.listenOwn(end-len(token), end)
	}
}

// lineOf counts lines; it is asked in the order of the text.
func (s *search) lineOf(at int) int {
	if at < s.counted {
		return 1 + bytes.Count(s.text[:at], []byte("\n"))
	}
	s.line += bytes.Count(s.text[s.counted:at], []byte("\n"))
	s.counted = at
	return s.line
}

// found notes a line.
func (s *search) found(kind string, at int, what, note string) {
	s.h.lines.add(schema.Line{Kind: kind, Path: s.path, Line: s.lineOf(at), What: clip(masked(what), maxWhat), Note: clip(masked(note), maxWhat)})
}

// maxWhat bounds what is shown of a line.
const maxWhat = 200

// around is the line at a place, at most so many bytes to either side, and
// where it begins.
func (s *search) around(from, to int) (string, int) {
	const reach = 400
	begin := max(0, from-reach)
	if i := bytes.LastIndexByte(s.text[begin:from], '\n'); i >= 0 {
		begin += i + 1
	}
	end := min(len(s.text), to+reach)
	if i := bytes.IndexByte(s.text[to:end], '\n'); i >= 0 {
		end = to + i
	}
	return string(bytes.TrimSuffix(s.text[begin:end], []byte("\r"))), begin
}

// comment says that a line is no more than a comment.
func comment(line string) bool {
	line = strings.TrimLeft(line, " \t")
	return strings.HasPrefix(line, "//") || strings.HasPrefix(line, "* ") || strings.HasPrefix(line, "/*") || strings.HasPrefix(line, ";") ||
		strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "#!")
}

// wordAt is the text from a place up to what ends a word in any language.
func (s *search) wordAt(from int) string {
	end := from
	for end < len(s.text) && end-from < maxWhat && !strings.ContainsRune(" \t\r\n\"'`;,()<>|&{}[]\\", rune(s.text[end])) {
		end++
	}
	return string(s.text[from:end])
}

func (s *search) before(at int) byte {
	if at <= 0 {
		return '\n'
	}
	return s.text[at-1]
}

func isWord(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '_'
}

// number reads a version at the beginning of a text: "3.9.1".
func number(s string) string {
	i := 0
	for i < len(s) && (s[i] >= '0' && s[i] <= '9' || s[i] == '.' && i > 0) && i < 20 {
		i++
	}
	return strings.TrimRight(s[:i], ".")
}

// runtimePath: a runtime by the path that the hosting company gives it.
func (s *search) runtimePath(from, to int) {
	what := s.wordAt(from)
	lang, rest, _ := strings.Cut(what[to-from:], "/")
	version, _, _ := strings.Cut(rest, "/")
	note := lang
	if v := number(version); v != "" {
		note += " " + v
	}
	s.found("runtime-path", from, what, note)
}

// versionVariable: PYTHON_VERSION=3.9 chooses a version at the hosting company,
// in environments, profiles and behind #!/usr/bin/eval.
func (s *search) versionVariable(from, to int) {
	begin := from
	for begin > 0 && from-begin < 20 && isWord(s.text[begin-1]) {
		begin--
	}
	name := strings.ToLower(string(s.text[begin:from]))
	if !slices.Contains([]string{"python", "php", "ruby", "nodejs", "node", "java", "erlang", "elixir", "dotnet", "deno", "lua", "rust", "go", "perl"}, name) {
		return
	}
	value := number(strings.TrimLeft(s.wordAtQuoted(to), `"'`))
	if value == "" {
		return
	}
	if name == "node" {
		name = "nodejs"
	}
	s.found("version-variable", from, string(s.text[begin:to])+value, name+" "+value)
	s.uses(name, value)
}

// wordAtQuoted is wordAt behind a quote.
func (s *search) wordAtQuoted(from int) string {
	if from < len(s.text) && (s.text[from] == '"' || s.text[from] == '\'') {
		from++
	}
	return s.wordAt(from)
}

// uses notes a version that a file asks for by name.
func (s *search) uses(name, version string) {
	s.h.runtimes.add(schema.RuntimeUse{Name: name, Version: version, By: "file " + s.path})
}

// versionedBinary: a program called by a version: python3.9, /usr/bin/php7.4.
func (s *search) versionedBinary(from, _ int) {
	b := s.before(from)
	if isWord(b) || b == '.' || b == '-' || b == '$' || b == '@' || s.what&isPHP != 0 && b != '/' {
		return
	}
	what := s.wordAt(from)
	name := strings.TrimRight(what, ":")
	lang, version := versioned(name)
	if lang == "" {
		return
	}
	line, begin := s.around(from, from)
	if comment(line) || strings.HasPrefix(line, "#!") && begin == 0 {
		return
	}
	if s.what&(isShell|isCode|isPHP) == 0 && b != '/' && b != '=' && b != '\n' {
		return // settings name packages and images so
	}
	start := from
	for start > 0 && from-start < maxWhat && (isWord(s.text[start-1]) || strings.IndexByte("/.-+~$", s.text[start-1]) >= 0) {
		start--
	}
	s.found("versioned-binary", from, string(s.text[start:from])+name, strings.TrimSpace(lang+" "+version))
	if version != "" && strings.HasPrefix(string(s.text[start:from]), "/usr/") {
		s.uses(lang, version)
	}
}

// interpreters are the names of programs before their version, and what they
// belong to; a name stands before those that it begins with.
func interpreters() [][2]string {
	return [][2]string{{"python", "python"}, {"pip", "python"}, {"php-cgi", "php"}, {"php-fpm", "php"}, {"php", "php"}, {"ruby", "ruby"}, {"gem", "ruby"},
		{"nodejs", "nodejs"}, {"node", "nodejs"}, {"perl", "perl"}, {"lua", "lua"}}
}

// interpreter takes the name of a program apart: "python3.9" is python, 3.9. It
// returns nothing for other programs.
func interpreter(program string) (lang, version, name string) {
	base := path.Base(program)
	for _, r := range interpreters() {
		rest, ok := strings.CutPrefix(base, r[0])
		if !ok {
			continue
		}
		rest = strings.TrimPrefix(rest, "-")
		version = number(rest)
		switch rest[len(version):] {
		case "", "-cgi", "-fpm", "-cli", "m", "mu":
			return r[1], version, r[0]
		}
		return "", "", ""
	}
	return "", "", ""
}

// versioned is interpreter for those that are called past the name that fits any
// version.
func versioned(program string) (lang, version string) {
	lang, version, name := interpreter(program)
	switch {
	case name == "nodejs" || name == "php-cgi" || name == "php-fpm":
		return lang, version
	case version == "" || version == "3" && lang == "python":
		return "", ""
	}
	return lang, version
}

// shebang: by what a script is run.
func (s *search) shebang() {
	line, _, _ := bytes.Cut(s.text[2:], []byte("\n"))
	f := strings.Fields(string(line[:min(len(line), 256)]))
	if len(f) == 0 {
		return
	}
	program := f[0]
	if path.Base(program) == "env" {
		for _, x := range f[1:] {
			if program = x; !strings.HasPrefix(x, "-") && !strings.Contains(x, "=") {
				break
			}
		}
	}
	switch path.Base(program) {
	case "sh", "bash", "dash": // on every server
		return
	}
	lang, version, _ := interpreter(program)
	if lang == "" {
		lang = path.Base(program)
	}
	s.found("shebang", 0, strings.Join(f, " "), strings.TrimSpace(lang+" "+version))
	if strings.Contains(version, ".") && strings.HasPrefix(program, "/usr/") {
		s.uses(lang, version)
	}
}
