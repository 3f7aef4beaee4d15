// Package mention finds the names and addresses of a server in files that look
// like settings: an account that was moved would go on asking its old server.
package mention

import (
	"bytes"
	"path"
	"slices"
	"strings"

	"github.com/stopover/stopover/schema"
)

// PerFile bounds what one file says.
const PerFile = 10

// MaxFile is the size in bytes beyond which a file is data, not settings.
const MaxFile = 256 << 10

// Settings says whether a file looks like settings, by its name alone.
func Settings(name string) bool {
	name = strings.ToLower(name)
	switch name {
	case ".htaccess", ".pgpass", ".netrc", ".msmtprc", ".mailrc":
		return true
	}
	if strings.HasPrefix(name, ".env") {
		return true
	}
	switch path.Ext(name) {
	case ".php", ".inc", ".ini", ".conf", ".cnf", ".cfg", ".config", ".env", ".json", ".yml", ".yaml", ".toml", ".xml", ".properties":
		return true
	}
	return false
}

// Foreign says that a directory holds what others wrote: libraries and history
// know nothing of this server.
func Foreign(dir string) bool {
	for name := range strings.SplitSeq(dir, "/") {
		switch name {
		case "node_modules", ".git", ".hg", ".svn", ".cache", ".npm":
			return true
		}
	}
	return false
}

// Find finds tokens, which are in lower case, that stand alone in a text. It
// makes the text lower case. The mentions have no path.
func Find(text []byte, tokens []string) []schema.Mention {
	for i, b := range text {
		if 'A' <= b && b <= 'Z' {
			text[i] = b + 'a' - 'A'
		}
	}
	type hit struct {
		at    int
		token string
	}
	var hits []hit
	for _, token := range tokens {
		n := 0
		for from := 0; n < PerFile; {
			i := bytes.Index(text[from:], []byte(token))
			if i < 0 {
				break
			}
			at := from + i
			if Alone(text, at, at+len(token)) {
				hits = append(hits, hit{at, token})
				n++
			}
			from = at + 1
		}
	}
	slices.SortFunc(hits, func(a, b hit) int { return a.at - b.at })
	var out []schema.Mention
	line, counted := 1, 0
	for _, x := range hits[:min(len(hits), PerFile)] {
		line += bytes.Count(text[counted:x.at], []byte("\n"))
		counted = x.at
		out = append(out, schema.Mention{Line: line, What: x.token})
	}
	return out
}

// Alone says that what stands around text[from:to] does not make it a part of
// another name or address: 192.0.2.1 is not mentioned by 192.0.2.10, nor
// web1.example by www.web1.example or web1.example.org.
func Alone(text []byte, from, to int) bool {
	v6 := bytes.IndexByte(text[from:to], ':') >= 0
	part := func(b byte) bool {
		return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '-' || b == '_' || b >= 0x80 || v6 && b == ':'
	}
	at := func(i int) byte {
		if i < 0 || i >= len(text) {
			return 0
		}
		return text[i]
	}
	if part(at(from-1)) || part(at(to)) {
		return false
	}
	return !(at(from-1) == '.' && part(at(from-2))) && !(at(to) == '.' && part(at(to+1)))
}
